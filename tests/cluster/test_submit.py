"""Arrays of jobs: what is refused, what a task does when it is told to stop, and a whole array on this machine."""

import importlib.util
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import jax
import pytest

from reppo import cli, cluster
from reppo.cli.study import run_arguments
from reppo.cluster import Payload, Resources, parse_minutes
from reppo.errors import ConfigurationError, RunsFailed
from reppo.sweep import execute
from reppo.sweep.experiment_file import load_experiment
from reppo.tracking import NoTracker
from tests.cluster.conftest import STUDY, python_path, wait_for
from tests.sweep.resuming import contents

# A task's process has no threads; this one has those of JAX.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork.. was called:RuntimeWarning")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study file, in the working folder."""
    (tmp_path / "study.py").write_text(STUDY.format(steps=128 * 6, pause=0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", python_path())
    return tmp_path / "study.py"


@pytest.fixture
def everything_is_here(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(shutil, "which", lambda name: name)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("90:30", 91),
        ("1:30:00", 90),
        ("12:00:01", 721),
        ("1-12", 2160),
        ("1-0:30", 1470),
        ("2-1:02:03", 2943),
    ],
)
def test_limits_of_time_are_those_of_sbatch(text, minutes):
    assert parse_minutes(text) == minutes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "soon"], r"'soon' is no limit of time; write it like 90 \(minutes\), 12:00:00 or 1-12"),
        (["--time", "2"], r"--time gives 2 min to a task; give at least 3"),
        (["--gpus-per-task", "-1"], r"--gpus-per-task is -1; give a number of at least 0"),
        (["--cpus-per-task", "0"], r"--cpus-per-task is 0; give a number of at least 1"),
        (["--at-once", "0"], r"--at-once is 0"),
        (["--sbatch", "mem"], r"'mem' is no option of sbatch; write it like mem=8G"),
        (["--executor", "pbs"], r"Unknown (executor|choice) 'pbs'. Known: local, slurm"),
        (["--executor", "local", "--partition", "short"], r"--partition is for SLURM"),
        (["--executor", "local", "--sbatch", "mem=8G"], r"--sbatch is for SLURM"),
        (
            ["--executor", "local", "--logs", "results/small/logs"],
            r"--logs '.*small/logs' lies in the folder of results",
        ),
        (["--arms", "kl/no_lk"], r"Unknown arm 'kl/no_lk'"),
        (["--batch", "batch0000"], r"Unknown option '--batch'"),
    ],
)
@pytest.mark.usefixtures("everything_is_here")
def test_what_cannot_be_submitted_is_refused(study, options, message, capsys):
    assert cli.main(["submit", str(study), *options]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said), said
    assert not Path("results").exists()


def test_what_is_missing_is_said(study, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["submit", str(study)]) == 2
    assert "needs the package submitit, which is not installed: pip install 'reppo[slurm]'." in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert cli.main(["submit", str(study)]) == 2
    assert "there is no sbatch and srun on the PATH" in capsys.readouterr().err


@pytest.mark.usefixtures("everything_is_here")
def test_tasks_are_planned_for_what_they_get(study, capsys):
    experiment, path = load_experiment(study), study.parent / "results" / "small"
    batches = cluster.plan(experiment, path, Resources(gpus=2, others={}), "slurm")
    assert [batch.id for batch in batches] == ["batch0000", "batch0001"]
    assert '"mode": "vmap"' in (path / "experiment.json").read_text()
    with pytest.raises(ConfigurationError, match=r"begun with lanes by 'vmap'.*would now run by 'map'"):
        cluster.plan(experiment, path, Resources(others={}), "slurm")
    if jax.__version_info__ >= (0, 11):
        return  # one device, whatever there is
    with pytest.raises(ConfigurationError, match="were begun on 2 GPUs.*Give --gpus-per-task 2, or another folder"):
        cluster.plan(experiment, path, Resources(gpus=1, others={}), "slurm")


