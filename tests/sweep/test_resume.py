"""Nothing computed is lost: sweeps that were stopped, or whose files were damaged, end with the same results."""

# ruff: noqa: F811 (fixtures are imported)

import itertools
import json
import os
import shutil
from pathlib import Path

import jax
import pytest

from reppo import environments
from reppo.ablation import setting
from reppo.errors import ConfigurationError, RunDiverged, RunsFailed
from reppo.results import load_results
from reppo.sweep import execute, plan, recording
from reppo.tracking import NoTracker
from reppo.training import BatchProgram, Checkpoints
from reppo.training.lanes import lane_devices
from tests.sweep.resuming import (  # noqa: F401
    MODULE,
    SMALL,
    STEPS,
    Listener,
    batch_of,
    checkpoints,
    contents,
    declare,
    largest,
    longer,
    operations,
    programs,
    results,
    run_again,
    undisturbed,
)
from tests.tiny import tiny_preset


def test_the_results_compared_with_are_whole(undisturbed):
    assert len(contents(undisturbed)) == 4
    assert run_again(undisturbed).chunks == 0
    assert {file.name for file in checkpoints(batch_of(undisturbed))} == {"5", "6"}


def test_done_means_that_everything_agrees(results, undisturbed):
    """Stopped right after the last checkpoint: what follows it is written from it, without training."""
    run = results / "runs/base/BestAction/seed0"
    (run / "record.json").unlink()
    (run / "policy/last.npz").write_bytes(b"")
    old = results / "runs/base/BestAction/seed1/record.json"
    old.write_text(json.dumps(json.loads(old.read_text()) | {"status": "running", "environment_steps": 512}))
    assert run_again(results).chunks == 0
    assert contents(results) == contents(undisturbed)


def test_a_run_whose_folder_was_removed_is_repeated_alone(results, undisturbed):
    shutil.rmtree(results / "runs/base/BestAction/seed0")
    listener = run_again(results)
    assert listener.said == [
        "base on BestAction, seed 0, starts again: what was recorded of it does not agree with its checkpoint."
    ]
    assert listener.chunks == 4 and batch_of(results).name == "batch0002"
    assert contents(results) == contents(undisturbed)
    assert run_again(results).chunks == 0
    run_again(results, steps=2 * STEPS)
    assert {run.record.environment_steps for run in load_results(results)} == {2 * STEPS}


def some_quick(names, *quick):
    """Every pair of names, the most of them for the slow tests."""
    return [pytest.param(*pair, marks=[] if pair in quick else pytest.mark.slow) for pair in itertools.product(*names)]


@pytest.mark.parametrize(
    ("damage", "table"),
    some_quick(
        [("removed", "shortened", "changed"), ("evaluations.csv", "metrics.csv")],
        ("removed", "evaluations.csv"),
        ("shortened", "metrics.csv"),
        ("changed", "metrics.csv"),
    ),
)
def test_rows_lost_before_the_checkpoint_are_noticed(results, undisturbed, table, damage):
    path = results / "runs/base/BestAction/seed0" / table
    lines = path.read_text().splitlines(keepends=True)
    if damage == "removed":
        path.unlink()
    else:
        path.write_text("".join(lines[:-1] if damage == "shortened" else [lines[0], lines[2], lines[1], *lines[3:]]))
    # Contents are compared only where training goes on; lengths always.
    listener = run_again(results, steps=2 * STEPS if damage == "changed" else STEPS)
    assert len(listener.said) == 1 and "seed 0, starts again" in listener.said[0]
    if damage != "changed":
        assert contents(results) == contents(undisturbed)
    assert len(load_results(results)) == 4


def test_batches_are_never_confused(results, undisturbed):
    """The first batch is lost, and another arm is added: it must not take over the second batch's states."""
    first = batch_of(results)
    shutil.rmtree(first)
    assert run_again(results).chunks == 0  # its runs are done, whatever became of their checkpoints
    added = declare(arms=[setting("kl_bound", 0.2), setting("kl_bound", 0.3)])
    execute(added, results, NoTracker())
    assert {batch_of(results, f"runs/kl_bound=0.{k}/BestAction/seed0").name for k in (2, 3)} == {
        "batch0001",
        "batch0002",
    }
    found = contents(results)
    assert {key: found[key] for key in contents(undisturbed)} == contents(undisturbed)
    listener = run_again(results, steps=2 * STEPS)
    assert sum("starts again: no checkpoint of it is left" in line for line in listener.said) == 2


def test_the_number_of_a_removed_batch_is_not_used_again(results):
    shutil.rmtree(results / "batches")
    shutil.rmtree(results / "runs/base/BestAction/seed0")
    run_again(results)
    assert [path.name for path in (results / "batches").iterdir()] == ["batch0002"]


