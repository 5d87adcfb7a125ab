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
from reppo.benchmark.settings import SETTINGS, PpoSettings, SacSettings
from reppo.benchmark.table import FASTEST, curve_means, difference, format_benchmark, ratios, speed
from reppo.errors import ConfigurationError
from reppo.replay import UniformReplay
from reppo.spec import resolve

TOY = PpoSettings(
    iterations=2, num_environments=4, rollout_length=8, width=8, epochs=1, minibatches=2, action_scale=0.25, episodes=2
)
TOY_SAC = SacSettings(steps=60, width=8, batch_size=8, learning_starts=20, capacity=1000, points=3, episodes=2)
FACTS = {"algorithm": "ppo", "settings": dataclasses.asdict(TOY), "machine": "a machine"}
FACTS_SAC = {**FACTS, "algorithm": "sac", "settings": dataclasses.asdict(TOY_SAC)}
ALL_PEERS = [peer for peers in PEERS.values() for peer in peers.values()]


def told(speed=100.0, returns=(-150.0,), compile_seconds=2.0, memory=1000.0):
    numbers = {"compile_seconds": compile_seconds, "seconds": 10.0, "cpu_seconds": 5.0, "memory": memory}
    return {**numbers, "steps": 10.0 * speed, "returns": list(returns)}


def says(found):
    return [sys.executable, "-c", f"print('noise'); print({json.dumps(found)!r})"]


def run(folder, commands, seeds=(1,), rounds=2, limit=60.0, facts=FACTS):
    said = []
    benchmark = Benchmark(folder, facts, format_benchmark)
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
    found = difference(turns, OWN, "a", 4)
    variances = [np.var(one, ddof=1) / 4 for one in (own, other)]
    freedom = sum(variances) ** 2 / sum(one**2 / 3 for one in variances)
    assert found.estimate == pytest.approx(35.0) and 4 < freedom < 6
    # t quantiles at 0.975: 2.776 for 4 degrees of freedom, 2.447 for 6.
    half = (found.high - found.low) / 2
    assert 2.447 < half / np.sqrt(sum(variances)) < 2.776
    assert found.low == pytest.approx(found.estimate - half)
    single = difference([turn(OWN, 0, told()), turn("a", 0, told())], OWN, "a", 1)
    assert single.estimate == 0.0 and np.isnan(single.low)


def test_curves_stand_beside_returns_where_they_are_told(tmp_path):
    own = {**told(returns=[-150.0, -160.0]), "curves": [[-1000.0, -150.0], [-1200.0, -160.0]]}
    other = {**told(returns=[-150.0, -160.0]), "curves": [[-1400, -150], [-1600, -160]]}
    turns, _ = run(tmp_path, {OWN: says(own), "a": says(other)}, rounds=1, facts=FACTS_SAC)
    turns = [dataclasses.asdict(turn) for turn in turns]
    assert turns[1]["found"]["curves"] == [[-1400.0, -150.0], [-1600.0, -160.0]]
    found = difference(turns, OWN, "a", 1, curve_means)
    # Means of curves: -575 and -680, -775 and -880. t quantile at 0.975 for 2 degrees of freedom: 4.303.
    assert found.estimate == 200.0 and found.low == pytest.approx(200 - 4.303 * 105 / np.sqrt(2), abs=0.1)
    table = format_benchmark({**FACTS_SAC, "turns": turns})
    assert "| difference of returns | difference of curve means |" in table
    assert "| +0 [" in table and f"| +200 [{found.low:+.0f}, {found.high:+.0f}] |" in table
    without = [turn(name, 0, told()) for name in (OWN, "a")]
    assert "curve" not in format_benchmark({**FACTS, "turns": without})


def test_the_table_names_algorithm_and_sizes():
    assert format_benchmark({**FACTS, "turns": []}).splitlines() == [
        "# PPO here and elsewhere",
        "",
        "Pendulum-v1, 64 steps a seed: 4 environments x 8 steps, 1 epochs of 2 minibatches, 2 layers of 8 units; "
        "a machine. Medians over rounds; of ratios, which are taken within rounds, their range too.",
    ]
    head, _, sizes = format_benchmark({**FACTS_SAC, "turns": []}).splitlines()
    assert head == "# SAC here and elsewhere"
    assert sizes.startswith(
        "Pendulum-v1, 60 steps a seed: 1 environment, an update of 8 rows for each step, 2 layers of 8 units; a machine"
    )


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
        (["sack"], "Did you mean 'sac'"),
        (["sac", "--peers", "stable-baseline3"], "Did you mean 'stable-baselines3'"),
        (["sac", "--task", "CartPole-v1"], "task with continuous actions 'CartPole-v1'"),
        *((["sac", f"--{name}", "0"], f"{name} is 0; give at least 1") for name in ("width", "depth", "episodes")),
        *((["sac", f"--{name}", "0"], f"{name} is 0; give at least 1") for name in ("steps", "points")),
        (["sac", "--batch-size", "0"], "batch_size is 0; give at least 1"),
        (["sac", "--learning-rate", "0"], "learning_rate is 0.0; give a positive one"),
        (["sac", "--gamma", "-0.1"], "gamma is -0.1; give one in [0, 1]"),
        (["sac", "--target-rate", "0"], "target_rate is 0.0; give one above 0 and at most 1"),
        (["sac", "--target-rate", "1.5"], "target_rate is 1.5"),
        (["sac", "--learning-starts", "-1"], "learning_starts is -1; give at least 0"),
        (["sac", "--learning-starts", "20000"], "less than the 20000 steps"),
        (["sac", "--capacity", "200"], "capacity is 200; give at least 201: 100 steps are waited for"),
        (["sac", "--points", "3"], "3 points do not divide 20000 steps"),
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
    assert [peer.name for peer in find_peers("ppo", [])] == ["rejax", "brax"]
    assert find_peers("ppo", ["stable-baselines3"]) == [PEERS["ppo"]["stable-baselines3"]]
    assert find_peers("sac", []) == [PEERS["sac"]["stable-baselines3"]], "there is no other"
    assert PEERS.keys() == SETTINGS.keys()
    for peer in ALL_PEERS:
        assert peer.script.is_file() and all("==" in one for one in peer.requirements), peer.name


