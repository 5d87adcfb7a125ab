"""Surrogates and value losses against slow references, and against numbers of another library."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reppo.distributions import Normal
from reppo.environments import Observation
from reppo.losses import (
    ClippedKL,
    ClippedRatio,
    ClippedValueLoss,
    HLGauss,
    Minibatch,
    PlainRatio,
    PlainValueLoss,
    ScalarValue,
    SurrogateLoss,
)

NUMBERS = st.floats(-10, 10, width=32)
CLIPS = st.floats(np.float32(0.05), np.float32(0.9), width=32)
ROWS, ACTIONS = 6, 2

gain = jax.jit(lambda surrogate, log_ratio, advantage: surrogate(log_ratio, advantage))
value_loss = jax.jit(lambda loss, logits, old, target: loss(ScalarValue(), logits, old, target))


@given(st.floats(-3, 3, width=32), NUMBERS, CLIPS)
def test_the_clipped_gain_by_cases(log_ratio, advantage, clip):
    """As the paper draws it (figure 1): cut off above 1 + clip for good actions, below 1 - clip for bad ones."""
    ratio = np.exp(float(log_ratio))
    counted = min(ratio, 1 + clip) if advantage >= 0 else max(ratio, 1 - clip)
    made = gain(ClippedRatio(clip), jnp.float32(log_ratio), jnp.float32(advantage))
    np.testing.assert_allclose(made, counted * advantage, rtol=1e-5, atol=1e-6)
    plain = gain(PlainRatio(), jnp.float32(log_ratio), jnp.float32(advantage))
    np.testing.assert_allclose(plain, ratio * advantage, rtol=1e-5, atol=1e-6)


@given(NUMBERS, NUMBERS, NUMBERS, CLIPS)
def test_the_clipped_value_loss_by_its_definition(output, old, target, clip):
    held = min(max(float(output), old - clip), old + clip)
    made = value_loss(ClippedValueLoss(clip), jnp.float32([output]), jnp.float32(old), jnp.float32(target))
    np.testing.assert_allclose(made, max((output - target) ** 2, (held - target) ** 2), rtol=1e-4, atol=1e-4)


def test_the_plain_value_loss_is_that_of_the_representation():
    value, logits = HLGauss(num_bins=5), jnp.arange(5.0)
    made = PlainValueLoss()(value, logits, jnp.float32(3), jnp.float32(7))
    np.testing.assert_array_equal(made, value.loss(logits, jnp.float32(7)))


@jax.jit
def surrogate_loss(loss, new, batch, temperature, kl_multiplier):
    return loss(new, None, batch, temperature, kl_multiplier, jax.random.key(0))


def problem(seed):
    """Distributions before and after an update, as numbers and as a batch."""
    random = np.random.default_rng(seed)
    old, new = ((random.normal(size=(ROWS, ACTIONS)), random.uniform(0.5, 2, (ROWS, ACTIONS))) for _ in range(2))
    drawn, advantage = old[0] + old[1] * random.normal(size=(ROWS, ACTIONS)), random.normal(size=ROWS)
    policies = [jax.vmap(Normal)(*(jnp.asarray(x, jnp.float32) for x in one)) for one in (old, new)]
    batch = Minibatch(
        observation=Observation(jnp.zeros((ROWS, 1))),
        action=jnp.clip(jnp.asarray(drawn, jnp.float32), -1, 1),
        drawn=jnp.asarray(drawn, jnp.float32),
        old=policies[0],
        advantage=jnp.asarray(advantage, jnp.float32),
    )
    return old, new, drawn, advantage, policies[1], batch


def log_density(policy, drawn):
    loc, scale = policy
    return np.sum(-0.5 * ((drawn - loc) / scale) ** 2 - np.log(scale * np.sqrt(2 * np.pi)), axis=1)


def divergence(old, new):
    ratio = (old[1] ** 2 + (old[0] - new[0]) ** 2) / (2 * new[1] ** 2)
    return np.sum(np.log(new[1] / old[1]) + ratio - 0.5, axis=1)


@given(st.integers(0, 2**31 - 1))
def test_the_loss_of_ppo_row_by_row(seed):
    old, new, drawn, advantage, policy, batch = problem(seed)
    ratio = np.exp(log_density(new, drawn) - log_density(old, drawn))
    gains = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
    entropy = np.sum(0.5 * np.log(2 * np.pi * np.e * new[1] ** 2), axis=1)
    loss, seen = surrogate_loss(SurrogateLoss(), policy, batch, np.float32(0.3), np.float32(0))
    np.testing.assert_allclose(loss, np.mean(-gains - 0.3 * entropy), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(seen["kl"], divergence(old, new), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(seen["entropy"], entropy, rtol=1e-4)
    cut = np.where(advantage > 0, ratio > 1.2, ratio < 0.8)
    clear = np.abs(np.abs(ratio - 1) - 0.2) > 1e-3
    np.testing.assert_array_equal(np.asarray(seen["clipped"])[clear], cut[clear])
    assert not np.any(seen["behind_gate"])


@given(st.integers(0, 2**31 - 1))
def test_a_constraint_in_the_place_of_the_clip(seed):
    old, new, drawn, advantage, policy, batch = problem(seed)
    ratio, kl = np.exp(log_density(new, drawn) - log_density(old, drawn)), divergence(old, new)
    constrained = SurrogateLoss(PlainRatio(), ClippedKL(1.5))
    loss, seen = surrogate_loss(constrained, policy, batch, np.float32(0), np.float32(0.7))
    if np.abs(kl - 1.5).min() > 1e-3:
        expected = np.where(kl < 1.5, -ratio * advantage, 0.7 * kl)
        np.testing.assert_allclose(loss, expected.mean(), rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(seen["behind_gate"], kl >= 1.5)
    assert not np.any(seen["clipped"])


def test_golden_loss_and_gradient():
    """Numbers of `rlax.clipped_surrogate_pg_loss` (rlax 0.1.9, jax 0.10.2), its gradient in the log-ratios."""
    ratios = jnp.array([0.881, 1.179, 1.517, 0.95, 1.727, 0.766, 1.151, 1.435])
    advantages = jnp.array([0.094, -0.743, -0.922, -0.458, 0.22, -1.01, -0.209, -0.159])

    def loss(log_ratios):
        return -jnp.mean(jax.vmap(ClippedRatio(0.2))(log_ratios, advantages))

    value, gradient = jax.value_and_grad(loss)(jnp.log(ratios))
    np.testing.assert_allclose(value, 0.45496014, rtol=1e-5)
    golden = [-0.010352, 0.1095, 0.174834, 0.054387, 0.0, 0.0, 0.03007, 0.028521]
    np.testing.assert_allclose(gradient, golden, atol=2e-6)
