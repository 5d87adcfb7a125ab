"""TensorBoard: what a sweep wrote is read back, after interruptions too."""

import importlib.util
import math
import os
import struct

import numpy as np
import pytest

from reppo import environments
from reppo.errors import ConfigurationError
from reppo.results import ResultsFolder, RunRecord
from reppo.sweep import Experiment, execute
from reppo.tracking import Composite, RunFinished, SweepStarted, TensorBoard
from tests.tiny import tiny_preset
from tests.tracking.lanes import KillAfter, begin, chunk, record, report, start


def read(folder):
    """Tag -> steps and values, in the order of the files: records with their length and checksums around them."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        content, position = file.read_bytes(), 0
        while position < len(content):
            (length,) = struct.unpack("<Q", content[position : position + 8])
            event = Event.FromString(content[position + 12 : position + 12 + length])
            position += 16 + length
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def put(path, steps, seed=0):
    folder = ResultsFolder(path).run("kl/no_kl", "Task", seed)
    folder.append_evaluation(steps, 1.0, np.array([steps, steps + 2.0]), np.array([5, 5]))
    folder.append_metrics(steps, {"critic/loss": (0.5, 0.0, 1.0)})
    return folder


def sent(steps, seed=0):
    return chunk(steps, [report("kl/no_kl", seed, [float(steps), steps + 2.0], **{"critic/loss": (0.5, 0.0, 1.0)})])


def test_each_run_has_one_file_in_a_folder_of_its_own(tmp_path):
    tracker = TensorBoard(tmp_path)
    begin(tracker, [start("kl/no_kl", 0), start("kl/no_kl", 1)])
    for seed in (0, 1):
        put(tmp_path, 50, seed)
        tracker.receive(sent(50, seed))
    tracker.receive(RunFinished(record=record("kl/no_kl", 0)))
    tracker.close()
    for seed in (0, 1):
        found = read(tmp_path / "tensorboard" / "kl.no_kl" / "Task" / f"seed{seed}")
        assert found["evaluation/return"] == [(50, 51.0)] and found["critic/loss.max"] == [(50, 1.0)]


def test_after_a_kill_no_step_is_lost_or_doubled(tmp_path):
    place = tmp_path / "tensorboard" / "kl.no_kl" / "Task" / "seed0"
    first = TensorBoard(tmp_path)
    begin(first, [start("kl/no_kl", 0)])
    for steps in (0, 50, 100):
        put(tmp_path, steps)
        first.receive(sent(steps))  # and is killed: the checkpoint is the one at 50
    first.close()
    folder = ResultsFolder(tmp_path).run("kl/no_kl", "Task", 0)
    lines = folder.evaluations_path.read_text().splitlines(keepends=True)
    folder.evaluations_path.write_text("".join(lines[:5]))
    folder.metrics_path.write_text("".join(folder.metrics_path.read_text().splitlines(keepends=True)[:3]))
    second = TensorBoard(tmp_path)
    begin(second, [start("kl/no_kl", 0)])
    for steps in (100, 150):
        put(tmp_path, steps)
        second.receive(sent(steps))
    second.close()
    found = read(place)
    assert found["evaluation/return"] == [(0, 1.0), (50, 51.0), (100, 101.0), (150, 151.0)]
    assert [step for step, _ in found["critic/loss"]] == [0, 50, 100, 150]
    assert len(list(place.iterdir())) == 1


def test_a_finished_run_whose_file_is_missing_or_was_not_completed_is_written_from_its_tables(tmp_path):
    runs = {seed: put(tmp_path, 50, seed) for seed in (0, 1)}
    for seed, folder in runs.items():
        fields = record("kl/no_kl", seed).to_json()
        folder.write_record(RunRecord(**fields))
    tracker = TensorBoard(tmp_path)
    tracker.receive(SweepStarted(experiment="study", runs=0, steps_total=1, batches=0))
    tracker.close()
    places = [tmp_path / "tensorboard" / "kl.no_kl" / "Task" / f"seed{seed}" for seed in runs]
    for place in places:
        assert read(place)["evaluation/return"] == [(50, 51.0)]
    files = [next(place.iterdir()) for place in places]
    os.truncate(files[0], 0)
    os.utime(files[0], (0, 0))
    kept = files[1].stat().st_mtime_ns
    again = TensorBoard(tmp_path)
    again.receive(SweepStarted(experiment="study", runs=0, steps_total=1, batches=0))
    assert read(places[0])["evaluation/return"] == [(50, 51.0)] and files[1].stat().st_mtime_ns == kept


def test_without_the_package_the_cure_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"tensorboardX.*pip install 'reppo\[tensorboard\]'"):
        TensorBoard(tmp_path)


@pytest.mark.slow
def test_a_sweep_that_was_interrupted_leaves_the_curves_of_its_tables(tmp_path):
    path = tmp_path / "study"
    tasks = [environments.probe("BestAction")]
    experiment = Experiment(name="study", base=tiny_preset, environments=tasks, seeds=[0, 1], steps=512)
    with pytest.raises(KeyboardInterrupt):
        execute(experiment, path, Composite([TensorBoard(path), KillAfter(256)]))
    execute(experiment, path, TensorBoard(path))
    for run in ResultsFolder.open(path).runs():
        steps, means = run.read_evaluations().curve()
        found = read(path / "tensorboard" / run.path.relative_to(path / "runs"))
        assert [step for step, _ in found["evaluation/return"]] == steps.tolist()
        np.testing.assert_allclose([value for _, value in found["evaluation/return"]], means, rtol=1e-6)
        metrics = run.read_metrics()
        assert {name for name in found if not name.endswith((".min", ".max"))} >= set(metrics.names)
        assert all(math.isfinite(value) for _, value in found["critic/loss"])