def test_scripts_of_peers_import_nothing_of_this_library():
    for peer in ALL_PEERS:
        assert "reppo" not in peer.script.read_text(encoding="utf-8")


def test_both_algorithms_of_a_peer_share_an_environment(tmp_path):
    ppo, sac = (peers["stable-baselines3"] for peers in PEERS.values())
    assert place_of(ppo, tmp_path) == place_of(sac, tmp_path) and ppo.script != sac.script


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
    spec = spec_of(PpoSettings(depth=3, width=16).to_json(1))
    interface = spec.environment.make().interface()
    learner = spec.algorithm.init(jax.random.key(0), interface).learner
    sizes = lambda network: sorted(leaf.shape for leaf in jax.tree.leaves(network) if getattr(leaf, "ndim", 0) == 2)
    assert sizes(learner.actor) == sizes(learner.critic) == sorted([(16, 3), (16, 16), (16, 16), (1, 16)])
    np.testing.assert_allclose(jnp.exp(learner.actor.free), 0.5, rtol=1e-6)


def test_the_spec_of_sac_has_the_networks_that_the_settings_ask_for():
    spec = resolve(spec_of(SacSettings(depth=3, width=16, target_rate=0.1).to_json(1)))
    interface = spec.environment.make().interface()
    learner = spec.algorithm.init(jax.random.key(0), interface).learner
    layers = lambda network, *lead: sorted(
        leaf.shape for leaf in jax.tree.leaves(network) if getattr(leaf, "ndim", 0) == 2 + len(lead)
    )
    assert layers(learner.trained.actor) == sorted([(16, 3), (16, 16), (16, 16), (2, 16)])
    critic = sorted([(2, 16, 4), (2, 16, 16), (2, 16, 16), (2, 1, 16)])
    assert layers(learner.trained.critic, 2) == layers(learner.target, 2) == critic
    biases = [leaf for leaf in jax.tree.leaves(learner.trained.actor) if getattr(leaf, "ndim", 0) == 1]
    assert all(float(jnp.abs(bias).max()) > 0 for bias in biases), "PyTorch draws biases too"
    assert spec.algorithm.steps_per_iteration == spec.algorithm.updates == 1
    assert float(spec.algorithm.target_network.rate) == pytest.approx(0.1)


def test_the_least_capacity_is_that_of_the_buffer():
    for starts in (0, 1, 100):
        least = UniformReplay.least_capacity(1, 1, starts)
        spec_of(SacSettings(learning_starts=starts, capacity=least).to_json(1)).algorithm.validate()
        with pytest.raises(ConfigurationError, match=f"give at least {least}"):
            SacSettings(learning_starts=starts, capacity=least - 1)


@pytest.mark.parametrize("settings", [TOY, TOY_SAC], ids=lambda settings: settings.algorithm)
def test_our_side_trains_all_seeds_and_tells_what_is_asked(settings):
    found = measure(settings.to_json(2))
    assert found["steps"] == 2 * settings.steps and TOY.steps == 2 * 4 * 8
    assert len(found["returns"]) == 2 and all(-2000 < one < 0 for one in found["returns"])
    assert min(found[name] for name in ("compile_seconds", "seconds", "cpu_seconds", "memory")) > 0
    assert ("curves" in found) == (settings is TOY_SAC)
    if settings is TOY_SAC:
        assert [len(curve) for curve in found["curves"]] == [3, 3]
        assert [curve[-1] for curve in found["curves"]] == found["returns"]
        assert all(len(set(curve)) == 3 for curve in found["curves"]), "it learns between evaluations"


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
@pytest.mark.parametrize(
    ("settings", "name"),
    [(settings, name) for settings in (TOY, TOY_SAC) for name in PEERS[settings.algorithm]],
    ids=lambda one: getattr(one, "algorithm", one),
)
def test_a_peer_trains_at_toy_size(settings, name, tmp_path):
    """Where it is installed, or can be."""
    arguments = [f"--{key.replace('_', '-')}={value}" for key, value in dataclasses.asdict(settings).items()]
    common = ["--peers", name, "--seeds", "2", "--rounds", "1", "--out", str(tmp_path)]
    code = main([settings.algorithm, *arguments, *common])
    turns = {turn["name"]: turn for turn in json.loads((tmp_path / "benchmark.json").read_text())["turns"]}
    if "could not be installed" in turns[name]["fault"]:
        pytest.skip(turns[name]["fault"])
    assert code == 0, turns[name]["fault"]
    assert {turn["found"]["steps"] for turn in turns.values()} == {2 * settings.steps}
    assert all(-2000 < one < 0 for turn in turns.values() for one in turn["found"]["returns"])
    for turn in turns.values() if settings is TOY_SAC else ():
        assert [len(curve) for curve in turn["found"]["curves"]] == [3, 3]
        assert [curve[-1] for curve in turn["found"]["curves"]] == turn["found"]["returns"]
