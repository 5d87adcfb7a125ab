"""A job array on a real SLURM: preempted, queued again, it goes on and ends with the numbers of `reppo run`."""

import functools
import json
import os
import re
import subprocess
import sys

import pytest

from tests.cluster.conftest import STUDY, ask, wait_for
from tests.sweep.resuming import contents

pytest.importorskip("submitit")
pytestmark = pytest.mark.slurm

PATIENCE = 900
"""Seconds for what takes a few on an idle machine."""


@pytest.fixture
def reppo(slurm, tmp_path):
    """Runs `reppo COMMAND study.py ...` beside SLURM; returns what it prints."""

    def run(command, *options, pause=0.1, code=0):
        (tmp_path / "study.py").write_text(STUDY.format(steps=128 * 240, pause=pause))
        arguments = [sys.executable, "-m", "reppo.cli", command, "study.py", *options]
        done = subprocess.run(arguments, cwd=tmp_path, env=slurm, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout or done.stderr

    return run


def job_of(said):
    return re.search(r"Job (\d+): 2 tasks, one for each batch", said)[1]


def show(slurm, job):
    """The fields of a job."""
    return dict(re.findall(r"(\S+?)=(\S*)", ask(slurm, "scontrol", "show", "job", job)))


def was_queued_again(slurm, job):
    return show(slurm, job).get("Restarts") == "1"


def listed(folder):
    return os.listdir(folder) if folder.exists() else []


def test_a_preempted_array_ends_with_the_same_numbers(slurm, reppo, tmp_path):
    results, logs = tmp_path / "array" / "small", tmp_path / "array" / "small.jobs"
    job = job_of(reppo("submit", "--out", "array", "--partition", "tests", "--time", "30", "--cpus-per-task", "2"))
    preempt = {0: ["scontrol", "requeue", f"{job}_0"], 1: ["scancel", "--signal=USR2", f"{job}_1"]}
    saved = lambda task: any(
        name.isdecimal() and int(name) > 0 for name in listed(results / "batches" / f"batch000{task}" / "states")
    )
    state = lambda task: show(slurm, f"{job}_{task}")["JobState"]
    for task, command in preempt.items():
        assert wait_for(functools.partial(saved, task), PATIENCE), "no checkpoint"
        assert state(task) == "RUNNING"
        subprocess.run(command, env=slurm, check=True)
    for task in preempt:
        assert wait_for(functools.partial(was_queued_again, slurm, f"{job}_{task}"), PATIENCE), "not queued again"
    assert wait_for(lambda: not {state(0), state(1)} & {"PENDING", "RUNNING", "COMPLETING"}, PATIENCE)
    said = "".join(file.read_text() for file in sorted(logs.glob("*_log.*")))
    assert (state(0), state(1)) == ("COMPLETED", "COMPLETED"), said
    assert said.count("SIGTERM: stopping. The last checkpoint is kept") == 2 and "Requeued job" in said
    for task in preempt:
        events = [json.loads(line) for line in (results / f"ledger-batch000{task}.jsonl").read_text().splitlines()]
        first, again = [event for event in events if event["event"] == "sweep_started"]
        assert first["steps_done"] == 0 < again["steps_done"] < again["steps_total"]
    assert not list(results.rglob("*.pkl")) and len(list(logs.glob("*_submitted.pkl"))) == 2

    reppo("run", "--out", "alone", pause=0)
    assert contents(results) == contents(tmp_path / "alone" / "small")
    assert (results / "runs.csv").read_text().count("finished") == 4
    assert reppo("submit", "--out", "array", "--cpus-per-task", "2").startswith("Everything is done.")


def test_what_is_asked_for_reaches_slurm(slurm, reppo):
    said = reppo("submit", "--gpus-per-task", "1", "--cpus-per-task", "3", "--at-once", "1", "--sbatch", "comment=ours")
    job = job_of(said)
    first = show(slurm, f"{job}_0")
    subprocess.run(["scancel", job], env=slurm, check=True)
    assert first["Comment"] == "ours" and first["CPUs/Task"] == "3" and first["TresPerTask"] in ("gres:gpu:1", "gpu:1")
    assert first["Requeue"] == "1" and first["TimeLimit"] == "01:00:00" and first["ArrayTaskThrottle"] == "1"


def test_what_slurm_refuses_is_said(reppo):
    said = reppo("submit", "--partition", "none", "--out", "refused", code=2)
    assert re.search("SLURM refuses the job: .*[Ii]nvalid partition", said)
