import pathlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.errors import ConfigurationError
from reppo.targets import SoftLambda, soft_lambda_returns

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "data" / "golden.npz")
LENGTH = 7

returns = jax.jit(soft_lambda_returns)
weighed = eqx.filter_jit(lambda targets, *rows: targets(*rows))

VALUES = arrays(np.float32, LENGTH, elements=st.floats(-100, 100, width=32))
FLAGS = arrays(bool, LENGTH)
UNIT = st.floats(0, 1, width=32)


def reference(reward, value, terminated, truncated, gamma, lam):
    """The definition, row by row, in float64."""
    result = np.zeros(len(reward))
    following = 0.0
    for t in reversed(range(len(reward))):
        if terminated[t]:
            continuation = 0.0
        elif truncated[t] or t == len(reward) - 1:
            continuation = float(value[t])
        else:
            trace = np.broadcast_to(lam, len(reward))[t]
            continuation = trace * following + (1 - trace) * float(value[t])
        following = result[t] = float(reward[t]) + gamma * continuation
    return result


def same(actual, expected, *inputs):
    """Equal up to float32 rounding of sums of terms of the inputs' size."""
    size = max(1.0, *(np.abs(x).max() for x in inputs))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * size)


@given(VALUES, VALUES, FLAGS, FLAGS, UNIT, UNIT)
def test_equals_the_slow_reference(reward, value, terminated, truncated, gamma, lam):
    actual = returns(reward, value, terminated, truncated, gamma, lam)
    same(actual, reference(reward, value, terminated, truncated, gamma, lam), reward, value)


@given(VALUES, VALUES, FLAGS, FLAGS, UNIT, UNIT, arrays(np.float32, LENGTH, elements=UNIT))
def test_a_weight_of_each_step_is_a_lambda_of_its_own(reward, value, terminated, truncated, gamma, lam, weight):
    rows = map(jnp.asarray, (reward, value, terminated, truncated))
    actual = weighed(SoftLambda(lam=jnp.float32(lam)), *rows, jnp.float32(gamma), jnp.asarray(weight))
    same(actual, reference(reward, value, terminated, truncated, gamma, lam * weight), reward, value)


@given(VALUES, VALUES, FLAGS, FLAGS, UNIT)
def test_lambda_0_gives_one_step_targets(reward, value, terminated, truncated, gamma):
    actual = returns(reward, value, terminated, truncated, gamma, 0.0)
    same(actual, reward + gamma * np.where(terminated, 0, value).astype(float), reward, value)


@given(VALUES, VALUES, UNIT)
def test_lambda_1_gives_monte_carlo_returns_bootstrapped_at_the_end(reward, value, gamma):
    none = np.zeros(LENGTH, bool)
    actual = returns(reward, value, none, none, gamma, 1.0)
    for t in range(LENGTH):
        discounts = float(gamma) ** np.arange(LENGTH - t)
        monte_carlo = discounts @ reward[t:].astype(float) + float(gamma) ** (LENGTH - t) * float(value[-1])
        same(actual[t], monte_carlo, reward, value)


@given(VALUES, VALUES, FLAGS, FLAGS, VALUES, VALUES, st.integers(0, LENGTH - 2), st.booleans(), UNIT, UNIT)
def test_nothing_after_a_cut_changes_a_target_at_or_before_it(
    reward, value, terminated, truncated, other_reward, other_value, cut, terminates, gamma, lam
):
    (terminated if terminates else truncated)[cut] = True
    after = np.arange(LENGTH) > cut
    before = returns(reward, value, terminated, truncated, gamma, lam)
    changed = returns(
        np.where(after, other_reward, reward),
        np.where(after, other_value, value),
        np.where(after, ~terminated, terminated),
        np.where(after, ~truncated, truncated),
        gamma,
        lam,
    )
    np.testing.assert_array_equal(before[: cut + 1], changed[: cut + 1])


@given(VALUES, VALUES, FLAGS, UNIT, UNIT)
def test_the_value_of_a_state_after_termination_is_never_used(reward, value, truncated, gamma, lam):
    terminated = np.zeros(LENGTH, bool)
    terminated[[2, LENGTH - 1]] = True
    poisoned = value.copy()
    poisoned[[2, LENGTH - 1]] = np.nan
    np.testing.assert_array_equal(
        returns(reward, value, terminated, truncated, gamma, lam),
        returns(reward, poisoned, terminated, truncated, gamma, lam),
    )


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [(False, False, 1 + 0.5 * 8), (False, True, 1 + 0.5 * 8), (True, False, 1), (True, True, 1)],
    ids=["open", "truncated", "terminated", "both"],
)
def test_the_last_row_bootstraps_unless_it_terminated(terminated, truncated, expected):
    flags = [np.array([False] * (LENGTH - 1) + [flag]) for flag in (terminated, truncated)]
    actual = returns(np.ones(LENGTH, np.float32), np.full(LENGTH, 8, np.float32), *flags, 0.5, 0.9)
    assert actual[-1] == expected


