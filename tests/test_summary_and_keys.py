import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.keys import subkey
from reppo.summary import Summary, flatten

VALUES = arrays(np.float32, (2, 3), elements=st.floats(-100, 100, width=32))
MASK = arrays(bool, (2, 3))
NAMES = st.text(min_size=1, max_size=12)
SEED = st.integers(0, 2**31 - 1)

of = jax.jit(Summary.of)


def check(summary, values):
    """Equals what numpy says of the values."""
    assert summary.count == values.size
    np.testing.assert_allclose(summary.total, values.astype(float).sum(), rtol=1e-5, atol=1e-4)
    if values.size:
        np.testing.assert_allclose(summary.mean, values.astype(float).mean(), rtol=1e-5, atol=1e-4)
        assert (summary.minimum, summary.maximum) == (values.min(), values.max())
    else:
        assert np.isnan(summary.mean)
        assert (summary.minimum, summary.maximum) == (np.inf, -np.inf)


@given(VALUES, MASK)
def test_summaries_equal_numpy(values, mask):
    check(of(values), values.ravel())
    check(of(values, mask), values[mask])


@given(VALUES, MASK, VALUES, MASK, VALUES)
def test_merging_is_associative_and_equals_the_summary_of_everything(a, a_mask, b, b_mask, c):
    x, y, z = of(a, a_mask), of(b, b_mask), of(c)
    for merged in (x.merge(y).merge(z), x.merge(y.merge(z)), z.merge(y).merge(x)):
        check(merged, np.concatenate([a[a_mask], b[b_mask], c.ravel()]))
    neutral = x.merge(Summary.none())
    jax.tree.map(np.testing.assert_array_equal, neutral, x)


@given(arrays(np.float32, (4, 2, 3), elements=st.floats(-100, 100, width=32)), arrays(bool, (4, 2, 3)))
def test_flattening_a_stack_equals_the_summary_of_everything(values, masks):
    check(flatten(stack(values, masks)), values[masks])


stack = jax.jit(jax.vmap(Summary.of))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_shows_in_the_mean_and_a_mask_hides_it(bad):
    values = jnp.array([1.0, bad, 3.0])
    assert not np.isfinite(Summary.of(values).mean)
    assert not np.isfinite(Summary.of(jnp.ones(3)).merge(Summary.of(values)).mean)
    assert Summary.of(values, jnp.array([True, False, True])).mean == 2


def data(key):
    return tuple(np.asarray(jax.random.key_data(key)))


@given(SEED, NAMES, NAMES)
def test_keys_are_told_apart_by_purpose_alone(seed, name, other):
    key = jax.random.key(seed)
    assert data(subkey(key, name)) == data(subkey(key, name))
    assert (data(subkey(key, name)) == data(subkey(key, other))) == (name == other)
    assert data(subkey(key, name)) != data(key)


@given(SEED, SEED, NAMES)
def test_keys_differ_with_their_parent(seed, other, name):
    same = data(subkey(jax.random.key(seed), name)) == data(subkey(jax.random.key(other), name))
    assert same == (seed == other)


def test_purposes_apply_in_turn_and_may_be_traced_numbers():
    key = jax.random.key(0)
    assert data(subkey(key, "rollout", 3)) == data(subkey(subkey(key, "rollout"), 3))
    assert data(subkey(key, "rollout", 3)) != data(subkey(key, 3, "rollout"))
    assert data(jax.jit(lambda step: subkey(key, "rollout", step))(3)) == data(subkey(key, "rollout", 3))
    assert data(subkey(key)) == data(key)


def test_the_key_of_a_purpose_never_changes():
    # Recorded: another value here is another stream of random numbers for every run ever made.
    assert data(subkey(jax.random.key(0), "rollout", 1)) == RECORDED


RECORDED = (4043309685, 923649334)
