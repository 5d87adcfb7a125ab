"""Weights & Biases: at the client's boundary, and by reading the offline records of a real sweep."""

import io
import json
import math
import struct
import sys

import numpy as np
import pytest

from reppo import environments
from reppo.ablation import setting
from reppo.errors import ConfigurationError
from reppo.results import RunRecord, load_results
from reppo.sweep import Experiment, execute, plan
from reppo.tracking import (
    BatchStarted,
    ChunkFinished,
    Composite,
    LaneReport,
    LaneStart,
    NoTracker,
    RunFinished,
    SweepFinished,
    SweepStarted,
    Wandb,
)
from reppo.tracking.wandb import _is_logged_in
from tests.tiny import tiny_preset

SECRET = "0123456789abcdef0123456789abcdef01234567"


class Client:
    """What `wandb.init` is called with, and what its runs are told."""

    def __init__(self):
        self.opened = {}

    def __call__(self, **arguments):
        run = Run(arguments)
        self.opened[arguments["id"]] = run
        return run


class Run:
    def __init__(self, arguments):
        self.arguments, self.rows, self.summary, self.exit_code = arguments, [], {}, None

    def log(self, row, step):
        assert self.exit_code is None
        self.rows.append((step, row))

    def finish(self, exit_code):
        self.exit_code = exit_code


def start(arm, seed):
    names = [] if arm == "base" else [arm]
    return LaneStart(
        run_id=f"{arm}{seed}", arm=arm, environment="Task", seed=seed, ablations=names, spec={"algorithm": {"gamma": 1}}
    )


def report(arm, seed, returns, **metrics):
    return LaneReport(run_id=f"{arm}{seed}", arm=arm, environment="Task", seed=seed, returns=returns, metrics=metrics)


def chunk(steps, lanes):
    return ChunkFinished(
        label="l", environment="Task", arms=["base"], environment_steps=steps, lanes=lanes, steps_done=steps,
        steps_total=100, steps_per_second=1.0,
    )  # fmt: skip


def record(arm, seed, **changes):
    fields = dict(run_id=f"{arm}{seed}", experiment="e", arm=arm, environment="Task", seed=seed, status="finished")
    return RunRecord(**(fields | changes))


def begin(tracker, lanes):
    tracker.receive(SweepStarted(experiment="study", runs=len(lanes), steps_total=100, batches=1))
    tracker.receive(BatchStarted(label="l", environment="Task", arms=["base"], runs=len(lanes), lanes=lanes))


def test_each_lane_is_a_run_with_its_own_config_and_curve(tmp_path):
    client = Client()
    tracker = Wandb("offline", tmp_path, "project", "team", init=client)
    begin(tracker, [start("base", 0), start("kl/no_kl", 0)])
    assert set(client.opened) == {"study-base0", "study-kl/no_kl0"}
    arguments = client.opened["study-kl/no_kl0"].arguments
    assert arguments["config"] == {
        "algorithm": {"gamma": 1}, "arm": "kl/no_kl", "ablations": ["kl/no_kl"], "task": "Task", "seed": 0,
        "experiment": "study",
    }  # fmt: skip
    assert arguments["group"] == "study/Task/kl/no_kl" and arguments["job_type"] == "train"
    assert arguments["tags"] == ["study", "Task", "kl/no_kl"]
    assert (arguments["project"], arguments["entity"], arguments["mode"]) == ("project", "team", "offline")
    assert arguments["resume"] is None

    tracker.receive(chunk(50, [report("base", 0, [1.0, 3.0], kl=(0.1, 0.0, 0.5)), report("kl/no_kl", 0, [math.nan])]))
    assert client.opened["study-base0"].rows == [
        (50, {"evaluation/return": 2.0, "evaluation/lowest": 1.0, "evaluation/highest": 3.0,
              "kl": 0.1, "kl.min": 0.0, "kl.max": 0.5})
    ]  # fmt: skip
    ((_, row),) = client.opened["study-kl/no_kl0"].rows
    assert math.isnan(row["evaluation/return"])

    tracker.receive(RunFinished(record=record("base", 0)))
    tracker.receive(RunFinished(record=record("kl/no_kl", 0, status="diverged", diverged_at=40)))
    tracker.receive(SweepFinished())
    tracker.close()
    assert client.opened["study-base0"].summary == {"status": "finished", "diverged_at": None}
    assert client.opened["study-kl/no_kl0"].summary == {"status": "diverged", "diverged_at": 40}
    assert [run.exit_code for run in client.opened.values()] == [0, 0]


