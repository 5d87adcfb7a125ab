import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.targets import (
    BonusAlways,
    BonusUntilTermination,
    MaskedFlag,
    NoBonus,
    OwnFlag,
    ShiftedFlag,
    soft_lambda_returns,
)

LENGTH = 7
NUMBER = st.floats(-10, 10, width=32)
FLAGS = arrays(bool, LENGTH)
VALUES = arrays(np.float32, LENGTH, elements=NUMBER)


@given(st.floats(0, 2, width=32), NUMBER, st.booleans())
def test_bonuses(temperature, log_prob, terminated):
    bonus = -np.float32(temperature) * np.float32(log_prob)
    for component, expected in (
        (BonusUntilTermination(), 0 if terminated else bonus),
        (BonusAlways(), bonus),
        (NoBonus(), 0),
    ):
        actual = component(np.float32(temperature), jnp.float32(log_prob), jnp.asarray(terminated))
        assert actual.shape == () and actual == expected


def exclusive(terminated, truncated):
    return terminated, truncated & ~terminated


@given(FLAGS, FLAGS)
def test_the_own_flag_changes_nothing(terminated, truncated):
    terminated, truncated = exclusive(terminated, truncated)
    cuts = OwnFlag()(jnp.asarray(terminated), jnp.asarray(truncated))
    np.testing.assert_array_equal(cuts.terminated, terminated)
    np.testing.assert_array_equal(cuts.truncated, truncated)
    assert cuts.counts.all()
    masked = MaskedFlag()(jnp.asarray(terminated), jnp.asarray(truncated))
    np.testing.assert_array_equal(masked.terminated, terminated)
    np.testing.assert_array_equal(masked.truncated, truncated)
    np.testing.assert_array_equal(masked.counts, ~truncated)


def shifted_reference(reward, value, terminated, truncated, gamma, lam):
    """What the reference implementation computes, row by row: `done` is either end, the cut is the next row's flag."""
    done = terminated | truncated
    result, following, next_truncated = np.zeros(LENGTH), float(value[-1]), True
    for t in reversed(range(LENGTH)):
        mixed = lam * following + (1 - lam) * float(value[t])
        result[t] = float(reward[t]) + gamma * (float(value[t]) if next_truncated else (1 - done[t]) * mixed)
        following, next_truncated = result[t], truncated[t]
    return result


shifted = jax.jit(lambda terminated, truncated: ShiftedFlag()(terminated, truncated))
returns = jax.jit(soft_lambda_returns)


@given(VALUES, VALUES, FLAGS, FLAGS, st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_the_shifted_flag_gives_the_returns_of_the_reference(reward, value, terminated, truncated, gamma, lam):
    terminated, truncated = exclusive(terminated, truncated)
    cuts = shifted(terminated, truncated)
    actual = returns(reward, value, cuts.terminated, cuts.truncated, gamma, lam)
    expected = shifted_reference(reward, value, terminated, truncated, gamma, lam)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(cuts.counts, ~truncated)


@given(VALUES, VALUES, FLAGS, st.integers(0, LENGTH - 1), st.floats(1, 100, width=32))
def test_with_the_shifted_flag_no_row_that_counts_knows_the_next_episode(reward, value, truncated, cut, change):
    truncated = truncated.copy()
    truncated[cut] = True
    none = np.zeros(LENGTH, bool)
    cuts = shifted(none, truncated)
    # What the truncated row and all after it hold belongs to another episode, or to a state that is lost.
    other_reward, other_value = reward.copy(), value.copy()
    other_reward[cut + 1 :] += change
    other_value[cut:] -= change
    before, after = (
        np.asarray(returns(r, v, cuts.terminated, cuts.truncated, 0.9, 0.8))[: cut + 1]
        for r, v in ((reward, value), (other_reward, other_value))
    )
    counts = np.asarray(cuts.counts)[: cut + 1]
    np.testing.assert_array_equal(before[counts], after[counts])


@pytest.mark.parametrize(("truncation", "expected"), [(OwnFlag(), 1.0), (ShiftedFlag(), 1.0 + 0.5 * 8.0)])
def test_only_the_shifted_flag_bootstraps_after_a_termination_in_the_last_row(truncation, expected):
    last = jnp.arange(LENGTH) == LENGTH - 1
    cuts = truncation(last, jnp.zeros(LENGTH, bool))
    actual = returns(jnp.ones(LENGTH), jnp.full(LENGTH, 8.0), cuts.terminated, cuts.truncated, 0.5, 0.9)
    assert actual[-1] == expected
