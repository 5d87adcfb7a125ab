"""Surrogates and value losses against slow references, and against numbers of another library."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo import testing
from reppo.distributions import Categorical, Normal, TanhNormal
from reppo.environments import Observation
from reppo.errors import ConfigurationError
from reppo.keys import subkey
from reppo.losses import (
    ClippedKL,
    ClippedRatio,
    ClippedValueLoss,
    HLGauss,
    LambdaAdvantageLoss,
    Minibatch,
    PathwiseLoss,
    PlainRatio,
    PlainValueLoss,
    ScalarValue,
    SurrogateLoss,
    Unconstrained,
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


def q_value(observation, action):
    return observation[0] - jnp.sum((action - 0.25) ** 2)


@jax.jit
def lambda_loss(loss, new, batch, temperature, kl_multiplier, key):
    return loss(new, q_value, batch, temperature, kl_multiplier, key)


@jax.jit
def baseline_actions(old, key):
    keys = jax.random.split(subkey(key, "baseline"), ROWS)
    return jax.vmap(lambda old, key: jax.vmap(old.sample)(jax.random.split(key, 3)))(old, keys)


@settings(max_examples=30)
@given(st.integers(0, 2**31 - 1), st.sampled_from([1.5, np.inf]))
def test_advantages_by_the_critic_row_by_row(seed, bound):
    old, new, drawn, _, policy, batch = problem(seed)
    random, key = np.random.default_rng(seed), jax.random.key(seed)
    target, counts, seen = random.normal(size=ROWS), random.random(ROWS) < 0.8, random.normal(size=(ROWS, 1))
    batch = dataclasses.replace(
        batch,
        observation=Observation(jnp.asarray(seen, jnp.float32)),
        target=jnp.asarray(target, jnp.float32),
        counts=jnp.asarray(counts),
    )
    objective = Unconstrained() if bound == np.inf else ClippedKL(bound)
    loss = LambdaAdvantageLoss(objective=objective, num_samples=3)
    made, metrics = lambda_loss(loss, policy, batch, np.float32(0.3), np.float32(0.7), key)
    actions = np.asarray(baseline_actions(batch.old, key), float)
    advantage = target - np.mean(seen - np.sum((actions - 0.25) ** 2, axis=2), axis=1)
    gain = np.where(counts, np.exp(log_density(new, drawn) - log_density(old, drawn)) * advantage, 0)
    entropy = np.sum(0.5 * np.log(2 * np.pi * np.e * new[1] ** 2), axis=1)
    kl = divergence(old, new)
    if np.abs(kl - bound).min() > 1e-3:
        expected = np.mean(np.where(kl < bound, -gain - 0.3 * entropy, 0.7 * kl))
        np.testing.assert_allclose(made, expected, rtol=1e-3, atol=1e-3 * (1 + np.abs(gain).max()))
        np.testing.assert_array_equal(metrics["behind_gate"], kl >= bound)


def test_at_the_old_policy_with_a_critic_that_is_right_its_gradient_is_the_pathwise_one():
    rows, start = 100_000, (jnp.array([0.3, -0.2]), jnp.array([-0.5, -0.9]))
    made = lambda loc, log_scale: jax.vmap(TanhNormal)(
        *(jnp.broadcast_to(x, (rows, 2)) for x in (loc, jnp.exp(log_scale)))
    )
    old = made(*start)
    drawn = jax.vmap(lambda one, key: one.draw(key))(old, jax.random.split(jax.random.key(0), rows))
    action, seen = jnp.tanh(drawn), jnp.zeros((rows, 1))
    target = jax.vmap(q_value)(seen, action)
    batch = Minibatch(observation=Observation(seen), action=action, drawn=drawn, old=old, target=target)
    arguments = (q_value, batch, jnp.float32(0.2), jnp.float32(1), jax.random.key(1))
    gradient = jax.jit(lambda loss: jax.grad(lambda new: loss(made(*new), *arguments)[0])(start))
    advantage, pathwise = gradient(LambdaAdvantageLoss()), gradient(PathwiseLoss())
    np.testing.assert_allclose(advantage, pathwise, atol=0.02)
    assert np.abs(pathwise).max() > 0.2  # the tolerance can fail


def test_where_actions_are_a_set_the_baseline_is_exact():
    logits, values = jnp.array([[0.5, -0.2, 0.1], [1.0, 0.0, -1.0]]), jnp.array([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]])
    batch = Minibatch(
        observation=Observation(values),
        action=jnp.eye(3)[jnp.array([0, 2])],
        old=jax.vmap(Categorical)(logits),
        target=jnp.array([1.5, -0.5]),
    )
    critic = lambda observation, action: jnp.sum(observation * action)

    def loss(logits, key):
        arguments = (critic, batch, jnp.float32(0), jnp.float32(1), key)
        return LambdaAdvantageLoss()(jax.vmap(Categorical)(logits), *arguments)[0]

    one, other = (jax.grad(loss)(logits, jax.random.key(seed)) for seed in (0, 1))
    np.testing.assert_array_equal(one, other)
    p = np.exp(jax.nn.log_softmax(logits))
    advantage = np.asarray(batch.target) - np.sum(p * values, axis=1)
    np.testing.assert_allclose(one, -advantage[:, None] * (batch.action - p) / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_without_a_constraint_advantages_by_the_critic_keep_the_laws_as_well():
    testing.check_actor_loss(LambdaAdvantageLoss(objective=Unconstrained(), num_samples=2))


def test_a_baseline_of_no_actions_is_refused():
    with pytest.raises(ConfigurationError, match="number of actions of the baseline is 0; give at least 1"):
        LambdaAdvantageLoss(num_samples=0).validate()
