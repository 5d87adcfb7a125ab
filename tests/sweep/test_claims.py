"""Several processes share a folder of results: each batch is trained once, with the numbers that it would have alone.

Another process is played by a sweep that begins inside the first one, at one of its chunks: locks keep the two apart as
they would processes.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import sys

import pytest

from ablations import kl
from reppo.ablation import setting
from reppo.errors import ConfigurationError
from reppo.results import ResultsFolder
from reppo.results.lock import Held
from reppo.sweep import execute
from reppo.sweep.claims import claim, claimed, own_ledger
from reppo.sweep.plan import plan_batches, prepare_folder
from reppo.tracking import AbstractTracker, BatchStarted, ChunkFinished, Noticed, NoTracker
from tests.sweep.resuming import contents, declare, programs, undisturbed  # noqa: F401

MODULE = sys.modules["reppo.sweep.execute"]  # the package exports a function of the same name


@pytest.fixture
def planned(tmp_path):
    """A folder with two planned batches: `batch0000` of the base, `batch0001` of the arm."""
    folder, execution = prepare_folder(declare(), tmp_path / "small")
    plan_batches(declare(), folder, execution)
    return folder


class Worker(AbstractTracker):
    """Keeps what its sweep did; does something once, at the first event of a kind."""

    def __init__(self, then=None, at=ChunkFinished):
        self.arms, self.chunks, self.said, self.then, self.at = [], 0, [], then, at

    def receive(self, event):
        if isinstance(event, self.at) and self.then is not None:
            then, self.then = self.then, None
            then()
        if isinstance(event, Noticed):
            self.said.append(event.text)
        if isinstance(event, BatchStarted):
            self.arms.append(" ".join(event.arms))
        if isinstance(event, ChunkFinished):
            self.chunks += 1

    def close(self):
        pass


def run(path, then=None, at=ChunkFinished, batch=None, **changes):
    worker = Worker(then, at)
    execute(declare(**changes), path, worker, batch=batch)
    return worker


def interrupt():
    raise KeyboardInterrupt


def test_a_batch_that_another_has_is_left_to_it(planned, undisturbed):  # noqa: F811
    with claim(planned, "batch0000") as held:
        assert held is None
        worker = run(planned.path)
        assert worker.arms == ["kl_bound=0.2"] and worker.chunks == 4
        assert len(worker.said) == 1
        left = f"The rest is left to other processes, which train it. batch0000: process {os.getpid()} on "
        assert worker.said[0].startswith(left)
        assert not planned.runs_csv_path.exists()  # the last one writes it
    assert not claimed(planned, "batch0000")
    assert run(planned.path).arms == ["base"]
    assert contents(planned.path) == contents(undisturbed)
    assert planned.runs_csv_path.exists()


def test_a_batch_that_another_has_left_is_taken_at_the_end(planned, undisturbed):  # noqa: F811
    with contextlib.ExitStack() as other:
        other.enter_context(claim(planned, "batch0000"))
        worker = run(planned.path, then=other.close)
    assert worker.arms == ["kl_bound=0.2", "base"] and not worker.said
    assert contents(planned.path) == contents(undisturbed)


def test_two_processes_share_the_work(tmp_path, undisturbed):  # noqa: F811
    path, others = tmp_path / "small", []
    worker = run(path, then=lambda: others.append(run(path)))
    assert worker.arms == ["base"] and others[0].arms == ["kl_bound=0.2"]
    assert "batch0000" in others[0].said[0]
    assert contents(path) == contents(undisturbed)
    folder = ResultsFolder.open(path)
    assert [file.name for file in folder.ledgers()] == ["ledger-2.jsonl", "ledger.jsonl"]
    events = [event["event"] for event in folder.read_ledger()]
    assert events[0] == "sweep_started" and events.count("sweep_finished") == 2 and events.count("run_finished") == 4
    assert folder.runs_csv_path.read_text().count("finished") == 4


def test_runs_that_begin_again_elsewhere_are_not_trained_twice(tmp_path, undisturbed):  # noqa: F811
    """Each of two processes puts a lost run into a new batch, while the other is at work."""
    path, others = shutil.copytree(undisturbed, tmp_path / "small"), []
    for arm in ("base", "kl_bound=0.2"):
        shutil.rmtree(path / "runs" / arm / "BestAction" / "seed0")
    worker = run(path, then=lambda: others.append(run(path)), at=Noticed)
    # When the first one has found the lost run of the base, the other trains that of the arm, in `batch0002`.
    assert (worker.chunks, others[0].chunks) == (4, 4)
    assert sorted(batch.name for batch in (path / "batches").iterdir()) == [f"batch000{number}" for number in range(4)]
    assert contents(path) == contents(undisturbed)


@pytest.mark.slow
def test_what_another_has_begun_anew_and_left_is_found(tmp_path, undisturbed):  # noqa: F811
    path = shutil.copytree(undisturbed, tmp_path / "small")
    for arm in ("base", "kl_bound=0.2"):
        shutil.rmtree(path / "runs" / arm / "BestAction" / "seed0")

    def other():
        with pytest.raises(KeyboardInterrupt):
            run(path, then=interrupt, at=BatchStarted)  # it has put the lost run of the arm into a new batch

    worker = run(path, then=other, at=Noticed)
    assert worker.arms == ["base", "kl_bound=0.2"]
    assert contents(path) == contents(undisturbed)


def test_each_process_takes_a_program_of_its_own(tmp_path):
    changes = {"arms": [setting("kl_bound", 0.2), kl.no_kl], "steps": 128 * 2}
    folder, execution = prepare_folder(declare(**changes), tmp_path / "small")
    plan_batches(declare(**changes), folder, execution)
    with claim(folder, "batch0000"):
        worker = run(folder.path, **changes)
    assert worker.arms == ["kl/no_kl", "kl_bound=0.2"]


def test_one_batch_alone(planned, undisturbed, monkeypatch):  # noqa: F811
    monkeypatch.setattr(MODULE, "CLAIM_SECONDS", 0.1)
    with claim(planned, "batch0001"), pytest.raises(Held, match=rf"batch0001.*process {os.getpid()} on"):
        run(planned.path, batch="batch0001")
    first = run(planned.path, batch="batch0001")
    assert first.arms == ["kl_bound=0.2"]
    assert run(planned.path, batch="batch0001").chunks == 0
    assert run(planned.path, batch="batch0000").arms == ["base"]
    assert contents(planned.path) == contents(undisturbed)
    assert [file.name for file in planned.ledgers()] == ["ledger-batch0000.jsonl", "ledger-batch0001.jsonl"]


def test_a_batch_whose_runs_began_again_is_done_with_them(tmp_path, undisturbed):  # noqa: F811
    path = shutil.copytree(undisturbed, tmp_path / "small")
    shutil.rmtree(path / "runs" / "base" / "BestAction" / "seed0")
    with pytest.raises(KeyboardInterrupt):
        run(path, then=interrupt)
    assert run(path, batch="batch0000").chunks > 0  # now in `batch0002`
    assert contents(path) == contents(undisturbed)


@pytest.mark.parametrize(
    ("batch", "changes", "message"),
    [
        ("batch0009", {}, "Unknown batch 'batch0009'. Did you mean .*planned by reppo submit"),
        ("../batch0000", {}, "Unknown batch"),
        ("batch0000", {"seeds": [7]}, r"No run of batch0000 in .* is one of the experiment's. Give the options"),
    ],
)
def test_a_batch_that_there_is_not(planned, batch, changes, message):
    with pytest.raises(ConfigurationError, match=message):
        run(planned.path, batch=batch, **changes)


def test_no_folder_no_batch(tmp_path):
    with pytest.raises(ConfigurationError, match="There is no folder .*, so no batch 'batch0000'"):
        run(tmp_path / "small", batch="batch0000")
    assert not (tmp_path / "small").exists()


def test_without_locks_one_process_does_all(planned, undisturbed, monkeypatch):  # noqa: F811
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.warns(UserWarning, match=r"has no locks.*Run one at a time"):
        execute(declare(), planned.path, NoTracker())
    assert contents(planned.path) == contents(undisturbed)


def test_ledgers_that_are_free_are_used_again(tmp_path):
    for _ in range(2):
        with own_ledger(tmp_path) as first, own_ledger(tmp_path) as second:
            assert (first.name, second.name) == ("ledger.jsonl", "ledger-2.jsonl")
