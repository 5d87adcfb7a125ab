"""A sweep that is asked to stop makes a checkpoint first, loses nothing, and goes on with the same numbers."""

# ruff: noqa: F811 (fixtures are imported)

import contextlib
import sys

import pytest

from reppo.results import load_results
from reppo.sweep import execute, pace
from reppo.tracking import AbstractTracker, Kept, NoTracker, SweepStarted, Working
from reppo.training import BatchProgram
from tests.sweep.resuming import SMALL, batch_of, contents, declare, programs, run_again  # noqa: F401

WORK = ["evaluating", "training", "training", "evaluating", "training", "training", "evaluating"]
KEPT = [0, 1, 2, 2, 3, 4, 4]
"""What it does in turn, and the iterations that are kept by a stop in each. After the last one it is done."""


@pytest.fixture(autouse=True)
def no_other_checkpoints(monkeypatch):
    """An iteration at a time, and no checkpoints but at the end and where the sweep is asked to stop."""
    for name in ("SAVE_SECONDS", "MOST_SAVE_SECONDS"):
        monkeypatch.setattr(pace, name, 1e9)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "small"
    execute(declare(**SMALL), path, NoTracker())
    return contents(path)


class Signal(AbstractTracker):
    """Asks for the end while a piece of work is done; as a signal that comes then."""

    def __init__(self, number):
        self.number, self.work, self.kept, self.begun, self.asked = number, [], [], [], False

    def receive(self, event):
        if isinstance(event, Working) and event.activity in ("training", "evaluating"):
            self.asked |= len(self.work) == self.number
            self.work.append(event.activity)
        if isinstance(event, Kept):
            self.kept.append(event.steps)
        if isinstance(event, SweepStarted):
            self.begun.append(event.steps_done)

    def close(self):
        pass

    @contextlib.contextmanager
    def postponed(self):
        yield lambda: self.asked
        if self.asked:
            raise KeyboardInterrupt


@pytest.mark.parametrize("number", range(len(WORK)))
def test_a_stop_loses_nothing(whole, tmp_path, monkeypatch, number):
    path, signal = tmp_path / "small", Signal(number)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sys.modules["reppo.sweep.training"], "postponed", signal.postponed)
        execute(declare(**SMALL), path, signal)
    done = KEPT[number] == 4
    assert signal.work == WORK[: len(WORK) if done else number + 1]
    assert signal.kept == [2 * 128 * KEPT[number]]
    assert [int(folder.name) for folder in (batch_of(path) / "states").iterdir()] == [KEPT[number]]
    assert {run.record.status for run in load_results(path)} == {"finished" if done else "running"}

    trained, original = [], BatchProgram.iterate
    monkeypatch.setattr(BatchProgram, "iterate", lambda *a: (trained.append(a[-1]), original(*a))[1])
    run_again(path, **SMALL)
    assert sum(trained) == 4 - KEPT[number]
    assert contents(path) == whole
    assert run_again(path, **SMALL).chunks == 0


def test_of_runs_that_are_done_one_checkpoint_is_kept_and_more_steps_go_on_from_it(tmp_path, monkeypatch):
    for name in ("SAVE_SECONDS", "MOST_SAVE_SECONDS"):
        monkeypatch.setattr(pace, name, -1.0)
    longer = SMALL | {"steps": 128 * 6}
    execute(declare(**longer), tmp_path / "whole" / "small", NoTracker())
    execute(declare(**SMALL), tmp_path / "small", NoTracker())
    saved = lambda: [int(folder.name) for folder in (batch_of(tmp_path / "small") / "states").iterdir()]
    assert saved() == [4]
    run_again(tmp_path / "small", **longer)
    assert saved() == [6]
    assert contents(tmp_path / "small") == contents(tmp_path / "whole" / "small")
