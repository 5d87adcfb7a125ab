"""Weights & Biases: at the client's boundary, and by reading the offline records of a real sweep."""

import io
import json
import math
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reppo import environments
from reppo.ablation import setting
from reppo.results import ResultsFolder, load_results
from reppo.sweep import Experiment, execute, execution
from reppo.tracking import (
    Composite,
    NoTracker,
    RunFinished,
    SweepFinished,
    Wandb,
)
from reppo.tracking.wandb import own_name
from tests.tiny import tiny_preset
from tests.tracking.lanes import begin, chunk, record, report, start

ROOT = Path(__file__).parents[2]
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


def test_each_lane_is_a_run_with_its_own_config_and_curve(tmp_path):
    client = Client()
    tracker = Wandb("offline", tmp_path, "project", "team", init=client)
    begin(tracker, [start("base", 0), start("kl/no_kl", 0)])
    tracker.receive(chunk(50, [report("base", 0, [1.0, 3.0], kl=(0.1, 0.0, 0.5)), report("kl/no_kl", 0, [math.nan])]))
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
    assert client.opened["study-base0"].rows == [
        (50, {"evaluation/return": 2.0, "evaluation/lowest": 1.0, "evaluation/highest": 3.0,
              "kl": 0.1, "kl.min": 0.0, "kl.max": 0.5})
    ]  # fmt: skip
    ((_, row),) = client.opened["study-kl/no_kl0"].rows
    assert math.isnan(row["evaluation/return"])

    tracker.receive(RunFinished(record=record("base", 0)))
    tracker.receive(
        RunFinished(record=record("kl/no_kl", 0, status="diverged", diverged_at=40, diverged_by="critic/loss"))
    )
    tracker.receive(SweepFinished())
    tracker.close()
    nothing = {"diverged_at": None, "diverged_by": None}
    assert client.opened["study-base0"].summary == {"status": "finished"} | nothing
    found = {"diverged_at": 40, "diverged_by": "critic/loss"}
    assert client.opened["study-kl/no_kl0"].summary == {"status": "diverged"} | found
    assert [run.exit_code for run in client.opened.values()] == [0, 0]


def test_an_interrupted_sweep_ends_its_runs_as_interrupted_and_continues_them_when_online(tmp_path):
    client = Client()
    tracker = Wandb("online", tmp_path, init=client)
    begin(tracker, [start("base", 0)])
    tracker.receive(chunk(50, [report("base", 0, [1.0])]))
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


def test_runs_go_offline_with_all_their_rows_where_the_server_does_not_answer(tmp_path):
    """The second run of three; the first is online to its end, and the client would not open the others beside it."""
    client, errors = Client(), io.StringIO()

    def init(**arguments):
        if arguments["mode"] == "online" and client.opened:
            raise TimeoutError("no answer\nhint")
        return client(**arguments)

    tracker = Wandb("online", tmp_path, "project", init=init, errors=errors)
    lanes = [start("base", seed) for seed in range(3)]
    begin(tracker, lanes)
    for at in (50, 100):
        for seed in range(3):
            folder = ResultsFolder(tmp_path).run("base", "Task", seed)
            folder.append_evaluation(at, 1.0, np.array([float(at)]), np.array([5]))
        tracker.receive(chunk(at, [report("base", seed, [float(at)]) for seed in range(3)]))
        assert set(client.opened) == {"study-base0"}
    for seed in (2, 0, 1):
        tracker.receive(RunFinished(record=record("base", seed, environment_steps=100)))
    tracker.close()
    said = errors.getvalue()
    assert said.count("does not answer (TimeoutError: no answer).") == 1 and "wandb sync" in said and "hint" not in said
    for seed, mode in enumerate(("online", "offline", "offline")):
        run = client.opened[f"study-base{seed}"]
        assert run.arguments["mode"] == mode and [step for step, _ in run.rows] == [50, 100] and run.exit_code == 0


SILENT = """
import os, socket, sys, threading, time
from pathlib import Path

server = socket.create_server(("127.0.0.1", 0))
os.environ |= {"WANDB_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}", "WANDB_API_KEY": sys.argv[1]}
held = []
threading.Thread(target=lambda: [held.append(server.accept()) for _ in iter(int, 1)], daemon=True).start()
from reppo.tracking import Composite, Wandb, wandb as module
from reppo.tracking import RunFinished
from tests.tracking.lanes import begin, chunk, record, report, start

module.INIT_SECONDS = 2.0
tracker = Composite([Wandb("online", Path(sys.argv[2]))])
began = time.perf_counter()
begin(tracker, [start("base", 0), start("base", 1)])
for at in (50, 100):
    tracker.receive(chunk(at, [report("base", seed, [1.0 * at]) for seed in (0, 1)]))
for seed in (0, 1):
    tracker.receive(RunFinished(record=record("base", seed, environment_steps=100)))
print("waited", time.perf_counter() - began)
tracker.close()
"""


def test_training_does_not_wait_for_a_server_that_never_answers_and_nothing_is_lost(tmp_path):
    pytest.importorskip("wandb")
    place = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SILENT, SECRET, str(tmp_path)], capture_output=True, text=True, env=place, timeout=120
    )
    assert float(done.stdout.split()[-1]) < 1.0, done.stdout + done.stderr
    assert done.stderr.count("Weights & Biases does not answer") == 1 and "switched off" not in done.stderr
    files = list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    rows = {run.run_id: [row["_step"] for row in rows] for run, _, rows in map(read_run, files)}
    assert rows == {"study-base0": ["50", "100"], "study-base1": ["50", "100"]}


