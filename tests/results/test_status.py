"""How far a folder is, from the folder alone."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reppo import cli
from reppo.results import RunRecord
from reppo.results.files import write_json
from reppo.results.lock import holding
from reppo.results.status import format_status, read_status
from reppo.tracking import BatchFailed, ChunkFinished, LaneReport, RunFinished, SweepEnded
from tests.results.study import Study, run


@pytest.fixture
def study(tmp_path):
    """A batch of runs that are done, diverged and begun, one that failed, one not begun."""
    batches = [[run("base", 0), run("base", 1), run("b", 0)], [run("c", 0)], [run("c", 1, "Other")]]
    study = Study(tmp_path / "study", batches)
    study.started(*batches[0])
    done = study.record(run("base", 0), "finished", environment_steps=100)
    fault = {"diverged_at": 40, "diverged_iteration": 4, "diverged_by": "critic/loss"}
    study.record(run("base", 1), "diverged", **fault)
    study.record(run("b", 0))
    study.tell(RunFinished(record=done), study.batch(*batches[1]))
    study.tell(BatchFailed(label="c", run_ids=["c Task 0"], reason="study.py, line 3: no", traceback="..."))
    return study


def states(study):
    return {(one.arm, one.environment, one.seed): one.state for one in read_status(study.folder.path).runs}


def test_every_state_is_told_from_the_folder(study):
    expected = {
        ("base", "Task", 0): "done",
        ("base", "Task", 1): "diverged",
        ("b", "Task", 0): "stopped",
        ("c", "Task", 0): "failed",
        ("c", "Other", 1): "missing",
    }
    assert states(study) == expected
    with holding(study.folder.path, ".ledger"):
        assert states(study) == expected | {("b", "Task", 0): "running"}
        holders = read_status(study.folder.path).holders
        assert list(holders) == ["ledger.jsonl"] and f"process {os.getpid()} on " in holders["ledger.jsonl"]
    with holding(study.folder.batch_path("batch0000")):
        assert states(study) == expected | {("b", "Task", 0): "running"}
    study.folder.run("base", "Task", 0).record_path.unlink()
    assert states(study)["base", "Task", 0] == "missing"


def test_a_run_whose_files_do_not_agree_is_not_done(study):
    study.record(run("base", 0), "finished", files={"evaluations.csv": [3, 1]})
    assert states(study)["base", "Task", 0] == "stopped"


def test_a_run_that_failed_and_began_again_is_no_failure(study):
    study.tell(study.batch(run("c", 0)))
    assert states(study)["c", "Task", 0] == "missing"


def test_a_run_counts_where_it_went_last_and_stays_where_its_batch_is_removed(study):
    again = study.folder.batch_path("batch0003")
    write_json(again / "lanes.json", {"width": 2, "runs": [run("c", 1, "Other")]})
    assert len(states(study)) == 5
    shutil.rmtree(study.folder.path / "batches")
    assert set(states(study)) == {("base", "Task", 0), ("base", "Task", 1), ("b", "Task", 0)}


def test_the_table_has_arms_and_tasks_and_names_what_is_wrong(study, capsys):
    study.tell(SweepEnded(reason="interrupted"))
    assert cli.main(["status", str(study.folder.path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "study: 5 runs: 1 done, 1 stopped, 1 failed, 1 diverged, 1 missing"
    assert [line.split() for line in said[2:6]] == [
        ["Other", "Task"],
        ["base", "1", "done,", "1", "diverged"],
        ["b", "1", "stopped"],
        ["c", "1", "missing", "1", "failed"],
    ]
    assert "c on Task, seed 0: failed: study.py, line 3: no" in said
    assert "base on Task, seed 1: diverged after 40 steps (iteration 4), first not finite: critic/loss" in said
    assert said[-2] == "Nobody is at work."
    assert said[-1].startswith("Last session: from 1970-01-01T") and "commit 0123456789 with changes" in said[-1]
    assert said[-1].endswith(", interrupted at 1970-01-01T00:00:05.000Z")


def test_a_table_wider_than_the_terminal_goes_on_below(study):
    lines = format_status(read_status(study.folder.path), columns=30).splitlines()
    assert max(map(len, lines[1:11])) <= 30 and lines[3] == "base" and lines[8].startswith("base   1 done, 1 diverged")
    assert lines[2].split() == ["Other"] and lines[7].split() == ["Task"]


def test_what_a_user_named_is_text(tmp_path):
    study = Study(tmp_path / "study", [[run("evil\x1b[2J\n", 0)]])
    said = format_status(read_status(study.folder.path))
    assert "\x1b" not in said and "evil\\x1b[2J\\n" in said


def test_data_are_given_as_json(study, capsys):
    assert cli.main(["status", str(study.folder.path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["counts"]["done"] == 1 and len(data["runs"]) == 5 and data["attempts"][0]["host"] == "node1"
    assert data["attempts"][0]["end"] is None and data["attempts"][0]["reason"] == "killed"
    with holding(study.folder.path, ".ledger"):
        (attempt,) = read_status(study.folder.path).attempts
    assert attempt["reason"] == "goes on"
    study.started(run("c", 0))
    with holding(study.folder.path, ".ledger"):
        assert [one["reason"] for one in read_status(study.folder.path).attempts] == ["killed", "goes on"]
        assert states(study)["b", "Task", 0] == "stopped"  # it was the killed session that trained it


def test_five_thousand_runs_are_looked_through_quickly(tmp_path):
    runs = [run(f"arm{i // 10}", i % 10) for i in range(5000)]
    study = Study(tmp_path / "study", [runs[i : i + 16] for i in range(0, 5000, 16)])
    spec = {"algorithm": {f"field{i}": 0.1 for i in range(150)}}
    for one in runs:
        files = {"evaluations.csv": [0, 0], "metrics.csv": [0, 0]}
        record = RunRecord(**one, experiment="x", status="finished", environment_steps=100, spec=spec, files=files)
        path = study.folder.run(one["arm"], one["environment"], one["seed"]).record_path
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record.to_json()))  # without waiting for the disk
    study.started(*runs[:16])
    metrics = {f"m{i}": (0.1, 0.2, 0.3) for i in range(40)}
    lanes = [LaneReport(**one, metrics=metrics) for one in runs[:16]]
    chunk = ChunkFinished(
        label="b", environment="Task", arms=[], environment_steps=1, lanes=lanes, steps_done=1, steps_total=1,
        steps_per_second=1.0,
    )  # fmt: skip
    study.tell(chunk)
    line = (study.folder.path / "ledger.jsonl").read_bytes().splitlines(keepends=True)[-1]
    with open(study.folder.path / "ledger.jsonl", "ab") as ledger:
        ledger.write(line * 2000)
    began = time.process_time()  # other processes may keep it waiting
    status = read_status(study.folder.path)
    assert status.counts(status.runs) == {"done": 5000}
    assert time.process_time() - began < 10


def test_no_experiment_and_no_jax_are_needed(study):
    code = "import sys; from reppo import cli; cli.main(sys.argv[1:]); print([m for m in ('jax',) if m in sys.modules])"
    command = [sys.executable, "-c", code, "status", str(study.folder.path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(cli.__file__).parents[1])
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
