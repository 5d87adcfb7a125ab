"""Pairing: a run is the same whatever else the experiment holds, and arms of one seed meet the same randomness."""

import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reppo
from reppo import environments
from reppo.ablation import setting
from reppo.spec import replace_path, resolve
from reppo.sweep import Experiment
from reppo.sweep.batches import arrange_batches
from reppo.sweep.execution import Execution
from reppo.training import BatchProgram, init
from reppo.training.lanes import compile_key
from tests.ablation.base import CATALOG, base_of
from tests.tiny import tiny_preset, tiny_spec

ROOT = Path(reppo.__file__).parent.parent
PROBES = ["BestAction", "TerminalStep", "TruncatedStep"]
ARMS = [CATALOG["kl/no_kl"], CATALOG["value/mse"], setting("kl_bound", 0.2), setting("gamma", 0.9)]


def subsets(items, least=0):
    return st.lists(st.sampled_from(items), min_size=least, unique=True)


PARTS = st.tuples(subsets(PROBES, 1), subsets(range(len(ARMS))), subsets(range(20), 1))


def declare(probes, arms, seeds):
    return Experiment(
        name="study",
        base=tiny_preset,
        environments=[environments.probe(name) for name in probes],
        arms=[ARMS[number] for number in arms],
        seeds=seeds,
        steps=256,
    )


@pytest.mark.slow
@given(PARTS, PARTS)
@settings(max_examples=20)
def test_what_a_run_is_does_not_depend_on_the_experiment_that_holds_it(one, other):
    one, other = declare(*one), declare(*other)
    name = lambda run: (run.environment, run.arm, run.seed)
    theirs = {name(run): run for run in other.runs()}
    for run in one.runs():
        same = theirs.get(name(run), run)
        assert run.id == same.id and run.spec == same.spec


@given(PARTS, PARTS, st.integers(1, 5), st.integers(1, 3), st.booleans())
@settings(max_examples=20)
def test_every_run_has_one_lane_and_keeps_it_when_others_are_added(one, other, width, devices, fixed):
    one, other, execution = declare(*one), declare(*other), Execution("map", width, devices, fixed)
    known = arrange_batches(one.runs(), execution)
    batches = arrange_batches([*one.runs(), *other.runs()], execution, known)
    assert set(known) <= set(batches)
    lanes = [run.id for batch in batches for run in batch.runs]
    assert set(lanes) == {run.id for run in [*one.runs(), *other.runs()]} and len(set(lanes)) == len(lanes)
    for batch in batches:
        assert len(batch.runs) <= width
        assert len(batch.runs) <= batch.width and (not fixed or batch.width == width)
        assert {(compile_key(run.spec), batch.width) for run in batch.runs} == {batch.key}


BOUNDS, SEEDS, WIDTH = (0.05, 0.1, 0.2), (0, 1, 2), 3


@pytest.fixture(scope="module")
def program():
    return BatchProgram(resolve(tiny_spec()), WIDTH, "map").compile()


@pytest.fixture(scope="module")
def alone(program):
    return {(bound, seed): train(program, [(bound, seed)])[0] for bound in BOUNDS for seed in SEEDS}


def train(program, lanes):
    specs = [replace_path(resolve(tiny_spec()), "kl_bound", bound) for bound, _ in lanes]
    states = program.start(specs, [seed for _, seed in lanes])
    states, report = program.advance(states, specs, 4)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves((states, report.evaluated))]
    return [[leaf[lane].tobytes() for leaf in leaves] for lane in range(len(lanes))]


@given(data=st.data())
@settings(max_examples=15)
def test_any_lanes_together_are_what_each_is_alone(program, alone, data):
    lane = st.tuples(st.sampled_from(BOUNDS), st.sampled_from(SEEDS))
    lanes = data.draw(st.lists(lane, min_size=1, max_size=WIDTH))
    assert train(program, lanes) == [alone[lane] for lane in lanes]


def test_runs_of_other_bounds_or_seeds_do_differ(alone):
    assert len({tuple(run) for run in alone.values()}) == len(BOUNDS) * len(SEEDS)


@pytest.mark.slow  # compiles an initialization for every entry
@pytest.mark.parametrize("name", CATALOG)
def test_arms_of_one_seed_meet_the_same_environments_and_start_from_the_same_weights(name):
    one, base = CATALOG[name], resolve(base_of(name))
    spec = resolve(one(base_of(name)))
    a, b = (eqx.filter_jit(init)(each, 3) for each in (base, spec))
    assert same(a.evaluation_starts, b.evaluation_starts)
    if spec.algorithm.num_environments == base.algorithm.num_environments:
        assert same(a.episodes, b.episodes)
    touched = " ".join(one.touches)
    shaped_by = ("head", "value", "auxiliary", "actor_loss")
    for network, parts in {"actor": shaped_by, "critic": (*shaped_by, "sharing")}.items():
        if not any(f"algorithm.{part}" in touched for part in (network, *parts)):
            assert same(getattr(a.algorithm.learner, network), getattr(b.algorithm.learner, network))


def same(a, b):
    leaves = [[np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))] for tree in (a, b)]
    return len(leaves[0]) == len(leaves[1]) and all(map(np.array_equal, *leaves))


DEVICES = """
import jax, numpy as np
from reppo.spec import resolve
from reppo.training import BatchProgram
from tests.tiny import tiny_spec

assert len(jax.local_devices()) == 4
spec, per_device, runs = resolve(tiny_spec()), {per_device}, dict()
for devices in (1, 2, 4):
    width = devices * per_device
    program = BatchProgram(spec, width, "{mode}", devices=devices)
    for first in range(0, 8, width):
        seeds = range(first, first + width)
        states = program.start([spec] * width, seeds)
        states, report = program.advance(states, [spec] * width, {iterations})
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves((states.arrays.algorithm, report.evaluated))]
        for lane, seed in enumerate(seeds):
            found = [leaf[lane] for leaf in leaves]
            for now, before in zip(found, runs.setdefault(seed, found)):
                np.testing.assert_allclose(now, before, rtol={tolerance}, atol={tolerance})
assert len(set(tuple(leaf.tobytes() for leaf in run) for run in runs.values())) == 8
"""


@pytest.mark.slow  # compiles for every number of devices
@pytest.mark.parametrize(
    ("mode", "per_device", "iterations", "tolerance"),
    # Batched by vmap, a CPU's products are summed in an order that depends on the threads that a device has.
    [("map", 1, 4, 0), ("vmap", 2, 1, 1e-5)],
)
def test_two_and_four_devices_give_the_runs_of_one_at_equal_width_per_device(mode, per_device, iterations, tolerance):
    code = DEVICES.format(mode=mode, per_device=per_device, iterations=iterations, tolerance=tolerance)
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | flags, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
