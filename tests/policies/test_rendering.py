"""Videos of episodes: not blank, as long as the episode, and moving as the states do."""

import subprocess

import numpy as np
import pytest
from PIL import Image

from reppo import environments
from reppo.errors import ConfigurationError
from reppo.policies import evaluate_policy, load_policy, render_episode, rendering, video, write_video


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
        ({"camera": "side"}, "The camera is 'side', but tasks of gymnax have none"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            render_episode(policy, tmp_path / "a.gif", **arguments)
    policy_of_a_probe = type(policy)(
        policy.policy, policy.spec, environments.probe("BestAction").make(), policy.record, "best"
    )
    with pytest.raises(ConfigurationError, match="no picture of BestAction. Tasks are drawn whose environment has"):
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
