import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo import environments
from reppo.errors import ConfigurationError

BOUND = st.floats(-100, 100, width=32)


@given(BOUND, st.floats(0.125, 100, width=32), st.floats(-1, 1, width=32))
def test_a_box_maps_the_unit_box_onto_its_bounds(low, width, action):
    space = environments.Box((low, -2.0), (low + width, 2.0))
    unit = jnp.asarray([action, -action])
    scaled = space.from_unit(unit)
    tolerance = 1e-5 * (abs(low) + width)
    assert low - tolerance <= scaled[0] <= low + width + tolerance
    np.testing.assert_allclose(scaled[1], -2 * action, rtol=1e-6, atol=1e-30)  # XLA flushes denormals
    np.testing.assert_allclose(space.to_unit(scaled), unit, atol=1e-5 * (1 + abs(low) / width))


def test_a_box_clips_and_keeps_unit_actions_exactly():
    space = environments.ActionSpace.unit(3)
    assert space.size == 3
    np.testing.assert_array_equal(space.from_unit(jnp.asarray([-5.0, 0.1, 5.0])), np.float32([-1, 0.1, 1]))


@pytest.mark.parametrize(
    "low, high",
    [
        ((), ()),
        ((0.0,), (1.0, 1.0)),
        ((1.0,), (1.0,)),
        ((-math.inf,), (1.0,)),
        ((0.0,), (math.inf,)),
        ((0.0, 1.0), (1.0, 0.0)),
        ((math.nan,), (1.0,)),
    ],
)
def test_bounds_that_make_no_box_are_refused(low, high):
    with pytest.raises(ConfigurationError, match="Action bounds must"):
        environments.Box(low, high)


@given(st.integers(2, 9).flatmap(lambda number: st.tuples(st.just(number), st.integers(0, number - 1))))
def test_a_discrete_action_is_a_one_hot_vector_and_back(case):
    number, action = case
    space = environments.Discrete(number)
    unit = space.to_unit(action)
    assert unit.shape == (space.size,) and unit.dtype == jnp.float32 and unit.sum() == 1 and unit[action] == 1
    back = space.from_unit(unit)
    assert back == action and back.dtype == jnp.int32 and back.shape == ()


def test_what_is_nearly_one_hot_stands_for_its_greatest_entry():
    space = environments.Discrete(3)
    assert space.from_unit(jnp.asarray([0.2, 0.5, 0.3])) == 1
    assert space.from_unit(jnp.asarray([0.0, 0.5, 0.5])) == 1
    assert jax.vmap(space.from_unit)(jnp.eye(3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("number", [1, 0, -2, 2.0, True])
def test_fewer_than_two_actions_are_refused(number):
    with pytest.raises(ConfigurationError, match="The number of actions is .*; give an integer of at least 2"):
        environments.Discrete(number)


@pytest.mark.parametrize("task", [environments.gymnax("Pendulum-v1"), environments.probe("PrivilegedValue")])
def test_the_interface_is_the_shapes_and_the_space(task):
    environment = task.make()
    interface = environment.interface()
    shapes = environment.reset(jax.random.key(0))[1]
    assert interface.action == environment.action_space and isinstance(interface, environments.Interface)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), interface.observation) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), shapes
    )
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(interface))
    assert (interface.observation.critic is None) == (shapes.critic is None)
    hash(jax.tree.structure(interface))
