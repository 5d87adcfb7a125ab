"""What is removed from a folder of results was needed by nothing: the numbers after it are the same."""

import builtins
import json
import shutil
import sys

import pytest

from reppo import cli
from reppo.results import ResultsFolder
from reppo.results.lock import holding, only_process
from reppo.results.status import read_status
from reppo.sweep import execute
from reppo.sweep.garbage import find_garbage
from reppo.tracking import NoTracker
from tests.sweep.resuming import (  # noqa: F401
    Listener,
    batch_of,
    checkpoints,
    contents,
    declare,
    largest,
    longer,
    programs,
    results,
    run_again,
    undisturbed,
)


def found(path):
    return {str(item.path.relative_to(path)): item for item in find_garbage(ResultsFolder.open(path))}


def gc(path, *options):
    return cli.main(["gc", str(path), *options])


def test_after_an_interruption_what_stays_gives_the_same_numbers(undisturbed, tmp_path, capsys):  # noqa: F811
    path = tmp_path / "small"
    with pytest.raises(KeyboardInterrupt):
        execute(declare(), path, Listener(interrupt_after=3))
    (states,) = path.glob("batches/*/states")
    older, newer = checkpoints(states.parent)
    run = path / "runs/base/BestAction/seed0"
    torn = [path / ".experiment.json.77.tmp", run / ".record.json.77.tmp", run / "policy/.saving.tmp"]
    for file in torn:
        file.write_bytes(b"torn")
    shutil.copytree(older, states / ".saving")
    assert set(found(path)) == {str(p.relative_to(path)) for p in (older, states / ".saving", *torn)}
    assert gc(path, "--yes", "--finished") == 0
    assert f"behind the checkpoint {newer.name}, which is whole" in capsys.readouterr().out
    assert list(states.iterdir()) == [newer] and not any(file.exists() for file in torn)
    run_again(path)
    assert contents(path) == contents(undisturbed)


def test_checkpoints_of_finished_runs_go_only_if_asked_for_and_the_runs_stay_done(results, undisturbed, capsys):  # noqa: F811
    assert gc(results, "--yes") == 0
    assert "Checkpoints of finished runs, which only more steps need: 2" in capsys.readouterr().out
    assert [len(checkpoints(place)) for place in results.glob("batches/*")] == [1, 1]
    assert gc(results, "--yes", "--finished") == 0
    assert [len(checkpoints(place)) for place in results.glob("batches/*")] == [0, 0]
    assert gc(results, "--yes", "--finished") == 0 and "Nothing is superfluous." in capsys.readouterr().out
    assert run_again(results).chunks == 0 and contents(results) == contents(undisturbed)
    assert {run.state for run in read_status(results).runs} == {"done"}


def test_more_steps_after_it_start_again_or_go_on_with_the_same_numbers(results, longer):  # noqa: F811
    gc(results, "--yes")
    run_again(results, steps=1536)
    assert contents(results) == contents(longer)
    gc(results, "--yes", "--finished")
    assert run_again(results, steps=1536).chunks == 0


def test_the_older_checkpoint_stays_where_the_newest_is_damaged(results, longer):  # noqa: F811
    batch = batch_of(results)
    with open(largest(checkpoints(batch)[-1]), "r+b") as file:
        file.write(b"?")
    assert not [path for path in found(results) if path.startswith(f"batches/{batch.name}/")]
    gc(results, "--yes", "--finished")
    run_again(results, steps=1536)
    assert contents(results) == contents(longer)


@pytest.mark.parametrize("name", ["policy/best.npz", "evaluations.csv", "record.json"])
def test_a_checkpoint_stays_while_a_run_does_not_agree_with_it(results, undisturbed, name):  # noqa: F811
    run = results / "runs/base/BestAction/seed0"
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    newest = checkpoints(batch_of(undisturbed))[-1].relative_to(undisturbed)
    assert str(newest) not in found(results)


@pytest.mark.slow
def test_batches_whose_runs_went_on_elsewhere_go_and_their_numbers_are_not_used_again(tmp_path):
    path, alone = tmp_path / "small", {"arms": [], "seeds": [0]}
    execute(declare(**alone), path, NoTracker())
    before = contents(path)
    old = batch_of(path)
    shutil.rmtree(path / "runs")
    run_again(path, **alone)
    assert found(path)[f"batches/{old.name}"].reason == "all of its runs started again in later batches"
    gc(path, "--yes")
    assert not old.exists() and run_again(path, **alone).chunks == 0 and contents(path) == before
    run_again(path, arms=[], seeds=[0, 1])
    assert batch_of(path, "runs/base/BestAction/seed1").name == "batch0002"


def test_it_asks_and_refuses_where_there_is_nobody_to_ask(results, capsys, monkeypatch):  # noqa: F811
    assert gc(results) == 2
    said = capsys.readouterr()
    assert "behind the checkpoint" in said.out and "--yes" in said.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", lambda question: "n")
    assert gc(results) == 0 and "Nothing was removed" in capsys.readouterr().out
    assert [len(checkpoints(place)) for place in results.glob("batches/*")] == [2, 2]
    monkeypatch.setattr(builtins, "input", lambda question: "y")
    assert gc(results) == 0 and "Removed" in capsys.readouterr().out
    assert [len(checkpoints(place)) for place in results.glob("batches/*")] == [1, 1]


def test_a_folder_that_somebody_holds_is_left_alone(results, capsys):  # noqa: F811
    with only_process(results):
        assert gc(results, "--yes") == 2
    assert "Another process is writing" in capsys.readouterr().err
    for place, lock in ((batch_of(results), ""), (results, ".ledger")):  # of a process that trains one batch, or any
        with holding(place, lock):
            assert gc(results, "--yes") == 2
        assert "is being worked on" in capsys.readouterr().err
    assert all(len(checkpoints(place)) == 2 for place in results.glob("batches/*"))
    assert json.loads((results / "experiment.json").read_text())["name"] == "small"
