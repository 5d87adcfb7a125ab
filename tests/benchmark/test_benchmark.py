"""The benchmark: turns and their failures, ratios of known numbers, environments of peers, and our side at toy size."""

import dataclasses
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo.benchmark import places
from reppo.benchmark.__main__ import main
from reppo.benchmark.own import measure, spec_of
from reppo.benchmark.parts import format_parts
from reppo.benchmark.parts import measure as measure_parts
from reppo.benchmark.peers import OWN, PEERS, Peer, find_peers
from reppo.benchmark.places import NotInstalled, place_of, python_of
from reppo.benchmark.rounds import Benchmark, Turn
from reppo.benchmark.settings import Settings
from reppo.benchmark.table import FASTEST, format_benchmark, ratios, return_difference, speed
from reppo.errors import ConfigurationError

TOY = Settings(
    iterations=2, num_environments=4, rollout_length=8, width=8, epochs=1, minibatches=2, action_scale=0.25, episodes=2
)
FACTS = {"settings": dataclasses.asdict(TOY), "machine": "a machine"}


def told(speed=100.0, returns=(-150.0,), compile_seconds=2.0, memory=1000.0):
    numbers = {"compile_seconds": compile_seconds, "seconds": 10.0, "cpu_seconds": 5.0, "memory": memory}
    return {**numbers, "steps": 10.0 * speed, "returns": list(returns)}


def says(found):
    return [sys.executable, "-c", f"print('noise'); print({json.dumps(found)!r})"]


def run(folder, commands, seeds=(1,), rounds=2, limit=60.0):
    said = []
    benchmark = Benchmark(folder, FACTS, format_benchmark)
    commands = {name: (lambda lanes, command=command: command) for name, command in commands.items()}
    benchmark.run(commands, seeds, rounds, limit, said.append)
    return benchmark.turns, said


def test_turns_move_on_by_one_and_a_failure_loses_no_other_number(tmp_path):
    turns, said = run(
        tmp_path,
        {
            OWN: says(told(90.0)),
            "raises": [sys.executable, "-c", "raise ValueError('the fault | in words')"],
            "half": [sys.executable, "-c", "print('{\"seconds\": 1}')"],
            "absent": [str(tmp_path / "no-python")],
            "timeless": says({**told(), "seconds": 0.0}),
            "peer": says(told(100.0)),
        },
    )
    assert [(turn.round, turn.name) for turn in turns] == [
        *((0, name) for name in (OWN, "raises", "half", "absent", "timeless", "peer")),
        *((1, name) for name in ("peer", OWN)),
    ]
    faults = {turn.name: turn.fault for turn in turns if turn.fault}
    assert faults["raises"] == "ValueError: the fault | in words"
    assert "compile_seconds" in faults["half"] and "No such file" in faults["absent"]
    assert "1000 steps in 0.0 s" in faults["timeless"]
    data = json.loads((tmp_path / "benchmark.json").read_text())
    assert [turn["name"] for turn in data["turns"]] == [turn.name for turn in turns]
    table = (tmp_path / "benchmark.md").read_text()
    assert "| peer | 0.90 (0.90 to 0.90) |" in table and "the fault \\| in words" in table
    assert len(said) == len(turns) and "100 steps/s" in said[-2]


def test_a_turn_that_takes_too_long_is_stopped(tmp_path):
    turns, _ = run(tmp_path, {OWN: [sys.executable, "-c", "import time; time.sleep(60)"]}, rounds=1, limit=1.0)
    assert turns[0].fault == "stopped after 1 s"


