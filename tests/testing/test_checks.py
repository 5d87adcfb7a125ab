"""What checks and strategies give, besides the laws themselves."""

import dataclasses
import re
import subprocess
import sys

import equinox as eqx
import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from reppo import environments, testing
from reppo.component import Component
from reppo.environments import Observation
from reppo.errors import ConfigurationError
from reppo.losses import AbstractObjective, NoGate, PerState
from reppo.spec import Evaluation, from_json, list_paths, run_id, spec_id, to_json, validate
from reppo.training import init, train_chunk
from tests.algorithms.toys import ToyRecurrentPolicy
from tests.tiny import tiny_reppo

ENVIRONMENTS = [environments.probe(name) for name in environments.PROBES if name != "NonFinite"]
ENVIRONMENTS += [environments.gymnax("Pendulum-v1"), environments.gymnax("MountainCarContinuous-v0")]


@pytest.mark.parametrize("spec", ENVIRONMENTS, ids=lambda spec: spec.name)
def test_environments_keep_the_contract(spec):
    testing.check(spec)


def test_an_environment_that_breaks_one_law_on_purpose_keeps_the_others():
    testing.check_environment(environments.probe("NonFinite", {"part": "observation"}), skip=["finite"])


def test_the_policy_of_reppo_keeps_the_laws():
    algorithm, environment = tiny_reppo(), environments.probe("PrivilegedValue").make()
    state = algorithm.init(jax.random.key(0), environment.interface())
    testing.check_policy(algorithm.policy(state), environment.observation_shapes(), environment.action_space.size)


def test_a_policy_with_a_memory_keeps_the_laws():
    shapes = Observation(jax.ShapeDtypeStruct((2,), jnp.float32))
    testing.check_policy(ToyRecurrentPolicy(jnp.array(0.1)), shapes, 1)


def test_an_error_names_component_law_finding_and_input_and_a_law_can_be_skipped_by_its_name():
    with pytest.raises(AssertionError) as error:
        testing.check(NoGate())
    said, found, drawn = str(error.value).split("\n", 2)
    assert said == (
        "NoGate() breaks the law 'closed' of AbstractGate: where every state is beyond the bound, none is within it"
    )
    assert found.startswith("Found: [ True  True  True  True  True] for kl = [")
    assert re.fullmatch(r"Input: kl=array\(\[.*\], dtype=float32\), bound=[\d.]+", drawn)
    testing.check(NoGate(), skip=["closed"])
    with pytest.raises(ConfigurationError, match=r"Unknown law of AbstractGate 'close'\. Did you mean 'closed'"):
        testing.check(NoGate(), skip=["close"])


def test_what_fills_no_slot_has_no_laws():
    with pytest.raises(
        AssertionError, match=r"There are no laws for Evaluation\(.*it fills none of AbstractActionPlace"
    ):
        testing.check(Evaluation())


def test_a_component_of_another_slot_is_refused():
    with pytest.raises(AssertionError, match=r"PerState\(\) is no AbstractObjective: subclass it"):
        testing.laws.hold(AbstractObjective, PerState(), ())


def test_every_slot_with_laws_has_a_check_that_knows_them():
    policies = {slot.__name__ for slot in testing.LAWS} - {slot.__name__ for slot in testing.CHECKS}
    assert policies == {"AbstractPolicy"}
    assert {name for name in testing.__all__ if name.startswith("check_")} == {
        "check_policy",
        *(check.__name__ for check in testing.CHECKS.values()),
    }
    for slot, laws in testing.LAWS.items():
        for name, law in laws.items():
            assert (law.slot, law.name) == (slot, name) and law.says and not law.says.endswith(".")


def test_only_the_laws_need_hypothesis():
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import reppo, reppo.sweep, reppo.cli, reppo.analysis\n"
        "from reppo import *\n"
        "try: import reppo.testing\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "reppo.testing needs hypothesis, which only tests need: pip install hypothesis"


# Strategies


@given(testing.rows(4))
def test_rows_are_float32_and_flags(rows):
    assert [leaf.shape for leaf in rows] == [(4,)] * 4
    assert [leaf.dtype for leaf in rows] == [np.float32, np.float32, bool, bool]


@pytest.mark.parametrize("flags", [(True, False), (False, True), (True, True), (False, False)])
def test_rows_end_in_every_way(flags):
    hypothesis.find(
        testing.rows(3), lambda rows: bool(((rows.terminated == flags[0]) & (rows.truncated == flags[1])).all())
    )


@given(testing.trajectories(time=5, environments=2))
def test_trajectories_go_on_from_where_they_were(trajectory):
    ended = trajectory.terminated | trajectory.truncated
    assert not (trajectory.terminated & trajectory.truncated).any()
    following, final = trajectory.observation.actor[1:], trajectory.final_observation.actor[:-1]
    np.testing.assert_array_equal(np.all(following == final, axis=-1), ~ended[:-1])
    assert np.abs(trajectory.action).max() <= 1


@given(testing.distributions(3))
def test_distributions_have_positive_scales(distribution):
    assert distribution.loc.shape == distribution.scale.shape == (3,) and (distribution.scale > 0).all()


@given(testing.observations({"a": jax.ShapeDtypeStruct((2, 3), jnp.float32), "b": jax.ShapeDtypeStruct((), jnp.int32)}))
def test_observations_have_the_shapes_asked_for(observation):
    assert observation["a"].shape == (2, 3) and observation["a"].dtype == np.float32
    assert observation["b"].shape == () and observation["b"].dtype == np.int32


SLOTS = [slot for slot in testing.CHECKS if issubclass(slot, Component) and slot.__name__ != "AbstractEnvironmentSpec"]


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.__name__)
def test_components_are_valid_small_and_of_every_shipped_kind(slot, unchecked):
    kinds = {cls.__name__ for cls in testing.shipped(slot)}
    seen = set()

    @hypothesis.settings(max_examples=10 * len(kinds))
    @given(testing.components(slot))
    def body(component):
        assert isinstance(component, slot)
        validate(component)
        seen.add(type(component).__name__)
        counts = [value for value in list_paths(component).values() if type(value) is int]
        assert all(count <= 8 for count in counts)

    body()
    assert seen == kinds


def test_specs_are_written_and_read_again(unchecked):
    @hypothesis.settings(max_examples=25)
    @given(testing.specs())
    def body(spec):
        again = from_json(to_json(spec))
        assert again == spec and hash(again) == hash(spec)
        assert spec_id(again) == spec_id(spec) and run_id(again, 1) == run_id(spec, 1) != run_id(spec, 2)

    body()


def test_specs_trace_through_training(unchecked):
    shapes = lambda tree: [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape")]

    @hypothesis.settings(max_examples=4)
    @given(testing.specs())
    def body(spec):
        state = eqx.filter_eval_shape(init, spec, 0)
        new, _ = eqx.filter_eval_shape(train_chunk, spec, state, 1)
        assert shapes(new) == shapes(state)

    body()


def test_small_cuts_counts_down_where_that_is_valid():
    spec = testing.small(dataclasses.replace(tiny_reppo(), num_environments=4096))
    assert spec.actor.width == 8 and spec.value.num_bins == 8
    assert spec.num_environments == 8 and validate(spec) is spec
