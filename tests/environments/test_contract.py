import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.environments.contract import cast_like, freeze_settings, settings_label, strengthen, tree_is_within
from reppo.errors import ConfigurationError


def test_observation_of_the_critic_is_the_actors_unless_it_has_its_own():
    actor, critic = jnp.zeros(2), {"image": jnp.zeros((3, 3))}
    assert environments.Observation(actor).for_critic is actor
    assert environments.Observation(actor, critic).for_critic is critic
    assert len(jax.tree.leaves(environments.Observation(actor))) == 1


def test_settings_are_flat_sorted_and_plain():
    settings = freeze_settings({"b": [1, np.float32(0.5)], "a": {"y": True, "x": None}})
    assert settings == (("a.x", None), ("a.y", True), ("b", (1, 0.5)))
    assert type(settings[2][1][1]) is float
    assert settings_label(()) == ""
    assert settings_label((("dt", 0.02), ("path", "a/b c"))) == "@dt=0.02,path=a_bc"
    with pytest.raises(ConfigurationError, match="'a' is .* of type object"):
        freeze_settings({"a": object()})


def test_trees_get_fixed_dtypes_and_keep_their_keys():
    key = jax.random.key(0)
    tree = strengthen({"int": 1, "float": 2.0, "weak": jnp.asarray(1.0), "key": key})
    assert tree["int"].dtype == jnp.int32 and tree["float"].dtype == jnp.float32
    assert not any(leaf.aval.weak_type for leaf in (tree["int"], tree["float"], tree["weak"]))
    assert cast_like({"a": jnp.asarray(True)}, {"a": jnp.zeros(())})["a"].dtype == jnp.float32
    assert (jax.random.key_data(tree["key"]) == jax.random.key_data(key)).all()


def test_the_bound_is_held_by_floating_point_leaves_only():
    assert tree_is_within((jnp.ones(2), jnp.arange(3), jax.random.key(0)), 1.0)
    assert tree_is_within(jnp.arange(20), 1.0)
    for bad in (jnp.inf, -jnp.inf, jnp.nan, -2.0):
        assert not tree_is_within((jnp.ones(2), jnp.asarray([1.0, bad])), 1.5)
