"""The check of a GPU: what it plans, that no part hides another, what is on disk when, and its smallest real part."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from reppo import presets
from reppo.ablation import find_ablation
from reppo.gpu_check import parts as check_parts
from reppo.gpu_check.plan import ARMS, Part, parts
from reppo.gpu_check.schedule import Check
from reppo.gpu_check.table import format_check
from reppo.sweep.experiment_file import load_experiment

ROOT = Path(__file__).parents[2]
FINDS = "import json, os; print(json.dumps({}), file=open(os.environ['REPPO_GPU_CHECK_FOUND'], 'a'), flush=True)"


def run(folder, parts_and_code, seconds=60.0, workers=1, say=lambda line: None):
    code = {part.name: text for part, text in parts_and_code}
    check = Check(folder, format_check, say)
    command = lambda part: [sys.executable, "-c", code[part.name]]
    check.run([part for part, _ in parts_and_code], command, time.monotonic() + seconds, workers)
    return {outcome.part: outcome for outcome in check.outcomes.values()}


@pytest.mark.parametrize("warp", [False, True])
@pytest.mark.parametrize("rehearsal", [False, True])
def test_the_plan_has_every_suite_backend_and_width(rehearsal, warp):
    planned = parts(rehearsal, [] if warp else ["warp-lang"])
    names = [part.name for part in planned]
    assert len(set(names)) == len(names)
    assert all(part.function in check_parts._FUNCTIONS for part in planned)
    backends = ["jax"] + ["warp"] * warp
    places = ["probe/BestAction", "gymnax/Pendulum-v1", *(f"playground-{name}/CartpoleBalance" for name in backends)]
    assert {f"tiny/{place}/{lanes}" for place in places for lanes in (1, 4)} <= set(names)
    assert ("tiny/playground-warp/BallInCup/4" in names) == warp  # contacts
    main = "warp" if warp else "jax"
    assert {f"published/{main}/{lanes}" for lanes in ((1, 4) if rehearsal else (1, 4, 16))} <= set(names)
    assert {"update", "update/without-triton"} <= set(names)
    assert {f"rival/Pendulum-v1/{preset}" for preset in ("ppo_small", "sac_small", "fast_td3_small")} <= set(names)
    assert "resume/Pendulum-v1" in names


def test_a_rehearsal_simulates_short_episodes_and_a_gpu_whole_ones():
    horizons = [check_parts._main_spec("jax", rehearsal).environment.make().horizon for rehearsal in (True, False)]
    assert horizons == [check_parts.REHEARSED_HORIZON, 1000]
    learned = check_parts._task("probe", "BestAction", "", check_parts.REHEARSED_HORIZON)
    assert learned == check_parts._task("probe", "BestAction", "")  # no setting is its time limit


def test_the_arms_are_those_of_the_quickstart():
    experiment = load_experiment(ROOT / "experiments" / "quickstart.py")
    assert ("base", *(arm.name for arm in experiment.arms)) == ARMS
    planned = {(part.arguments["task"], part.arguments["arm"]) for part in parts(False) if "arm" in part.arguments}
    assert planned == {(environment.name, arm) for environment in experiment.environments for arm in ARMS}
    assert experiment.base is presets.reppo_small and all(find_ablation(arm) for arm in ARMS[1:])


def test_no_part_hides_another_and_what_was_found_is_kept(tmp_path):
    said = []
    outcomes = run(
        tmp_path,
        [
            (Part("raises", ""), f"{FINDS.format({'a': 1})}; raise ValueError('the fault | in words')"),
            (Part("crashes", ""), "import os; os.abort()"),
            (Part("hangs", "", limit=2.0), f"{FINDS.format({'b': 2})}; import time; time.sleep(600)"),
            (Part("too/large", "", least=1e6), ""),
            (Part("works", ""), f"{FINDS.format({'c': 3})}; {FINDS.format({'c': 4})}"),
        ],
        say=said.append,
    )
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "raises": "failed",
        "crashes": "failed",
        "hangs": "stopped",
        "too/large": "skipped",
        "works": "passed",
    }
    assert outcomes["raises"].found == {"a": 1} and outcomes["raises"].fault == "ValueError: the fault | in words"
    assert outcomes["hangs"].found == {"b": 2} and outcomes["works"].found == {"c": 4}
    assert outcomes["hangs"].seconds < 30
    written = json.loads((tmp_path / "check.json").read_text())["parts"]
    assert {part["part"]: part["status"] for part in written} == {n: o.status for n, o in outcomes.items()}
    table = (tmp_path / "check.md").read_text()
    assert "| works | passed |" in table and "the fault \\| in words" in table
    assert any(line.startswith("raises: failed in") and "the fault" in line for line in said)


def test_the_end_of_the_budget_stops_what_runs_and_skips_the_rest(tmp_path):
    begun = time.monotonic()
    sleeps = "import time; time.sleep(600)"
    parts_and_code = [(Part("long", "", least=1.0), sleeps), (Part("next", "", least=1.0), sleeps)]
    outcomes = run(tmp_path, parts_and_code, seconds=3.0)
    assert time.monotonic() - begun < 30
    assert [outcome.status for outcome in outcomes.values()] == ["stopped", "skipped"]


def test_what_a_part_started_is_stopped_with_it(tmp_path):
    file = tmp_path / "pid"
    child = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, {str(file)!r}])"
    run(tmp_path / "check", [(Part("parent", "", limit=3.0), code)])
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # until init has reaped it
            os.kill(int(file.read_text()), 0)
            state = Path(f"/proc/{file.read_text()}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state == "Z":
                raise ProcessLookupError
            time.sleep(0.1)


def test_what_is_found_is_on_disk_while_a_part_runs(tmp_path):
    seen = tmp_path / "seen.json"
    code = f"""{FINDS.format({"early": 1})}
