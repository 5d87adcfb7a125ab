"""Videos of episodes: not blank, as long as the episode, and moving as the states do."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from reppo import environments
from reppo.errors import ConfigurationError
from reppo.policies import evaluate_policy, load_policy, render_episode, rendering, video, write_video
from reppo.policies.drawing import DRAWINGS, draw_frames


@pytest.fixture(scope="module")
def policy(pendulum_results):
    return load_policy(pendulum_results / "runs" / "base" / "Pendulum-v1" / "seed0")


def frames_of(path):
    with Image.open(path) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB"), np.int32))
        return frames, image.info["duration"]


def test_an_episode_becomes_a_gif_at_the_speed_of_the_task(policy, tmp_path):
    rendered = render_episode(policy, tmp_path / "new" / "episode.gif", episode=2, width=160, height=120)
    recorded = evaluate_policy(policy, seed=policy.record.seed)
    np.testing.assert_allclose(rendered.episode_return, recorded.episode_return[2], rtol=1e-4)
    assert rendered.episode_length == rendered.frames == 200
    frames, duration = frames_of(rendered.path)
    assert duration == 50  # milliseconds: Pendulum's time step
    assert len(frames) == 200 and frames[0].shape == (120, 160, 3)
    assert all(frame.std() > 5 for frame in frames)
    assert np.abs(frames[0] - frames[5]).max() > 50


def test_the_first_steps_alone_can_be_shown(policy, tmp_path):
    rendered = render_episode(policy, tmp_path / "a.gif", steps=3, width=64, height=64)
    assert rendered.frames == 3 and rendered.episode_length == 200


@pytest.mark.parametrize("name", environments.GYMNAX)
def test_every_gymnax_task_has_a_picture_that_follows_its_state(name):
    environment = environments.gymnax(name).make()
    states = [environment.reset(jax.random.key(seed))[0] for seed in (0, 1)]
    first, second = draw_frames(name, states, environment.params, [0.0, 0.0], 200, 150)
    assert first.shape == (150, 200, 3) and first.dtype == np.uint8
    picture, other = first[20:].astype(int), second[20:].astype(int)  # below the caption
    assert (picture < 128).any(axis=2).sum() > 20
    assert (np.abs(picture - other).max(axis=2) > 50).sum() > 20
    assert name in DRAWINGS


def test_an_upright_pendulum_points_up():
    environment = environments.gymnax("Pendulum-v1").make()
    state, _ = environment.reset(jax.random.key(0))
    up, down = draw_frames(
        "Pendulum-v1",
        [state.replace(theta=np.float32(angle)) for angle in (0.0, np.pi)],
        environment.params,
        [0.0, 0.0],
        200,
        200,
    )
    blue = lambda frame: ((frame[20:, :, 2] > 150) & (frame[20:, :, 0] < 100)).nonzero()[0].mean()
    assert blue(up) < 90 - 20 < 90 + 20 < blue(down)


def test_mujoco_renders_without_a_display_and_what_it_shows_moves(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    environment = environments.playground("CartpoleBalance", backend="jax").make()
    renderer = rendering._renderer(environment, None)
    model = environment.task.mj_model
    assert renderer.steps_per_second == pytest.approx(100)

    def state(angle):
        return {
            "qpos": np.array([0.0, angle]),
            "qvel": np.zeros(model.nv),
            "mocap_pos": np.zeros((0, 3)),
            "mocap_quat": np.zeros((0, 4)),
        }

    up, down = (frame.astype(int) for frame in renderer.draw([state(0.0), state(np.pi)], None, 160, 120))
    assert up.shape == (120, 160, 3)
    assert up.std() > 5 and len(np.unique(up)) > 30
    assert (np.abs(up - down).max(axis=2) > 40).sum() > 50
    with pytest.raises(ConfigurationError, match="has no camera 'side'; it has 'fixed'"):
        rendering._renderer(environment, "side")


def test_without_a_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"no library EGL; no library OSMesa\).*apt-get install libegl1 "):
        rendering.use_offscreen_context()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("osmesa", "renders, with MUJOCO_GL=osmesa .no library OSMesa.. Install Mesa"),
        ("off", "MUJOCO_GL is 'off'; to render, set it to egl, osmesa or glfw"),
    ],
)
def test_a_library_that_was_asked_for_and_is_missing_is_named(asked, message, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", asked)
    monkeypatch.setattr(rendering.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(ConfigurationError, match=message):
        rendering.use_offscreen_context()


WITHOUT_GRAPHICS = """
import ctypes.util, os, sys
from reppo import environments
environments.playground("CartpoleBalance", backend="jax").make()
print(os.environ["MUJOCO_GL"], "mujoco" in sys.modules)
"""


@pytest.mark.parametrize("asked", ["osmesa", "nonsense"])
def test_a_task_is_made_where_what_draws_is_missing(asked):
    environ = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    place = environ | {"MUJOCO_GL": asked, "PYTHONPATH": str(Path(rendering.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", WITHOUT_GRAPHICS], capture_output=True, text=True, env=place)
    assert done.stdout.split() == [asked, "True"], done.stderr


def test_a_context_that_cannot_be_made_is_no_fault_of_the_policy(monkeypatch):
    import mujoco

    def broken(*arguments, **named):
        raise mujoco.FatalError("gladLoadGL error")

    renderer = rendering._renderer(environments.playground("CartpoleBalance", backend="jax").make(), None)
    monkeypatch.setattr(mujoco, "Renderer", broken)
    with pytest.raises(ConfigurationError, match=r"Nothing on this machine renders.*gladLoadGL error.*Install Mesa"):
        renderer.draw([], None, 160, 120)


def test_what_cannot_be_written_or_shown_is_refused_before_anything_runs(policy, tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "_play", None)
    monkeypatch.setattr(video, "find_ffmpeg", lambda: None)
    for path, message in (
        ("a.avi", "ends in '.avi'; give a .gif or .mp4"),
        ("a.mp4", "needs ffmpeg, which is not installed.*ends in .gif"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            render_episode(policy, tmp_path / path)
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder"):
        render_episode(policy, tmp_path / "folder.gif")
    for arguments, message in (
        ({"width": 8}, "width of the video is 8 pixels; give one from 16 to 4096"),
        ({"steps": 0}, "number of steps is 0; give at least 1"),
        ({"episode": -1}, "episode is -1; give 0 or more"),
        ({"camera": "side"}, "only tasks of Playground have cameras"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            render_episode(policy, tmp_path / "a.gif", **arguments)
    policy_of_a_probe = type(policy)(
        policy.policy, policy.spec, environments.probe("BestAction").make(), policy.record, "best"
    )
    with pytest.raises(ConfigurationError, match="no picture of BestAction. Tasks of Playground and these of gymnax"):
        render_episode(policy_of_a_probe, tmp_path / "a.gif")


FRAMES = [np.full((21, 33, 3), shade, np.uint8) for shade in (0, 128, 255)]


@pytest.mark.skipif(video.find_ffmpeg() is None, reason="ffmpeg is not installed")
def test_mp4_is_written_by_ffmpeg(tmp_path):
    path = write_video(tmp_path / "a.mp4", FRAMES, 10.0)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_mp4_frames_reach_ffmpeg_and_its_failure_is_told(tmp_path, monkeypatch):
    asked = {}

    def ffmpeg(command, input, capture_output):
        asked.update(command=command, input=input)
        return subprocess.CompletedProcess(command, asked.get("code", 0), b"", b"no such codec")

    monkeypatch.setattr(video, "find_ffmpeg", lambda: "ffmpeg")
    monkeypatch.setattr(video.subprocess, "run", ffmpeg)
    write_video(tmp_path / "a.mp4", FRAMES, 10.0)
    assert "33x21" in asked["command"] and len(asked["input"]) == 3 * 21 * 33 * 3
    asked["code"] = 1
    with pytest.raises(ConfigurationError, match=r"ffmpeg cannot write .*a\.mp4': no such codec"):
        write_video(tmp_path / "a.mp4", FRAMES, 10.0)
