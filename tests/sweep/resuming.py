"""A small sweep, trained once a module, and what is asked of a folder of results after it was stopped or damaged."""

import contextlib
import csv
import gc
import json
import shutil
import sys

import pytest

from reppo import environments
from reppo.ablation import setting
from reppo.errors import ConfigurationError
from reppo.results import load_results
from reppo.sweep import Experiment, execute, execution
from reppo.sweep.execution import needed_bytes
from reppo.tracking import AbstractTracker, ChunkFinished, Noticed, NoTracker, SweepStarted
from reppo.training import BatchProgram, Checkpoints
from reppo.training.lanes import compile_key
from tests.sweep.disk import Disk, Killed, watched
from tests.tiny import save_at_every_iteration, tiny_preset

MODULE = sys.modules["reppo.sweep.execute"]  # the package exports a function of the same name
STEPS = 128 * 6
TIMES = ("train_seconds", "compile_seconds", "steps_per_second", "program_bytes", "batch", "files")


def declare(**changes):
    settings = {
        "name": "small",
        "base": tiny_preset,
        "environments": [environments.probe("BestAction")],
        "arms": [setting("kl_bound", 0.2)],
        "seeds": [0, 1],
        "steps": STEPS,
    }
    return Experiment(**(settings | changes))


@pytest.fixture(scope="module", autouse=True)
def programs():
    """Every program is compiled once for all tests, and is for two runs; every iteration ends with a checkpoint."""
    made, needed = {}, {}

    def bytes_of(run):
        key = compile_key(run.spec)
        if key not in needed:
            needed[key] = needed_bytes(run)
        return needed[key]

    def program(spec, width, mode, devices):
        key = compile_key(spec), width, mode, devices
        if key not in made:
            made[key] = BatchProgram(spec, width, mode, devices=devices)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "make_program", program)
        patch.setattr(execution, "MAX_WIDTH", 2)  # a batch for each arm
        patch.setattr(MODULE, "needed_bytes", bytes_of)
        save_at_every_iteration(patch)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A whole sweep, whose checkpoints before the last ones are still there, as they are until the end of a batch."""
    path = tmp_path_factory.mktemp("results") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "keep_only", lambda self, iteration: None)
        execute(declare(), path, NoTracker())
    return path


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    path = tmp_path_factory.mktemp("longer") / "small"
    execute(declare(steps=2 * STEPS), path, NoTracker())
    return path


@pytest.fixture
def results(undisturbed, tmp_path):
    """A copy of the undisturbed results, to be damaged."""
    return shutil.copytree(undisturbed, tmp_path / "small")


class Listener(AbstractTracker):
    """Keeps what is said; interrupts after a number of chunks."""

    def __init__(self, interrupt_after=None):
        self.said, self.warnings, self.chunks, self.interrupt_after = [], [], 0, interrupt_after

    def receive(self, event):
        if isinstance(event, SweepStarted):
            self.warnings += event.warnings
        if isinstance(event, Noticed):
            self.said.append(event.text)
        if isinstance(event, ChunkFinished):
            self.chunks += 1
            if self.chunks == self.interrupt_after:
                raise KeyboardInterrupt

    def close(self):
        pass


def contents(path):
    """All that the runs of a folder hold, but times."""
    found = {}
    for run in load_results(path):
        record = run.record.to_json()
        with run.folder.evaluations_path.open() as file:
            evaluations = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
        found[run.record.arm, run.record.seed] = (
            {name: value for name, value in record.items() if name not in TIMES},
            evaluations,
            run.folder.metrics_path.read_text(),
            {which: (run.folder.policy_path / f"{which}.npz").read_bytes() for which in ("last", "best")},
        )
    return found


def run_again(path, **changes):
    listener = Listener()
    execute(declare(**changes), path, listener)
    return listener


def batch_of(path, run="runs/base/BestAction/seed0"):
    return path / "batches" / json.loads((path / run / "record.json").read_text())["batch"]


def checkpoints(batch):
    return sorted((batch / "states").iterdir(), key=lambda folder: int(folder.name))


def largest(checkpoint):
    return max((file for file in checkpoint.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)


def returns(path):
    """The evaluated steps and returns of every run of a folder."""
    return {
        (r.record.arm, r.record.seed): (r.evaluations.environment_steps, r.evaluations.returns)
        for r in load_results(path)
    }


def stop_at(path, at, full=False, **changes):
    """Runs until an operation on files, which is the last, or which finds the disk full; returns what was done."""
    with watched(Disk(path, at, full)) as disk, contextlib.suppress(Killed, ConfigurationError):
        execute(declare(**changes), path, NoTracker())
    gc.collect()  # with the frames that the error kept alive goes the lock
    return disk.operations


SMALL = {"arms": [], "seeds": [0, 1], "steps": 128 * 4}
"""One batch of two runs, with checkpoints at 0, 2 and 4 iterations."""


@pytest.fixture(scope="module")
def operations(tmp_path_factory):
    """Every operation on files of a small sweep, in order, and its results."""
    path = tmp_path_factory.mktemp("whole") / "small"
    return stop_at(path, None, **SMALL), contents(path)