SLEEPER = """
import sys, time
from reppo.sweep.interruption import stoppable
with stoppable():
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def sleeper(monkeypatch, tmp_path):
    """A payload whose command sleeps until it is told to stop."""
    popen = cluster.subprocess.Popen
    started = []

    def start(command, **options):
        assert command[1:3] == ["-m", "reppo.cli"]
        process = popen([sys.executable, "-c", SLEEPER], stdout=cluster.subprocess.PIPE, **options)
        assert process.stdout.readline() == b"ready\n"
        started.append(process)
        return process

    monkeypatch.setattr(cluster.subprocess, "Popen", start)
    yield Payload(["run"], str(tmp_path)), started
    for process in started:
        process.kill()
        process.communicate()


def test_notice_stops_a_task_in_order_and_queues_the_same_again(sleeper):
    """As submitit does it: the signal comes to both processes, and its handler here asks for a checkpoint."""
    pytest.importorskip("submitit")
    payload, started = sleeper
    queued = []

    def handler(number, frame):
        queued.append(payload.checkpoint())
        raise SystemExit(255)

    before = signal.signal(signal.SIGUSR2, handler)
    telling = threading.Thread(target=tell_both, args=(started,))
    telling.start()
    try:
        with pytest.raises(SystemExit) as raised:
            payload()
    finally:
        telling.join()
        signal.signal(signal.SIGUSR2, before)
    assert raised.value.code == 255 and started[0].wait() == 143
    assert queued[0].function.arguments == ["run"] and queued[0].function.__getstate__()["_process"] is None


def tell_both(started):
    wait_for(lambda: started, 60)
    time.sleep(0.5)
    os.kill(started[0].pid, signal.SIGUSR2)  # which it does not mind
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGUSR2)


def test_what_a_signal_has_stopped_leaves_no_result(sleeper):
    payload, started = sleeper
    threading.Thread(target=lambda: (wait_for(lambda: started, 60), started[0].terminate())).start()
    with pytest.raises(SystemExit) as raised:
        payload()
    assert raised.value.code == 143


def test_a_command_that_fails_fails_its_task(study):
    with pytest.raises(RuntimeError, match=r"reppo list nothing ended with exit code 2. What it said stands above"):
        Payload(["list", "nothing"], str(study.parent))()


@pytest.mark.slow  # four processes that import JAX and compile
def test_an_array_of_local_processes_gives_the_same_numbers(study, capsys):
    pytest.importorskip("submitit")
    arguments = ["submit", "study.py", "--executor", "local", "--at-once", "2", "--cpus-per-task", "2", "--seeds", "2"]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert "batch0000 is done" in said and "batch0001 is done" in said and "kl/no_kl" in said
    execute(load_experiment(study), study.parent / "alone" / "small", NoTracker())
    results = study.parent / "results" / "small"
    assert contents(results) == contents(study.parent / "alone" / "small")
    assert not list(results.rglob("*.pkl")) and list((study.parent / "results" / "small.jobs").glob("*_submitted.pkl"))
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.startswith("Everything is done.")


def test_a_local_task_that_fails_is_told(study):
    pytest.importorskip("submitit")
    payloads = {"batch0000": Payload(["list", "presets"], "."), "batch0001": Payload(["list", "nothing"], ".")}
    said = []
    with pytest.raises(RunsFailed, match=r"all others are done:\n  batch0001: see .*_0_log.err\n"):
        cluster.run_locally(payloads, Resources(at_once=1, others={}), study.parent / "jobs", said.append)
    assert said[-1] == "batch0001 failed; 0 are left." and "batch0000 is done; 1 are left." in said


@pytest.mark.parametrize("flags", [[], ["--tensorboard"], ["--tensorboard", "--stop-on-divergence"]])
def test_flags_reach_the_tasks(flags):
    arguments = cli.build_parser().parse_args(["submit", "study.py", *flags])
    assert [word for word in run_arguments(arguments)[1:] if "=" not in word] == flags
