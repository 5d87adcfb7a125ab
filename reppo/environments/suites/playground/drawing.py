"""Pictures of Playground's tasks, by MuJoCo's renderer without a display."""

import ctypes.util
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, PyTree

from reppo.environments.pictures import Frames, Picture
from reppo.errors import ConfigurationError, require


def picture(task: Any, action_repeat: int, camera: str | None) -> Picture:
    """How a task is drawn.

    Args:
        task: the task of Playground.
        action_repeat: the steps of the task that each action is held for.
        camera: one of the model's cameras; the free one by default.

    Raises:
        ConfigurationError: if there is no such camera, or nothing renders here without a display.
    """
    mujoco: Any = importlib.import_module("mujoco")
    model: Any = task.mj_model
    cameras = [model.camera(number).name for number in range(model.ncam)]
    require(
        camera is None or camera in cameras,
        f"The task has no camera {camera!r}; it has {', '.join(map(repr, cameras)) or 'the free one only'}.",
    )
    use_offscreen_context()

    def visible(state: Any) -> PyTree[Array]:
        data = state.data
        return {"qpos": data.qpos, "qvel": data.qvel, "mocap_pos": data.mocap_pos, "mocap_quat": data.mocap_quat}

    def draw(states: Sequence[Any], returns: Sequence[float], width: int, height: int) -> Frames:
        # The buffer off the screen is as large as the model says, and may be too small.
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
        model.vis.global_.offheight = max(model.vis.global_.offheight, height)
        data, frames = mujoco.MjData(model), []
        try:
            made = mujoco.Renderer(model, height=height, width=width)
        except (AttributeError, RuntimeError, mujoco.FatalError) as error:  # the library is there, and cannot draw
            raise _no_graphics(str(error)) from error
        with made as renderer:
            for state in states:
                for name, value in state.items():
                    getattr(data, name)[:] = value
                mujoco.mj_forward(model, data)
                renderer.update_scene(data, camera=-1 if camera is None else camera)
                frames.append(renderer.render().copy())
        return frames

    return Picture(visible, 1 / (task.dt * action_repeat), draw)


def use_offscreen_context() -> None:
    """Makes MuJoCo render without a display, or as `MUJOCO_GL` says.

    Raises:
        ConfigurationError: if this machine has neither EGL nor OSMesa, or not what was asked for; says what to install.
    """
    if sys.platform != "linux":
        return
    asked = os.environ.get("MUJOCO_GL", "").lower().strip()
    libraries = {"egl": "EGL", "osmesa": "OSMesa", "glfw": None}
    require(asked == "" or asked in libraries, f"MUJOCO_GL is {asked!r}; to render, set it to egl, osmesa or glfw.")
    from mujoco.rendering.classic import gl_context  # fails where MuJoCo does not know what is asked for

    problems = []
    for name in [asked] if asked else ["egl", "osmesa"]:
        library = libraries[name]
        if library is not None and ctypes.util.find_library(library) is None:
            problems.append(f"no library {library}")
            continue
        try:
            gl_context.GLContext = importlib.import_module(f"mujoco.{name}").GLContext
            return
        except (ImportError, AttributeError, RuntimeError) as error:
            problems.append(f"{library or name}: {error}")
    raise _no_graphics("; ".join(problems))


def _no_graphics(problem: str) -> ConfigurationError:
    asked = f", with MUJOCO_GL={os.environ['MUJOCO_GL']}" if os.environ.get("MUJOCO_GL") else " without a display"
    return ConfigurationError(
        f"Nothing on this machine renders{asked} ({problem}). Install Mesa (Debian: apt-get install libegl1 "
        "libegl-mesa0 libgl1-mesa-dri, or libosmesa6), or set MUJOCO_GL to what there is: egl, osmesa or glfw."
    )