def test_turns_compile_anew_and_see_no_packages_of_others(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    code = f"import os, json; print(json.dumps({{**{told()!r}, 'environment': dict(os.environ)}}))"
    (turn,), _ = run(tmp_path, {OWN: [sys.executable, "-c", code]}, rounds=1)
    seen = turn.found["environment"]
    assert seen["JAX_ENABLE_COMPILATION_CACHE"] == "false"
    assert not {"PYTHONPATH", "JAX_COMPILATION_CACHE_DIR"} & seen.keys()


def turn(name, number, found, seeds=1):
    return dataclasses.asdict(Turn(name, seeds, number, found))


def test_ratios_are_taken_within_rounds():
    speeds = {OWN: (100.0, 50.0, 300.0), "a": (200.0, 50.0, 100.0), "b": (80.0, 100.0, 600.0)}
    turns = [turn(name, number, told(one)) for name, each in speeds.items() for number, one in enumerate(each)]
    turns.append(turn("slow", 0, told(1e9, compile_seconds=0.0)))  # without a program: no rival for speed
    assert ratios(turns, OWN, "a", 1, speed) == (1.0, 0.5, 3.0, 3)
    assert ratios(turns, OWN, FASTEST, 1, speed) == (0.5, 0.5, 0.5, 3)
    assert ratios(turns[:-2], OWN, "b", 1, speed) == pytest.approx((0.875, 0.5, 1.25, 2))
    assert ratios(turns, OWN, "a", 4, speed) is None
    table = format_benchmark({**FACTS, "turns": turns})
    assert "| a | 1.00 (0.50 to 3.00) |" in table and f"| {FASTEST} | 0.50 (0.50 to 0.50) |" in table


def test_the_difference_of_returns_has_the_interval_of_welch():
    own, other = [-150.0, -160.0, -130.0, -180.0], [-200.0, -170.0, -240.0, -150.0]
    turns = [turn(OWN, 0, told(returns=own), 4), turn("a", 0, told(returns=other), 4)]
    difference = return_difference(turns, OWN, "a", 4)
    variances = [np.var(one, ddof=1) / 4 for one in (own, other)]
    freedom = sum(variances) ** 2 / sum(one**2 / 3 for one in variances)
    assert difference.estimate == pytest.approx(35.0) and 4 < freedom < 6
    # t quantiles at 0.975: 2.776 for 4 degrees of freedom, 2.447 for 6.
    half = (difference.high - difference.low) / 2
    assert 2.447 < half / np.sqrt(sum(variances)) < 2.776
    assert difference.low == pytest.approx(difference.estimate - half)
    single = return_difference([turn(OWN, 0, told()), turn("a", 0, told())], OWN, "a", 1)
    assert single.estimate == 0.0 and np.isnan(single.low)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--peers", "rejacks"], "Did you mean 'rejax'"),
        (["--peers", "rejax", "rejax"], "named twice"),
        (["--rounds", "0"], "--rounds is 0"),
        (["--seeds", "0"], "--seeds has 0"),
        (["--minibatches", "7"], "do not divide 64 environments"),
        (["--iterations", "1"], "give at least 2"),
        (["--clip", "1"], "clip is 1.0"),
        (["--gamma", "1.5"], "gamma is 1.5"),
        (["--task", "Pendulum"], "Did you mean 'Pendulum-v1'"),
        (["--task", "CartPole-v1"], "task with continuous actions 'CartPole-v1'"),
        (["--out", "{file}"], "is a file"),
        (["--environments", "{file}"], "is a file"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main([one.format(file=tmp_path / "file") for one in arguments]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_earlier_benchmark_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "benchmark.json").write_text("{}")
    assert main(["--out", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "benchmark.json").read_text() == "{}"


def test_one_that_is_not_installed_stands_in_the_table_alone():
    absent = dataclasses.asdict(Turn("a", 0, 0, {}, "no network"))
    table = format_benchmark({**FACTS, "turns": [absent, turn(OWN, 0, told())]})
    assert "| a |  | no network |" in table and "0 seed" not in table


def test_usual_peers_are_those_whose_packages_are_small():
    assert [peer.name for peer in find_peers([])] == ["rejax", "brax"]
    assert find_peers(["stable-baselines3"]) == [PEERS["stable-baselines3"]]
    for peer in PEERS.values():
        assert peer.script.is_file() and all("==" in one for one in peer.requirements), peer.name


def test_scripts_of_peers_import_nothing_of_this_library():
    for peer in PEERS.values():
        assert "reppo" not in peer.script.read_text(encoding="utf-8")


def test_an_environment_is_used_again_only_if_it_is_whole_and_of_the_same_versions(tmp_path, monkeypatch):
    calls = []

    def install(command, **options):
        calls.append(command)
        place = place_of(peer, tmp_path)
        (place / "bin").mkdir(parents=True, exist_ok=True)
        (place / "bin" / "python").touch()
        broken = "pip" in command and len(calls) <= 2
        options["stdout"].write("ERROR: no such version\nnotice\n" if broken else "")
        return subprocess.CompletedProcess(command, int(broken))

    monkeypatch.setattr(places.subprocess, "run", install)
    peer = Peer("peer", tmp_path / "script.py", ("one==1",))
    with pytest.raises(NotInstalled, match="without --offline"):
        python_of(peer, tmp_path, offline=True)
    with pytest.raises(NotInstalled, match="no such version.*one==1 from the package index"):
        python_of(peer, tmp_path)
    assert not place_of(peer, tmp_path).exists(), "half an environment is left"
    python = python_of(peer, tmp_path)
    assert calls[-1][:2] == [str(python), "-m"] and calls[-1][-1] == "one==1"
    assert python_of(peer, tmp_path, offline=True) == python and len(calls) == 4
    assert place_of(dataclasses.replace(peer, requirements=("one==2",)), tmp_path) != place_of(peer, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is a file"):
        python_of(peer, tmp_path / "file")


def test_the_spec_has_the_networks_that_the_settings_ask_for():
    spec = spec_of(Settings(depth=3, width=16).to_json(1))
    interface = spec.environment.make().interface()
    learner = spec.algorithm.init(jax.random.key(0), interface).learner
    sizes = lambda network: sorted(leaf.shape for leaf in jax.tree.leaves(network) if getattr(leaf, "ndim", 0) == 2)
    assert sizes(learner.actor) == sizes(learner.critic) == sorted([(16, 3), (16, 16), (16, 16), (1, 16)])
    np.testing.assert_allclose(jnp.exp(learner.actor.free), 0.5, rtol=1e-6)


def test_our_side_trains_all_seeds_and_tells_what_is_asked():
    found = measure(TOY.to_json(2))
    assert found["steps"] == 2 * TOY.steps == 2 * 2 * 4 * 8
    assert len(found["returns"]) == 2 and all(-2000 < one < 0 for one in found["returns"])
    assert min(found[name] for name in ("compile_seconds", "seconds", "cpu_seconds", "memory")) > 0


@pytest.mark.slow
def test_the_parts_of_an_iteration_are_timed():
    seconds = measure_parts(dataclasses.replace(TOY, num_environments=64, rollout_length=64), repetitions=5)
    whole, *parts = seconds.values()
    assert all(0 < part < 2 * whole for part in parts)


def test_shares_are_those_of_the_whole_iteration():
    assert format_parts({"all": 0.02, "half": 0.01}).splitlines()[2:] == [
        "| all | 20.00 ms | 100% |",
        "| half | 10.00 ms | 50% |",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_trains_at_toy_size(name, tmp_path):
    """Where it is installed, or can be."""
    arguments = [f"--{key.replace('_', '-')}={value}" for key, value in dataclasses.asdict(TOY).items()]
    code = main([*arguments, "--peers", name, "--seeds", "2", "--rounds", "1", "--out", str(tmp_path)])
    turns = {turn["name"]: turn for turn in json.loads((tmp_path / "benchmark.json").read_text())["turns"]}
    if "could not be installed" in turns[name]["fault"]:
        pytest.skip(turns[name]["fault"])
    assert code == 0, turns[name]["fault"]
    assert {turn["found"]["steps"] for turn in turns.values()} == {2 * TOY.steps}
    assert all(-2000 < one < 0 for turn in turns.values() for one in turn["found"]["returns"])