LOGIN = """
import os, sys
from pathlib import Path
from reppo.errors import ConfigurationError
from reppo.tracking import Wandb

Wandb("offline", Path("."))
try:
    Wandb("online", Path("."))
    print("known")
except ConfigurationError as error:
    print(error)
sys.stdout.flush()
os._exit(0)  # the client's own end may wait for a server that is not there
"""
SETTINGS = "[default]\nbase_url = http://own.example:8080\n"
NETRC = f"machine own.example:8080\n  login user\n  password {SECRET}\n"


@pytest.mark.parametrize(
    ("files", "variables", "said"),
    [
        ({}, {}, r"does not know who you are.*no WANDB_API_KEY is set.*wandb login.*--wandb offline"),
        ({}, {"WANDB_API_KEY": SECRET}, "^known$"),
        ({"home/.netrc": NETRC}, {"WANDB_BASE_URL": "http://own.example:8080"}, "^known$"),
        ({"home/.netrc": NETRC}, {}, "does not know who you are on https://"),
        ({"home/.netrc": NETRC, "wandb/settings": SETTINGS}, {}, "^known$"),
        ({"home/.netrc": NETRC, "home/.config/wandb/settings": SETTINGS}, {}, "^known$"),
        ({"wandb/settings": SETTINGS}, {}, "does not know who you are on http://own.example:8080"),
        ({"own.netrc": NETRC, "wandb/settings": SETTINGS}, {"NETRC": "own.netrc"}, "^known$"),
        ({}, {"WANDB_API_KEY": SECRET, "WANDB_MODE": "offline"}, "configured as 'offline'.*--wandb says online"),
        ({}, {"WANDB_API_KEY": "short"}, "cannot use the key that it has"),
    ],
)
def test_online_needs_a_login_that_the_client_finds_itself(files, variables, said, tmp_path):
    for name, text in ({"home/.keep": ""} | files).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "NETRC", "XDG"))}
    place = kept | {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run([sys.executable, "-c", LOGIN], capture_output=True, text=True, cwd=tmp_path, env=place)
    assert re.search(said, done.stdout.strip()), done.stdout + done.stderr
    assert SECRET not in done.stdout


def test_the_project_is_the_clients_own_unless_one_is_named(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=SimpleNamespace(project="configured")))
    for given, used in ((None, "configured"), ("named", "named")):
        client = Client()
        tracker = Wandb("offline", tmp_path, given, init=client)
        begin(tracker, [start("base", 0)])
        tracker.receive(chunk(50, [report("base", 0, [1.0])]))
        assert client.opened["study-base0"].arguments["project"] == used


@pytest.mark.parametrize(("mode", "steps"), [("offline", [0, 50, 100]), ("online", [100])])
def test_a_session_that_continues_a_run_repeats_its_rows_where_the_last_file_stands_for_all(tmp_path, mode, steps):
    folder = ResultsFolder(tmp_path).run("base", "Task", 0)
    for at in (0, 50):
        folder.append_evaluation(at, 1.0, np.array([at, at + 2.0]), np.array([5, 5]))
        folder.append_metrics(at, {"kl": (0.1, 0.0, 0.5), "loss": (1.0, 1.0, 1.0)})
    client = Client()
    tracker = Wandb(mode, tmp_path, "project", init=client)
    begin(tracker, [start("base", 0)])
    assert client.opened == {}  # a session that ends before its first chunk leaves no file to replace the others
    folder.append_evaluation(100, 2.0, np.array([7.0]), np.array([5]))  # records come before trackers
    tracker.receive(chunk(100, [report("base", 0, [7.0])]))
    rows = client.opened["study-base0"].rows
    assert [step for step, _ in rows] == steps and rows[-1][1]["evaluation/return"] == 7.0
    if mode == "offline":
        returns = {"evaluation/return": 51.0, "evaluation/lowest": 50.0, "evaluation/highest": 52.0}
        metrics = {"kl": 0.1, "kl.min": 0.0, "kl.max": 0.5, "loss": 1.0, "loss.min": 1.0, "loss.max": 1.0}
        assert rows[1] == (50, returns | metrics)


def test_a_run_that_ends_before_a_chunk_is_told_of_is_no_fault(tmp_path):
    client = Client()
    tracker = Wandb("offline", tmp_path, "project", init=client)
    ResultsFolder(tmp_path).run("base", "Task", 0).append_evaluation(50, 1.0, np.array([3.0]), np.array([5]))
    begin(tracker, [start("base", 0)])
    tracker.receive(RunFinished(record=record("base", 0, environment_steps=50)))
    opened = client.opened["study-base0"]
    assert [step for step, _ in opened.rows] == [50] and opened.exit_code == 0
    tracker.receive(RunFinished(record=record("other", 0)))  # a run of which nothing was told
    assert set(client.opened) == {"study-base0"}


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
    monkeypatch.setattr(execution, "MAX_WIDTH", 2)  # the program of the other tests of sweeps, in three batches
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
    code = "import sys; from reppo.tracking import Console, Wandb; print('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("name", ["kl, norm", "a b", "größe", "50% of it", "x" * 300])
def test_ids_of_runs_have_characters_that_the_service_takes(name):
    made, plain = own_name(name), own_name("study_2+b=3")
    assert re.fullmatch(r"[A-Za-z0-9_.+=-]{1,100}", made) and made != own_name(f"{name}!")
    assert plain == "study_2+b=3"  # as before