def test_a_checkpoint_of_other_runs_is_refused(results, undisturbed):
    mine, other = batch_of(results), batch_of(results, "runs/kl_bound=0.2/BestAction/seed0")
    shutil.rmtree(mine / "states")
    shutil.copytree(other / "states", mine / "states")
    (results / "runs/base/BestAction/seed0/policy/last.npz").unlink()
    listener = run_again(results)
    assert "are those of other runs" in listener.said[0]
    assert contents(results) == contents(undisturbed)


@pytest.mark.parametrize(
    "content", [*(pytest.param(c, marks=pytest.mark.slow) for c in (None, "")), '{"width": 2, "runs": [{}]}']
)
def test_lost_lanes_are_read_from_a_checkpoint(results, undisturbed, content):
    lanes = batch_of(results) / "lanes.json"
    lanes.unlink() if content is None else lanes.write_text(content)
    listener = run_again(results, steps=2 * STEPS)
    assert not listener.said
    assert contents(results).keys() == contents(undisturbed).keys()


@pytest.mark.parametrize(
    ("damage", "which"),
    some_quick(
        [("truncated", "emptied", "flipped", "removed"), ("about.json", "largest")],
        ("truncated", "about.json"),
        ("flipped", "largest"),
        ("removed", "largest"),
    ),
)
def test_the_checkpoint_before_is_used_where_the_newest_is_damaged(results, longer, damage, which):
    newest = checkpoints(batch_of(results))[-1]
    file = newest / "about.json" if which == "about.json" else largest(newest)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = {"truncated": content[:64], "emptied": b"", "flipped": content}
    file.unlink() if damage == "removed" else file.write_bytes(damaged[damage])
    listener = run_again(results, steps=2 * STEPS)
    assert [str(file) in line for line in listener.said] == [True]
    assert contents(results) == contents(longer)


def test_the_checkpoint_before_is_used_where_the_newest_is_gone(results, longer):
    shutil.rmtree(checkpoints(batch_of(results))[-1])
    assert not run_again(results, steps=2 * STEPS).said
    assert contents(results) == contents(longer)


def test_without_a_whole_checkpoint_a_batch_starts_again(results, longer):
    for checkpoint in checkpoints(batch_of(results)):
        largest(checkpoint).write_bytes(largest(checkpoint).read_bytes()[:-1])
    listener = run_again(results, steps=2 * STEPS)
    assert sum("not as it was written" in line for line in listener.said) == 2
    assert sum("starts again: no checkpoint of it is left" in line for line in listener.said) == 2
    assert contents(results) == contents(longer)


def test_what_a_checkpoint_cannot_restore_is_not_cut_off(results, monkeypatch):
    tables = {file: file.read_bytes() for file in results.glob("runs/*/*/*/*.csv")}
    for batch in (results / "batches").iterdir():
        largest(checkpoints(batch)[-1]).write_bytes(b"")
    monkeypatch.setattr(MODULE._Sweep, "_compile", lambda *_: 1 / 0)
    with pytest.raises(RunsFailed):
        run_again(results, steps=2 * STEPS)
    assert tables == {file: file.read_bytes() for file in tables}


class Stopped(Exception):
    pass


@pytest.fixture
def stopped_between_evaluations(tmp_path, monkeypatch):
    """A batch with evaluations at 0, 2 and 4 iterations that stopped after its checkpoint at 3."""
    original = Checkpoints.save

    def save(self, iteration, *arguments):
        original(self, iteration, *arguments)
        if iteration == 3:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save)
        with pytest.raises(RunsFailed):
            execute(declare(**SMALL), tmp_path / "small", NoTracker())
    return tmp_path / "small"


def test_work_between_two_evaluations_is_not_lost(stopped_between_evaluations, operations, monkeypatch):
    done, original = [], BatchProgram.iterate
    monkeypatch.setattr(BatchProgram, "iterate", lambda *a: (done.append(a[-1]), original(*a))[1])
    assert run_again(stopped_between_evaluations, **SMALL).chunks == 1
    assert done == [1]
    assert contents(stopped_between_evaluations) == operations[1]


def test_with_fewer_steps_a_checkpoint_beyond_the_end_is_evaluated(stopped_between_evaluations):
    fewer = SMALL | {"steps": 128 * 3 - 1}
    assert run_again(stopped_between_evaluations, **fewer).chunks == 1
    for run in load_results(stopped_between_evaluations):
        assert run.record.status == "finished" and run.record.environment_steps == 128 * 3
        assert sorted(set(run.evaluations.environment_steps)) == [0, 128 * 2, 128 * 3]
    assert run_again(stopped_between_evaluations, **fewer).chunks == 0


