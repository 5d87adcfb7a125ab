"""The objective in expectation over all actions, against a slow reference."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo import environments, presets
from reppo.distributions import Categorical, CategoricalHead, TanhNormalHead
from reppo.environments import Observation
from reppo.errors import ConfigurationError
from reppo.losses import ClippedKL, ExpectedLoss, Minibatch, PathwiseLoss, ScoreFunctionLoss, Unconstrained
from reppo.spec import replace_path, validate
from reppo.targets import ExpectedAction, FreshAction, Taken, TakenActionClippedBonus

STATES, CHOICES = 5, 3
TEMPERATURE, MULTIPLIER = np.float32(0.2), np.float32(0.7)
LOGITS = arrays(np.float32, (STATES, CHOICES), elements=st.floats(-3, 3, width=32))


@eqx.filter_jit
def run(loss, logits, old, values, key):
    """Loss, metrics and the gradient in the logits; `values` are those of the actions at each state."""
    batch = Minibatch(
        observation=Observation(values),
        action=jax.vmap(lambda row: Categorical(row).mode())(old),
        old=jax.vmap(Categorical)(old),
    )
    critic = lambda observation, action: jnp.sum(observation * action)

    def value(logits):
        return loss(jax.vmap(Categorical)(logits), critic, batch, TEMPERATURE, MULTIPLIER, key)

    (made, metrics), gradient = jax.value_and_grad(value, has_aux=True)(logits)
    return made, metrics, gradient


def reference(logits, old, values, bound):
    """For each state in float64: what is minimized, its gradient, the entropy and the divergence."""
    rows = []
    for row, old_row, q in zip(logits.astype(float), old.astype(float), values.astype(float)):
        log_p, log_old = row - np.logaddexp.reduce(row), old_row - np.logaddexp.reduce(old_row)
        p, p_old = np.exp(log_p), np.exp(log_old)
        cost = float(TEMPERATURE) * log_p - q
        kl, entropy = p_old @ (log_old - log_p), -p @ log_p
        if kl < bound:
            rows.append((p @ cost, p * (cost - p @ cost), entropy, kl))
        else:
            rows.append((float(MULTIPLIER) * kl, float(MULTIPLIER) * (p - p_old), entropy, kl))
    return rows


@settings(max_examples=30)
@given(LOGITS, LOGITS, LOGITS, st.sampled_from([0.0, 0.0625, 1.0]), st.sampled_from([0.1, 0.5, np.inf]))
def test_loss_and_gradient_equal_the_slow_reference(logits, other, values, distance, bound):
    old = (logits + np.float32(distance) * other).astype(np.float32)
    objective = Unconstrained() if bound == np.inf else ClippedKL(bound)
    value, metrics, gradient = run(ExpectedLoss(objective=objective), logits, old, values, jax.random.key(0))
    rows = reference(logits, old, values, bound)
    if any(abs(row[3] - bound) < 1e-4 for row in rows):
        return  # on the border either side is right
    close = lambda actual, expected: np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    close(value, np.mean([row[0] for row in rows]))
    close(gradient, np.array([row[1] for row in rows]) / STATES)
    close(metrics["entropy"], [row[2] for row in rows])
    close(metrics["kl"], [row[3] for row in rows])
    np.testing.assert_array_equal(metrics["behind_gate"], [float(not row[3] < bound) for row in rows])


def test_nothing_is_sampled_and_the_score_function_agrees_in_the_mean():
    rng = np.random.default_rng(0)
    logits, values = (rng.normal(size=(STATES, CHOICES)).astype(np.float32) for _ in range(2))
    exact = [run(ExpectedLoss(), logits, logits, values, jax.random.key(seed))[2] for seed in (0, 1)]
    np.testing.assert_array_equal(*exact)
    many = run(ScoreFunctionLoss(num_samples=20_000), logits, logits, values, jax.random.key(0))[2]
    np.testing.assert_allclose(many, exact[0], atol=0.01)
    assert np.abs(exact[0]).max() > 0.05  # the tolerance can fail


@settings(max_examples=20)
@given(LOGITS, LOGITS, st.booleans())
def test_the_next_value_is_the_mean_over_all_actions(logits, values, continues):
    p = np.exp(logits[0].astype(float) - np.logaddexp.reduce(logits[0].astype(float)))
    made = expected(logits[0], values, jnp.asarray(continues))
    close = lambda actual, wanted: np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)
    close(made.value, p @ values[0].astype(float))
    close(made.log_prob, p @ np.log(p))
    close(made.embedding, values[:, :CHOICES].astype(float) @ p)


@jax.jit
def expected(logits, values, continues):
    evaluate = lambda action: (jnp.sum(values[0] * action), jnp.sum(values * action[None], axis=1))
    taken = Taken(jnp.zeros(CHOICES), jnp.asarray(0))
    return ExpectedAction()(Categorical(logits), evaluate, taken, continues, jax.random.key(0))


def test_what_does_not_go_with_the_actions_is_refused_with_the_cure():
    discrete = presets.reppo_small(environments.gymnax("CartPole-v1"))
    continuous = presets.reppo_small(environments.gymnax("Pendulum-v1"))
    for base, path, component, message in (
        (discrete, "actor_loss", PathwiseLoss(), "no gradient goes through those of CategoricalHead.* ExpectedLoss()"),
        (discrete, "next_value", TakenActionClippedBonus(), "limit on actions.*CategoricalHead. Choose TakenAction()"),
        (discrete, "head", TanhNormalHead(), "those of CartPole-v1 are a discrete set. Choose CategoricalHead()"),
        (continuous, "head", CategoricalHead(), "those of Pendulum-v1 are in a box. Choose TanhNormalHead()"),
        (continuous, "actor_loss", ExpectedLoss(), "cannot be done with those of TanhNormalHead. Choose PathwiseLoss"),
        (continuous, "next_value", ExpectedAction(), "cannot be done with those of TanhNormalHead. Choose FreshAction"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            validate(dataclasses.replace(base, algorithm=dataclasses.replace(base.algorithm, **{path: component})))
    validate(replace_path(discrete, "algorithm.next_value", FreshAction()))
