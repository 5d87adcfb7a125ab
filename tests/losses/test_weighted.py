"""The weighted likelihood of MPO against a slow reference."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import logsumexp

from reppo import testing
from reppo.distributions import Categorical
from reppo.environments import Observation
from reppo.errors import ConfigurationError
from reppo.keys import subkey
from reppo.losses import ClippedKL, Minibatch, Unconstrained, WeightedLikelihoodLoss, WithoutEntropy
from reppo.losses.weighted import log_weights
from tests.losses.problems import ACTION, BATCH, MULTIPLIER, SEED, TEMPERATURE, at, problem, run

SAMPLES = 6
BOUNDS = st.sampled_from([0.0625, 0.25, 0.5])


def weighted(values, log_prior, bound):
    """The weights in float64, with their temperature found by another search."""
    values, log_prior = np.asarray(values, float), np.asarray(log_prior, float)

    def made(log_eta):
        logits = log_prior + values / np.exp(log_eta)
        return logits - logsumexp(logits, axis=1, keepdims=True)

    def too_far(log_eta):
        log_w = made(log_eta)
        return np.mean(np.sum(np.exp(log_w) * (log_w - log_prior), axis=1)) - bound

    scale = np.log(np.mean(np.ptp(values, axis=1)))
    return np.exp(made(brentq(too_far, scale - 6, scale + 6, xtol=1e-12)))


@settings(max_examples=30)
@given(SEED, BOUNDS, st.floats(1e-3, 1e3))
def test_the_weights_diverge_by_the_bound_whatever_the_size_of_q(seed, bound, size):
    rng = np.random.default_rng(seed)
    values = np.float32(size * rng.normal(size=(BATCH, SAMPLES)) + rng.normal(size=(BATCH, 1)))
    log_prior = np.log(rng.dirichlet(np.full(SAMPLES, 5.0), BATCH)).astype(np.float32)
    made = np.exp(np.asarray(weigh(values, log_prior, np.float32(bound)), float))
    np.testing.assert_allclose(made.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(made, weighted(values, log_prior, bound), atol=2e-3)


weigh = jax.jit(log_weights)


def test_weights_that_cannot_diverge_so_far_are_those_of_the_best_actions_and_equal_ones_stay():
    prior = jnp.full((1, 4), -jnp.log(4.0))
    best = np.exp(weigh(jnp.array([[0.0, 3.0, 1.0, 3.0]]), prior, jnp.float32(5.0)))
    np.testing.assert_allclose(best, [[0, 0.5, 0, 0.5]], atol=1e-6)
    np.testing.assert_allclose(np.exp(weigh(jnp.full((1, 4), 7.0), prior, jnp.float32(0.1))), 0.25, rtol=1e-6)


@eqx.filter_jit
def old_samples(batch, key):
    keys = jax.random.split(subkey(key, "action"), BATCH)
    several = lambda old, key: jax.vmap(old.draw)(jax.random.split(subkey(key, "old"), SAMPLES))
    return jax.vmap(several)(batch.old, keys)


@settings(max_examples=20)
@given(SEED, BOUNDS)
def test_loss_and_gradient_equal_the_slow_reference(seed, bound):
    policy, critic, batch = problem(seed)
    key = jax.random.key(seed)
    loss = WeightedLikelihoodLoss(WithoutEntropy(Unconstrained()), weight_bound=bound, num_samples=SAMPLES)
    value, metrics, gradient = run(loss, policy, critic, batch, key)
    u = np.asarray(old_samples(batch, key), float)
    error = np.tanh(u) - np.asarray(critic.best, float)
    q = np.asarray(batch.observation.critic, float) - np.sum(error**2, -1)
    weights = weighted(q, np.full((BATCH, SAMPLES), -np.log(SAMPLES)), bound)
    observation, scale = np.asarray(batch.observation.actor, float), np.exp(np.asarray(policy.log_std, float))
    noise = (u - (observation @ np.asarray(policy.weight, float).T)[:, None]) / scale
    log_prob = np.sum(
        -0.5 * noise**2 - np.log(scale) - 0.5 * np.log(2 * np.pi) - 2 * (np.log(2) - np.logaddexp(u, -u)), -1
    )
    np.testing.assert_allclose(value, -np.mean(np.sum(weights * log_prob, 1)), rtol=2e-3, atol=2e-3)
    slope = np.einsum("ik,ikd,io->do", weights, noise / scale, observation) / BATCH
    np.testing.assert_allclose(gradient.weight, -slope, rtol=1e-2, atol=1e-2)
    widening = np.einsum("ik,ikd->d", weights, noise**2 - 1) / BATCH
    np.testing.assert_allclose(gradient.log_std, -widening, rtol=1e-2, atol=1e-2)
    assert {m.shape for m in metrics.values()} == {(BATCH,)}


def test_the_entropy_beside_it_has_the_weight_of_the_temperature():
    policy, critic, batch = problem(1)
    with_entropy, without = (
        run(WeightedLikelihoodLoss(one), policy, critic, batch, jax.random.key(0))
        for one in (Unconstrained(), WithoutEntropy(Unconstrained()))
    )
    np.testing.assert_array_equal(with_entropy[1]["entropy"], without[1]["entropy"])
    bonus = TEMPERATURE * with_entropy[1]["entropy"].mean()
    np.testing.assert_allclose(with_entropy[0] - without[0], -bonus, rtol=1e-4, atol=1e-5)
    assert np.all(with_entropy[2].log_std < without[2].log_std)  # descent widens the policy more


def test_beyond_the_bound_a_state_contributes_its_kl_alone():
    policy, critic, batch = problem(0, near=False)
    value, metrics, _ = run(WeightedLikelihoodLoss(), policy, critic, batch, jax.random.key(0))
    assert np.all(metrics["behind_gate"] == 1)
    np.testing.assert_allclose(value, MULTIPLIER * metrics["kl"].mean(), rtol=1e-5)
    assert WeightedLikelihoodLoss(ClippedKL(0.3)).kl_bound == np.float32(0.3)
    assert WeightedLikelihoodLoss(WithoutEntropy(ClippedKL(0.3))).kl_bound == np.float32(0.3)


@settings(max_examples=20)
@given(SEED, BOUNDS)
def test_where_actions_are_a_set_all_of_them_are_weighted(seed, bound):
    rng = np.random.default_rng(seed)
    logits, old, values = (np.float32(rng.normal(size=(BATCH, 4))) for _ in range(3))
    made = [
        choices(WeightedLikelihoodLoss(Unconstrained(), weight_bound=bound), logits, old, values, s) for s in (0, 1)
    ]
    np.testing.assert_array_equal(made[0][1], made[1][1])  # nothing is drawn
    log_p, log_old = (x - logsumexp(x.astype(float), axis=1, keepdims=True) for x in (logits, old))
    weights, p = weighted(values, log_old, bound), np.exp(log_p)
    cost = float(TEMPERATURE) * log_p
    np.testing.assert_allclose(made[0][0], np.mean(np.sum(p * cost - weights * log_p, axis=1)), rtol=2e-3, atol=2e-3)
    bonus = p * (cost - np.sum(p * cost, 1, keepdims=True))
    np.testing.assert_allclose(made[0][1], (bonus + p - weights) / BATCH, atol=2e-3)


@eqx.filter_jit
def choices(loss, logits, old, values, seed):
    batch = Minibatch(
        observation=Observation(values),
        action=jax.vmap(lambda row: Categorical(row).mode())(old),
        old=jax.vmap(Categorical)(old),
    )
    critic = lambda observation, action: jnp.sum(observation * action)
    arguments = (critic, batch, TEMPERATURE, MULTIPLIER, jax.random.key(seed))
    return jax.value_and_grad(lambda logits: loss(jax.vmap(Categorical)(logits), *arguments)[0])(logits)


@pytest.mark.slow
def test_without_a_constraint_it_keeps_the_laws_as_well():
    testing.check_actor_loss(WeightedLikelihoodLoss(Unconstrained(), num_samples=4))


def test_numbers_out_of_range_are_refused():
    for loss, message in (
        (WeightedLikelihoodLoss(weight_bound=0.0), r"bound on the weights is 0.* give a positive one"),
        (WeightedLikelihoodLoss(num_samples=1), r"number of weighted actions is 1; give at least 2"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            loss.validate()


def test_metrics_are_constants():
    policy, critic, batch = problem(0)

    def metrics(policy):
        arguments = (critic, batch, TEMPERATURE, MULTIPLIER, jax.random.key(0))
        return sum(jnp.sum(value) for value in WeightedLikelihoodLoss()(at(policy, batch), *arguments)[1].values())

    made = eqx.filter_jit(eqx.filter_grad(metrics))(policy)
    assert made.weight.shape[0] == ACTION and not np.any(made.weight) and not np.any(made.log_std)