def test_an_error_is_not_hidden_by_the_one_that_follows_it(results, monkeypatch):
    shutil.rmtree(results / "runs/base/BestAction/seed0")
    damaged = results / "runs/base/BestAction/seed1/evaluations.csv"
    damaged.write_bytes(damaged.read_bytes().replace(b"0", b"x"))  # `runs.csv` cannot be written
    with pytest.raises(KeyboardInterrupt):
        execute(declare(), results, Listener(interrupt_after=1))


@pytest.mark.slow
def test_the_ledger_keeps_every_attempt(results):
    def attempts():
        events = [json.loads(line) for line in (results / "ledger.jsonl").read_text().splitlines()]
        kept = [event for event in events if event["event"] in ("sweep_started", "sweep_ended")]
        return [
            (begin["attempt"], end["reason"], end["fault"]) for begin, end in zip(kept[::2], kept[1::2], strict=True)
        ]

    with pytest.raises(KeyboardInterrupt):
        execute(declare(steps=2 * STEPS), results, Listener(interrupt_after=1))
    with pytest.raises(ConfigurationError), pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "save_policy", lambda *a: (_ for _ in ()).throw(ConfigurationError("no room")))
        execute(declare(steps=2 * STEPS), results, NoTracker())
    execute(declare(steps=2 * STEPS), results, NoTracker(), source=Path(__file__))
    assert [(reason, fault) for _, reason, fault in attempts()[-4:]] == [
        ("finished", None), ("interrupted", None), ("error", "no room"), ("finished", None)
    ]  # fmt: skip
    for made, *_ in attempts():
        assert made["versions"]["jax"] == jax.__version__ and made["pid"] == os.getpid() and made["backend"] == "cpu"
        assert (
            made["most"] == 2
            and made["mode"] == "map"
            and made["devices"] == lane_devices()
            and made["device"]
            and made["host"]
        )
    assert attempts()[0][0]["commit"] is None and "dirty" in attempts()[-1][0]


BROKEN = setting("actor_optimizer.learning_rate", 1e38)


def test_a_sweep_stops_at_the_first_divergence_if_told_to_and_goes_on_as_if_it_had_not(tmp_path):
    experiment = declare(arms=[BROKEN])
    execute(experiment, tmp_path / "whole", NoTracker())
    said = r"^actor_optimizer.learning_rate=1e\+?38 on BestAction, seed 0, diverged after \d+ steps \(iteration \d\), "
    with pytest.raises(RunDiverged, match=rf"{said}first not finite: actor/.*See: reppo inspect '.*seed0'$"):
        execute(experiment, tmp_path / "stopped", NoTracker(), stop_on_divergence=True)
    records = {(run.record.arm, run.record.seed): run.record for run in load_results(tmp_path / "stopped")}
    record = records[BROKEN.name, 0]
    assert record.status == "diverged" and record.environment_steps < STEPS and record.diverged_by.startswith("actor/")
    assert record.diverged_at == record.diverged_iteration * 128
    execute(experiment, tmp_path / "stopped", NoTracker(), stop_on_divergence=True)  # it has said so already
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert {run.record.status for run in load_results(tmp_path / "whole")} == {"finished", "diverged"}


def test_more_steps_continue_and_fewer_are_done(results):
    assert run_again(results, steps=STEPS // 2).chunks == 0
    with pytest.raises(KeyboardInterrupt):
        execute(declare(steps=2 * STEPS), results, Listener(interrupt_after=2))
    run_again(results, steps=STEPS + 128)
    # Batches that had gone further than the end are evaluated where they are.
    assert {(run.record.status, run.record.environment_steps) for run in load_results(results)} <= {
        ("finished", STEPS + 128 * iterations) for iterations in (1, 2, 3)
    }


def test_a_component_whose_source_has_changed_is_said_and_goes_on(results, undisturbed, monkeypatch):
    original = plan.source_hashes
    assert original(tiny_preset(environments.probe("BestAction")))["ClippedKL"]
    changed = lambda spec: original(spec) | {"ClippedKL": "0" * 8}
    for module in (recording, plan):
        monkeypatch.setattr(module, "source_hashes", changed)
    for _ in range(2):  # as long as there are runs of the source before
        with pytest.raises(KeyboardInterrupt):
            execute(declare(steps=2 * STEPS), results, listener := Listener(interrupt_after=2))
        said = [line for line in listener.warnings if "source" in line]
        assert len(said) == 1 and said[0].startswith(
            "The source of ClippedKL is not what it was for 4 runs of this folder (base, kl_bound=0.2), which are kept"
        )
