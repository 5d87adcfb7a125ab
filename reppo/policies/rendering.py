"""An episode of a trained policy as frames."""

import ctypes.util
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree, UInt8

from reppo.environments import AbstractEnvironment, Episodes, EpisodeState, GymnaxEnvironment, PlaygroundEnvironment
from reppo.errors import ConfigurationError, require
from reppo.keys import subkey
from reppo.policies.drawing import DRAWINGS, draw_frames
from reppo.policies.evaluation import evaluation_starts
from reppo.policies.trained import TrainedPolicy
from reppo.policies.video import check_video_path, write_video

MAX_FPS = 30.0
"""Tasks with more steps per second than this show every second step, every third, ..."""

Frames = list[UInt8[np.ndarray, "height width 3"]]


@final
class Rendered(NamedTuple):
    """What was rendered.

    Attributes:
        path: the video.
        episode_return: undiscounted return of the episode.
        episode_length: its number of steps.
        frames: number of frames.
    """

    path: Path
    episode_return: float
    episode_length: int
    frames: int


def render_episode(
    policy: TrainedPolicy,
    path: str | Path,
    *,
    episode: int = 0,
    seed: int | None = None,
    steps: int | None = None,
    width: int = 480,
    height: int = 360,
    camera: str | None = None,
) -> Rendered:
    """Writes a video of one episode, at the task's own speed, with the deterministic policy.

    Playground's tasks go through MuJoCo's renderer, without a display; gymnax's are drawn by matplotlib.

    Args:
        policy: the policy.
        path: a file that ends in `.gif` or `.mp4`.
        episode: which of the evaluation episodes, from 0.
        seed: of the episodes; the run's own by default.
        steps: most steps to show; the whole episode by default.
        width: of the video, in pixels.
        height: of the video, in pixels.
        camera: a camera of the physics model; the free one by default. Playground's tasks only.

    Raises:
        ConfigurationError: if the task has no picture, nothing can render without a display here (says what to
            install), an argument is out of range, or the video cannot be written.
    """
    path = Path(path)
    check_video_path(path)
    require(episode >= 0, f"The episode is {episode}; give 0 or more.")
    require(steps is None or steps >= 1, f"The number of steps is {steps}; give at least 1.")
    for name, size in (("width", width), ("height", height)):
        require(16 <= size <= 4096, f"The {name} of the video is {size} pixels; give one from 16 to 4096.")
    renderer = _renderer(policy.environment, camera)
    states, rewards = _play(policy, episode, policy.record.seed if seed is None else seed, renderer.visible)
    length = len(rewards) if steps is None else min(steps, len(rewards))
    every = max(1, round(renderer.steps_per_second / MAX_FPS))
    returns = np.concatenate([[0.0], np.cumsum(rewards)])
    shown = range(0, length, every)
    frames = renderer.draw([jax.tree.map(lambda x, i=i: x[i], states) for i in shown], returns[shown], width, height)
    write_video(path, frames, renderer.steps_per_second / every)
    return Rendered(path, float(returns[-1]), len(rewards), len(frames))


class _Renderer(NamedTuple):
    """How a kind of environment is shown: what of its state is visible, how fast it runs, how it is drawn."""

    visible: Callable[[Any], PyTree[Array]]
    steps_per_second: float
    draw: Callable[[Sequence[Any], Any, int, int], Frames]


def _renderer(environment: AbstractEnvironment, camera: str | None) -> _Renderer:
    if isinstance(environment, PlaygroundEnvironment):
        return _mujoco(environment, camera)
    require(camera is None, f"The camera is {camera!r}, but only tasks of Playground have cameras. Leave it out.")
    if isinstance(environment, GymnaxEnvironment) and environment.task.name in DRAWINGS:
        return _gymnax(environment)
    raise ConfigurationError(
        f"There is no picture of {type(environment).__name__}. Tasks of Playground and these of gymnax have one: "
        f"{', '.join(DRAWINGS)}."
    )


def _gymnax(environment: GymnaxEnvironment) -> _Renderer:
    def draw(states: Sequence[Any], returns: Any, width: int, height: int) -> Frames:
        return draw_frames(environment.task.name, states, environment.params, list(returns), width, height)

    return _Renderer(lambda state: state, 1 / float(getattr(environment.params, "dt", 0.05)), draw)


def _mujoco(environment: PlaygroundEnvironment, camera: str | None) -> _Renderer:
    mujoco: Any = importlib.import_module("mujoco")
    model: Any = environment.task.mj_model
    cameras = [model.camera(number).name for number in range(model.ncam)]
    require(
        camera is None or camera in cameras,
        f"The task has no camera {camera!r}; it has {', '.join(map(repr, cameras)) or 'the free one only'}.",
    )
    use_offscreen_context()

    def visible(state: Any) -> PyTree[Array]:
        data = state.data
        return {"qpos": data.qpos, "qvel": data.qvel, "mocap_pos": data.mocap_pos, "mocap_quat": data.mocap_quat}

    def draw(states: Sequence[Any], returns: Any, width: int, height: int) -> Frames:
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

    return _Renderer(visible, 1 / (environment.task.dt * environment.action_repeat), draw)


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


def _play(
    policy: TrainedPolicy, episode: int, seed: int, visible: Callable[[Any], PyTree[Array]]
) -> tuple[PyTree[np.ndarray], Float[np.ndarray, " steps"]]:
    """What is visible before each step of an evaluation episode, `[steps, ...]`, and the rewards."""
    require(0 <= seed < 2**32, f"The seed is {seed}; give a whole number from 0 to 4294967295.")

    @eqx.filter_jit
    def run(acting: Any, environment: AbstractEnvironment, root: Array) -> tuple[Any, Array, Array]:
        episodes, key = Episodes(environment, num_starts=1), subkey(root, "evaluation")
        starts = evaluation_starts(environment, root, episode + 1)
        start = jax.tree.map(lambda leaf: leaf[-1], starts)
        memory = policy.spec.algorithm.memory(jax.random.split(subkey(key, "memory"), episode + 1)[-1])

        def step(carry: tuple[EpisodeState, Any], time: Array) -> tuple[Any, Any]:
            state, memory = carry
            step_key = jax.random.split(subkey(key, "environment", time), episode + 1)[-1]
            action, memory, _ = acting(memory, state.observation, step_key, True)
            after, timestep = episodes.step(step_key, state, action)
            return (after, memory), (visible(state.task), timestep.reward, timestep.ended)

        _, (states, rewards, ended) = jax.lax.scan(step, (start, memory), jnp.arange(episodes.horizon))
        return states, rewards, ended

    with jax.default_matmul_precision(policy.spec.matmul_precision):
        states, rewards, ended = run(policy.policy, policy.environment.with_worlds(episode + 1), jax.random.key(seed))
    length = int(np.argmax(ended)) + 1 if np.any(ended) else len(ended)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:length], states), np.asarray(rewards)[:length]
