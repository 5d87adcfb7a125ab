"""MuJoCo draws without a display; where it cannot, the error says what to install."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reppo
from reppo import environments
from reppo.environments.suites.playground import drawing
from reppo.errors import ConfigurationError


def test_mujoco_renders_without_a_display_and_what_it_shows_moves(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    environment = environments.playground("CartpoleBalance", backend="jax").make()
    renderer = environment.picture()
    model = environment.task.mj_model
    assert renderer.steps_per_second == pytest.approx(100)

    def state(angle):
        return {
            "qpos": np.array([0.0, angle]),
            "qvel": np.zeros(model.nv),
            "mocap_pos": np.zeros((0, 3)),
            "mocap_quat": np.zeros((0, 4)),
        }

    up, down = (frame.astype(int) for frame in renderer.draw([state(0.0), state(np.pi)], [0.0, 0.0], 160, 120))
    assert up.shape == (120, 160, 3)
    assert up.std() > 5 and len(np.unique(up)) > 30
    assert (np.abs(up - down).max(axis=2) > 40).sum() > 50
    with pytest.raises(ConfigurationError, match="has no camera 'side'; it has 'fixed'"):
        environment.picture("side")


def test_without_a_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(drawing.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"no library EGL; no library OSMesa\).*apt-get install libegl1 "):
        drawing.use_offscreen_context()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("osmesa", "renders, with MUJOCO_GL=osmesa .no library OSMesa.. Install Mesa"),
        ("off", "MUJOCO_GL is 'off'; to render, set it to egl, osmesa or glfw"),
    ],
)
def test_a_library_that_was_asked_for_and_is_missing_is_named(asked, message, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", asked)
    monkeypatch.setattr(drawing.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(ConfigurationError, match=message):
        drawing.use_offscreen_context()


WITHOUT_GRAPHICS = """
import ctypes.util, os, sys
from reppo import environments
environments.playground("CartpoleBalance", backend="jax").make()
print(os.environ["MUJOCO_GL"], "mujoco" in sys.modules)
"""


@pytest.mark.parametrize("asked", ["osmesa", "nonsense"])
def test_a_task_is_made_where_what_draws_is_missing(asked):
    environ = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    place = environ | {"MUJOCO_GL": asked, "PYTHONPATH": str(Path(reppo.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", WITHOUT_GRAPHICS], capture_output=True, text=True, env=place)
    assert done.stdout.split() == [asked, "True"], done.stderr


def test_a_context_that_cannot_be_made_is_no_fault_of_the_policy(monkeypatch):
    import mujoco

    def broken(*arguments, **named):
        raise mujoco.FatalError("gladLoadGL error")

    renderer = environments.playground("CartpoleBalance", backend="jax").make().picture()
    monkeypatch.setattr(mujoco, "Renderer", broken)
    with pytest.raises(ConfigurationError, match=r"Nothing on this machine renders.*gladLoadGL error.*Install Mesa"):
        renderer.draw([], [], 160, 120)