def test_an_interrupted_sweep_ends_its_runs_as_interrupted_and_continues_them_when_online(tmp_path):
    client = Client()
    tracker = Wandb("online", tmp_path, init=client)
    begin(tracker, [start("base", 0)])
    tracker.close()
    tracker.close()
    assert client.opened["study-base0"].exit_code == 1
    assert client.opened["study-base0"].arguments["resume"] == "allow"


def test_a_sink_that_fails_is_reported_once_and_the_others_go_on(tmp_path):
    def failing(**arguments):
        raise OSError("no route to host")

    heard, errors = [], io.StringIO()

    class Other(NoTracker.__mro__[1]):
        def receive(self, event):
            heard.append(event)

        def close(self):
            heard.append("closed")

    tracker = Composite([Wandb("offline", tmp_path, init=failing), Other()], errors)
    begin(tracker, [start("base", 0)])
    tracker.receive(chunk(50, [report("base", 0, [1.0])]))
    tracker.close()
    assert errors.getvalue().count("The tracker Wandb failed") == 1 and "no route to host" in errors.getvalue()
    assert len(heard) == 4 and heard[-1] == "closed"


def test_online_needs_a_login_that_is_not_asked_for(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(ConfigurationError, match=r"no WANDB_API_KEY is set.*wandb login.*--wandb offline"):
        Wandb("online", tmp_path)
    Wandb("offline", tmp_path)
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {SECRET}\n")
    Wandb("online", tmp_path)
    assert not _is_logged_in({"NETRC": str(tmp_path / "netrc"), "WANDB_BASE_URL": "https://other.example"})
    assert _is_logged_in({"WANDB_API_KEY": SECRET})


def read_offline(path):
    """The records of a `.wandb` file: protocol buffers in the log format of LevelDB, after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, pending = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        pending += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or last part
            message = Record()
            message.ParseFromString(pending)
            pending = b""
            yield message


def read_run(path):
    config, rows, run = {}, [], None
    for message in read_offline(path):
        if message.HasField("run"):
            run = message.run
            config |= {item.key: json.loads(item.value_json) for item in run.config.update}
        elif message.HasField("history"):
            rows.append({(item.key or ".".join(item.nested_key)): item.value_json for item in message.history.item})
    return run, config, rows


def test_an_offline_sweep_leaves_a_run_for_each_run_with_its_config_and_curve_and_no_secret(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    monkeypatch.setattr(plan, "MAX_WIDTH", 2)  # the program of the other tests of sweeps, in three batches
    experiment = Experiment(
        name="study",
        base=tiny_preset,
        environments=[environments.probe("BestAction")],
        arms=[setting("kl_bound", 0.2)],
        seeds=[0, 1, 2],
        steps=512,
    )
    errors = io.StringIO()
    tracker = Composite([Wandb("offline", tmp_path / "study")], errors)
    execute(experiment, tmp_path / "study", tracker)
    wandb.teardown()
    assert errors.getvalue() == ""

    results = {run.record.run_id: run for run in load_results(tmp_path / "study")}
    files = list((tmp_path / "study" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == len(results) == 6
    seen = set()
    for file in files:
        run, config, rows = read_run(file)
        assert not run.host and "environment" not in {
            message.WhichOneof("record_type") for message in read_offline(file)
        }
        ours = results[run.run_id.removeprefix("study-")]
        seen.add((config["arm"], config["seed"]))
        assert (config["arm"], config["seed"]) == (ours.record.arm, ours.record.seed)
        assert {name: config[name] for name in ours.record.spec} == ours.record.spec
        bound = config["algorithm"]["actor_loss"]["objective"]["kl_bound"]
        assert bound == (0.2 if config["arm"] == "kl_bound=0.2" else 0.1)
        assert run.run_group == f"study/BestAction/{ours.record.arm}" and run.job_type == "train"
        assert list(run.tags) == ["study", "BestAction", *ours.record.ablations]
        steps, means = ours.evaluations.curve()
        found = {int(row["_step"]): float(row["evaluation/return"]) for row in rows if "evaluation/return" in row}
        assert list(found) == steps.tolist()
        np.testing.assert_allclose(list(found.values()), means, rtol=1e-6)
    assert seen == {(arm, seed) for arm in ("base", "kl_bound=0.2") for seed in range(3)}

    for file in (tmp_path / "study").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_nothing_imports_wandb_unless_it_is_asked_for():
    import subprocess

    code = "import sys; from reppo.tracking import Console, Wandb; print('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