import pathlib, time
for _ in range(100):
    text = pathlib.Path({str(tmp_path / "check.json")!r}).read_text()
    if "early" in text:
        pathlib.Path({str(seen)!r}).write_text(text)
        break
    time.sleep(0.1)
"""
    run(tmp_path, [(Part("slow", ""), code)])
    assert json.loads(seen.read_text())["parts"][0]["found"] == {"early": 1}


def test_parts_run_beside_each_other(tmp_path):
    meet = "import pathlib, sys, time; me, other = {!r}, {!r}\npathlib.Path(me).touch()\n"
    meet += "while not pathlib.Path(other).exists(): time.sleep(0.05)\n"
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    pair = [(Part("a", "", limit=20.0), meet.format(a, b)), (Part("b", "", limit=20.0), meet.format(b, a))]
    outcomes = run(tmp_path / "check", pair, workers=2)
    assert [outcome.status for outcome in outcomes.values()] == ["passed", "passed"]


def test_the_table_splits_an_iteration_and_compares_precisions():
    found = {
        "machine": {"device": "card", "memory": 8e10, "python": "3.12.3", "cores": 16, "versions": {"jax": "0.11.2"}},
        "published/warp/4": {
            "backend": "warp",
            "lanes": 4,
            "compile_seconds": 60.0,
            "iteration_seconds": 3.0,
            "step_seconds": {"act": 1.5, "learn": 1.0},
            "evaluation_seconds": 2.0,
            "iteration_steps": 600,
            "evaluation_steps": 400,
            "device_bytes": 5_000_000_000,
        },
        "update": {"update_seconds": {"highest": 0.5, "default": 0.25}, "apart_of_step": {"default": 0.01}},
        "tiny/probe/BestAction/4": {"twice": {"identical": False, "largest": 0.5}},
    }
    outcomes = [
        {"part": name, "status": "passed", "seconds": 1.0, "found": part, "fault": ""} for name, part in found.items()
    ]
    table = format_check({"parts": outcomes, "rehearsal": False})
    assert "| warp | 4 | 300 | 600 | 200 | 200 | 60 s | 5 GB |" in table  # 2 s of collection, 1 s of updates
    assert "| default | 250.0 ms | 1.0e-02 |" in table
    assert "| tiny/probe/BestAction/4 | the same seeds twice | no | 5.0e-01 |" in table
    assert "Rehearsal" not in table and "Rehearsal" in format_check({"parts": outcomes, "rehearsal": True})


def test_differences_are_seen():
    a = {"x": np.array([1.0, np.nan], np.float32), "n": np.array([1, 2])}
    assert check_parts.difference(a, a)["identical"]
    b = {"x": np.array([1.25, np.nan], np.float32), "n": np.array([1, 2])}
    assert check_parts.difference(a, b) == {"identical": False, "arrays": 2, "unequal": 1, "largest": 0.25}
    c = {"x": np.array([np.nan, np.nan], np.float32), "n": np.array([1, 2])}
    assert not check_parts.difference(a, c)["identical"]
    assert check_parts._distance({"x": jnp.array([3.0])}, {"x": jnp.array([-1.0])}) == 4.0


def test_a_part_trains_here(tmp_path):
    """The smallest real one: a probe in one lane, by the command."""
    command = [sys.executable, "-m", "reppo.gpu_check", "--out", str(tmp_path), "--only", "tiny/probe/BestAction/1"]
    done = subprocess.run([*command, "--rehearsal"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "REHEARSAL" in done.stdout and "Rehearsal on a CPU" in (tmp_path / "check.md").read_text()
    machine, probe = json.loads((tmp_path / "check.json").read_text())["parts"]
    assert machine["found"]["platform"] == "cpu" and not machine["found"]["unmet"]
    assert probe["status"] == "passed" and probe["found"]["twice"]["identical"]
    assert probe["found"]["returns"][0] > probe["found"]["returns_before"][0]


def test_the_update_alone_is_timed_on_invented_data(tmp_path):
    told = {}
    (part,) = (part for part in parts(True) if part.name == "update/without-triton")  # in a single precision
    check_parts.update(lambda **found: told.update(found), True, tmp_path, **part.arguments)
    assert told["update_seconds"]["highest"] > 0 and told["apart_of_step"] == {}


def test_a_gpu_that_jax_does_not_see_is_no_rehearsal(tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 580.1\n")
    tool.chmod(0o755)
    command = [sys.executable, "-m", "reppo.gpu_check", "--out", str(tmp_path / "out"), "--only", "tiny/probe"]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 1 and "JAX sees no GPU" in done.stdout and "580.1" in done.stdout
    assert "REHEARSAL:" not in done.stdout and "tiny/probe" not in done.stdout