def test_a_truncated_row_bootstraps_from_its_own_next_value_alone():
    truncated = np.arange(LENGTH) == 3
    value = np.arange(LENGTH, dtype=np.float32)
    actual = returns(np.ones(LENGTH, np.float32), value, np.zeros(LENGTH, bool), truncated, 0.5, 1.0)
    assert actual[3] == 1 + 0.5 * 3
    assert actual[2] == 1 + 0.5 * actual[3]


def test_soft_lambda_is_the_function_with_its_lambda():
    rng = np.random.default_rng(0)
    reward, value = rng.normal(size=(2, LENGTH)).astype(np.float32)
    none = jnp.zeros(LENGTH, bool)
    actual = SoftLambda(lam=0.3)(jnp.asarray(reward), jnp.asarray(value), none, none, np.float32(0.9))
    same(actual, reference(reward, value, none, none, 0.9, 0.3), reward, value)


@pytest.mark.parametrize("case", range(4))
def test_golden(case):
    fields = {name: GOLDEN[f"lambda_returns/{case}/{name}"] for name in ("soft_rewards", "next_values")}
    flags = {name: GOLDEN[f"lambda_returns/{case}/{name}"] for name in ("terminated", "truncated")}
    gamma, lam = GOLDEN[f"lambda_returns/{case}/gamma_lambda"]
    actual = jax.vmap(lambda *rows: soft_lambda_returns(*rows, gamma, lam), in_axes=1, out_axes=1)(
        *map(jnp.asarray, (*fields.values(), *flags.values()))
    )
    np.testing.assert_allclose(actual, GOLDEN[f"lambda_returns/{case}/returns"], rtol=1e-5, atol=1e-5)


@given(
    VALUES, arrays(np.float32, LENGTH + 1, elements=st.floats(-100, 100, width=32)), VALUES, FLAGS, FLAGS, UNIT, UNIT
)
def test_minus_the_value_they_are_generalized_advantage_estimates(
    reward, values, final, terminated, truncated, gamma, lam
):
    """The double sum of arXiv 1506.02438, equation 16, over each episode by itself."""
    value, ended = values[:-1], terminated | truncated
    following = np.where(ended, final, values[1:])  # where an episode ends, its next state is in no other row
    delta = reward.astype(float) + gamma * np.where(terminated, 0, following) - value
    expected = np.zeros(LENGTH)
    for t in range(LENGTH):
        for step in range(t, LENGTH):
            expected[t] += float(gamma * lam) ** (step - t) * delta[step]
            if ended[step]:
                break
    actual = returns(reward, following, terminated, truncated, gamma, lam) - value
    same(actual, expected, 10 * reward, 10 * values, 10 * final)


def test_golden_advantages():
    """Numbers of `rlax.truncated_generalized_advantage_estimation` (rlax 0.1.9, jax 0.10.2); the fourth step ends."""
    reward = np.float32([0.126, -0.132, 0.64, 0.105, -0.536, 0.362, 1.304, 0.947])
    values = np.float32([-0.704, -1.265, -0.623, 0.041, -2.325, -0.219, -1.246, -0.732, -0.544])
    terminated = np.arange(8) == 3
    made = returns(reward, values[1:], terminated, np.zeros(8, bool), 0.9, 0.8) - values[:-1]
    golden = [0.801312, 1.541406, 1.34598, 0.064, 2.627151, 1.437849, 2.747568, 1.1894]
    np.testing.assert_allclose(made, golden, atol=2e-6)


def test_arrays_of_other_lengths_are_refused(unchecked):
    row, flags = jnp.zeros(3), jnp.zeros(3, bool)
    for rows in [(row, jnp.zeros(4), flags), (row[None], row[None], flags[None])]:
        with pytest.raises(ConfigurationError, match=r"of one length, and these have the shapes .*jax.vmap"):
            soft_lambda_returns(*rows, rows[2], 0.9, 0.9)
