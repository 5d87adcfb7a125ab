"""Actor losses that do not differentiate the critic: the score function and the clipped surrogate."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo.distributions import Categorical, TanhNormal
from reppo.environments import Observation
from reppo.keys import subkey
from reppo.losses import (
    ClippedKL,
    ClippedSurrogateLoss,
    Minibatch,
    PathwiseLoss,
    PerBatch,
    ScoreFunctionLoss,
    Unconstrained,
    WithoutEntropy,
)
from tests.losses.problems import ACTION, BATCH, MULTIPLIER, SEED, TEMPERATURE, at, problem, run


def samples(policy, batch, key, number):
    """The actions that are drawn at every state, and the noise that made them, in float64."""
    keys = jax.random.split(subkey(key, "action"), BATCH)
    actions = _samples(policy, batch.observation.actor, keys, number)
    loc, scale = moments(policy, batch)
    return actions, (np.arctanh(np.asarray(actions, float)) - loc[:, None]) / scale


@eqx.filter_jit
def _samples(policy, observations, keys, number):
    several = lambda o, k: jax.vmap(policy(o).sample)(jax.random.split(k, number))
    return jax.vmap(several)(observations, keys)


def moments(policy, batch):
    loc = np.asarray(batch.observation.actor, float) @ np.asarray(policy.weight, float).T
    return loc, np.exp(np.asarray(policy.log_std, float))


def log_density(noise, scale, actions):
    squash = np.log(1 - np.asarray(actions, float) ** 2)
    return np.sum(-0.5 * noise**2 - np.log(scale) - 0.5 * np.log(2 * np.pi) - squash, -1)


def value_of(critic, batch, actions):
    error = np.asarray(actions, float) - np.asarray(critic.best, float)
    return np.asarray(batch.observation.critic, float) - np.sum(error**2, -1)


@settings(max_examples=20)
@given(SEED, st.sampled_from([2, 5]))
def test_the_score_function_gradient_equals_the_slow_reference(seed, number):
    policy, critic, batch = problem(seed)
    key = jax.random.key(seed)
    value, metrics, gradient = run(
        ScoreFunctionLoss(objective=Unconstrained(), num_samples=number), policy, critic, batch, key
    )
    actions, noise = samples(policy, batch, key, number)
    _, scale = moments(policy, batch)
    log_prob = log_density(noise, scale, actions)
    cost = float(TEMPERATURE) * log_prob - value_of(critic, batch, actions)
    weight, log_std = np.zeros((ACTION, 3)), np.zeros(ACTION)
    for i in range(BATCH):
        for k in range(number):
            others = [cost[i, j] for j in range(number) if j != k]
            advantage = cost[i, k] - np.mean(others)
            weight += advantage * np.outer(noise[i, k] / scale, batch.observation.actor[i]) / BATCH / number
            log_std += advantage * (noise[i, k] ** 2 - 1) / BATCH / number
    np.testing.assert_allclose(value, cost.mean(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(metrics["entropy"], -log_prob.mean(1), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(gradient.weight, weight, rtol=1e-2, atol=2e-3 * (1 + np.abs(cost).max()))
    np.testing.assert_allclose(gradient.log_std, log_std, rtol=1e-2, atol=2e-3 * (1 + np.abs(cost).max()))


def test_in_expectation_the_score_function_gradient_is_the_pathwise_one():
    policy, critic, batch = problem(0)
    gradient = eqx.filter_jit(
        lambda loss, keys: jax.tree.map(
            lambda x: x.mean(0),
            jax.vmap(
                lambda key: eqx.filter_grad(
                    lambda policy: loss(at(policy, batch), critic, batch, TEMPERATURE, MULTIPLIER, key)[0]
                )(policy)
            )(keys),
        )
    )
    keys = jax.random.split(jax.random.key(0), 400)
    score = gradient(ScoreFunctionLoss(objective=Unconstrained(), num_samples=50), keys)
    pathwise = gradient(PathwiseLoss(objective=Unconstrained()), keys)
    np.testing.assert_allclose(score.weight, pathwise.weight, atol=0.05)
    np.testing.assert_allclose(score.log_std, pathwise.log_std, atol=0.05)
    assert np.abs(pathwise.weight).max() > 0.2  # the tolerance can fail


class Blind(eqx.Module):
    """A critic without a gradient in the action."""

    critic: eqx.Module

    def __call__(self, observation, action):
        return self.critic(observation, jax.lax.stop_gradient(action))


def test_the_score_function_never_asks_for_the_gradient_of_q_and_the_pathwise_loss_does():
    policy, critic, batch = problem(1)
    for loss, same in ((ScoreFunctionLoss(), True), (PathwiseLoss(), False)):
        seeing, blind = (run(loss, policy, c, batch, jax.random.key(0))[2] for c in (critic, Blind(critic)))
        assert np.allclose(seeing.weight, blind.weight, rtol=1e-5) == same


@settings(max_examples=10)
@given(SEED)
def test_beyond_the_bound_the_score_function_is_dropped_like_the_gradient_of_q(seed):
    policy, critic, batch = problem(seed, near=False)
    key = jax.random.key(seed)
    score, pathwise = (run(loss, policy, critic, batch, key) for loss in (ScoreFunctionLoss(), PathwiseLoss()))
    assert np.all(score[1]["behind_gate"] == 1)
    np.testing.assert_allclose(score[0], pathwise[0], rtol=1e-5)
    np.testing.assert_allclose(score[2].weight, pathwise[2].weight, rtol=1e-4, atol=1e-5)


def test_the_score_function_has_the_bound_and_the_gate_of_its_parts():
    assert ScoreFunctionLoss(ClippedKL(0.3)).kl_bound == np.float32(0.3)
    policy, critic, batch = problem(0)
    batch = eqx.tree_at(lambda b: b.old.loc, batch, batch.old.loc.at[0].add(5.0))
    for loss, behind in ((ScoreFunctionLoss(), 1), (ScoreFunctionLoss(gate=PerBatch()), BATCH)):
        assert run(loss, policy, critic, batch, jax.random.key(0))[1]["behind_gate"].sum() == behind


@settings(max_examples=20)
@given(SEED, st.sampled_from([0.0625, 0.25, 0.5]))
def test_the_clipped_surrogate_equals_the_slow_reference(seed, clip):
    policy, critic, batch = problem(seed)
    # Old policies far enough for some ratios to be clipped, of both signs.
    batch = eqx.tree_at(lambda b: b.old.loc, batch, batch.old.loc + 0.3 * np.sign(batch.action))
    key = jax.random.key(seed)
    zero = np.float32(0)
    loss = ClippedSurrogateLoss(clip=clip, num_samples=3)
    (value, metrics), gradient = surrogate(loss, policy, critic, batch, zero, key)
    actions, _ = samples(policy, batch, key, 3)
    advantage = np.asarray(batch.target, float) - value_of(critic, batch, actions).mean(1)
    advantage = (advantage - advantage.mean()) / advantage.std()
    loc, scale = moments(policy, batch)
    u = np.arctanh(np.asarray(batch.action, float))
    noise, old_noise = (u - loc) / scale, (u - np.asarray(batch.old.loc, float)) / np.asarray(batch.old.scale, float)
    log_ratio = log_density(noise, scale, batch.action) - log_density(
        old_noise, np.asarray(batch.old.scale, float), batch.action
    )
    ratio = np.exp(log_ratio)
    total, weight = 0.0, np.zeros((ACTION, 3))
    for i in range(BATCH):
        bounded = min(max(ratio[i], 1 - clip), 1 + clip)
        total -= min(ratio[i] * advantage[i], bounded * advantage[i]) / BATCH
        if ratio[i] * advantage[i] <= bounded * advantage[i]:
            slope = np.outer(noise[i] / scale, batch.observation.actor[i])
            weight -= ratio[i] * advantage[i] * slope / BATCH
    np.testing.assert_allclose(value, total, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(gradient.weight, weight, rtol=2e-2, atol=2e-2)
    np.testing.assert_array_equal(metrics["behind_gate"], np.abs(ratio - 1) > clip)


@eqx.filter_jit
def surrogate(loss, policy, critic, batch, temperature, key):
    return eqx.filter_value_and_grad(
        lambda policy: loss(at(policy, batch), critic, batch, temperature, MULTIPLIER, key), has_aux=True
    )(policy)


def test_the_clipped_surrogate_rewards_entropy_by_the_temperature():
    policy, critic, batch = problem(2)
    key = jax.random.key(2)
    without, with_entropy = (
        surrogate(ClippedSurrogateLoss(), policy, critic, batch, t, key) for t in (np.float32(0), np.float32(0.5))
    )
    np.testing.assert_allclose(
        with_entropy[0][0] - without[0][0], -0.5 * without[0][1]["entropy"].mean(), rtol=1e-3, atol=1e-3
    )
    # A wider Gaussian has more entropy: descending the loss widens it more.
    assert np.all(with_entropy[1].log_std < without[1].log_std)


def test_without_entropy_in_the_objective_the_score_function_does_not_reward_it():
    policy, critic, batch = problem(0)
    indifferent = lambda observation, action: 0.0 * critic(observation, action)
    loss = ScoreFunctionLoss(objective=WithoutEntropy(Unconstrained()))
    _, _, gradient = run(loss, policy, indifferent, batch, jax.random.key(0))
    jax.tree.map(lambda slope: np.testing.assert_array_equal(slope, 0), gradient)
    _, _, with_entropy = run(
        ScoreFunctionLoss(objective=Unconstrained()), policy, indifferent, batch, jax.random.key(0)
    )
    assert np.any(with_entropy.log_std != 0)


def test_a_row_that_does_not_count_has_no_part_in_the_surrogates_advantages():
    policy, critic, batch = problem(0)
    batch = eqx.tree_at(lambda b: b.counts, batch, jnp.arange(BATCH) > 0, is_leaf=lambda leaf: leaf is None)
    absurd = eqx.tree_at(lambda b: b.target, batch, batch.target.at[0].set(1e4))
    found, other = (run(ClippedSurrogateLoss(), policy, critic, one, jax.random.key(0)) for one in (batch, absurd))
    assert found[0] == other[0] and eqx.tree_equal(found[2], other[2])


@pytest.mark.parametrize("loss", [ScoreFunctionLoss(), ClippedSurrogateLoss()], ids=["score", "surrogate"])
def test_metrics_are_constants(loss):
    policy, critic, batch = problem(0)

    def metrics(policy):
        seen = loss(at(policy, batch), critic, batch, TEMPERATURE, MULTIPLIER, jax.random.key(0))[1]
        return sum(jnp.sum(v) for v in seen.values())

    jax.tree.map(lambda g: np.testing.assert_array_equal(g, 0), eqx.filter_jit(eqx.filter_grad(metrics))(policy))


def test_where_the_policy_saturates_the_score_function_knows_its_entropy():
    policy, critic, batch = problem(0)
    far = lambda observation: TanhNormal(12 + policy(observation).loc, policy(observation).scale)
    loss = eqx.filter_jit(
        lambda loss: loss(at(far, batch), critic, batch, TEMPERATURE, MULTIPLIER, jax.random.key(0))[1][
            "entropy"
        ].mean()
    )
    score, pathwise = loss(ScoreFunctionLoss(num_samples=500)), loss(ClippedSurrogateLoss(num_samples=500))
    np.testing.assert_allclose(score, pathwise, rtol=1e-4)
    assert score < -30  # of -22 in each dimension, less the 0.7 of the Gaussian


def surrogate_problem(loc, scale, drawn, target, limit=0.999):
    """A batch of one old policy, and the surrogate's loss and gradient in (mean, log scale) of the new one."""
    drawn = jnp.asarray(drawn, jnp.float32)
    batch = Minibatch(
        observation=Observation(jnp.zeros((len(drawn), 1))),
        action=jnp.clip(jnp.tanh(drawn), -limit, limit),
        old=jax.vmap(TanhNormal)(jnp.full(drawn.shape, loc), jnp.full(drawn.shape, scale)),
        target=jnp.asarray(target, jnp.float32),
        drawn=drawn,
    )

    @jax.jit
    def run(new_loc, new_log_scale, batch):
        def loss(mean, log_scale):
            same = lambda x: jnp.broadcast_to(x, drawn.shape)
            new = jax.vmap(TanhNormal)(same(mean), same(jnp.exp(log_scale)))
            zero = jnp.float32(0)
            return ClippedSurrogateLoss()(new, lambda *_: zero, batch, zero, zero, jax.random.key(0))

        new = (jnp.full(drawn.shape[1], new_loc), jnp.full(drawn.shape[1], new_log_scale))
        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(*new)

    return batch, run


def test_the_ratio_is_that_of_the_draws_where_actions_are_clipped():
    """Mean 6: every action is 0.999, whose density under the new policy would be e^25 times that under the old."""
    drawn = 6 + 0.3 * np.array([[-1.0], [-0.5], [0.5], [1.0]])
    target = np.array([1.0, -1.0, 2.0, 0.0])
    batch, run = surrogate_problem(6.0, 0.3, drawn, target)
    assert np.unique(batch.action).size == 1
    (value, metrics), _ = run(jnp.float32(5.97), jnp.log(jnp.float32(0.3)), batch)
    ratio = np.exp(-0.5 * ((drawn - 5.97) / 0.3) ** 2 + 0.5 * ((drawn - 6) / 0.3) ** 2)[:, 0]
    advantage = (target - target.mean()) / target.std()
    expected = -np.mean(np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage))
    np.testing.assert_allclose(value, expected, rtol=1e-3)
    np.testing.assert_array_equal(metrics["behind_gate"], 0)
    # Without the draws, what is known are the actions.
    only_actions = eqx.tree_at(lambda b: b.drawn, batch, None)
    (_, metrics), _ = run(jnp.float32(5.97), jnp.log(jnp.float32(0.3)), only_actions)
    np.testing.assert_array_equal(metrics["behind_gate"], 1)


@pytest.mark.parametrize("bad", [True, False], ids=["bad action", "good action"])
def test_a_ratio_that_overflows_or_vanishes_leaves_a_gradient_that_leads_back(bad):
    """Of four actions the new policy has one alone, which is worse than the others, or none, of which one is better."""
    drawn = np.repeat([[0.0], [0.1], [-0.1], [0.2]], 16, axis=1)
    _, run = surrogate_problem(0.0, 0.5, drawn, [-5.0, 1.0, 2.0, 3.0])
    batch, _ = surrogate_problem(0.0, 0.5, drawn, [-5.0, 1.0, 2.0, 3.0])
    new_loc = jnp.float32(1e-6 if bad else -1.0)
    (value, _), (mean, log_scale) = run(new_loc, jnp.log(jnp.float32(1e-4)), batch)
    assert np.isfinite(value) and np.all(np.isfinite(mean)) and np.all(np.isfinite(log_scale))
    # Descent moves the mean away from the bad action, or towards the good ones, and widens the policy.
    assert np.all(mean < 0) and np.all(log_scale < 0)


def test_the_surrogate_of_a_choice_has_the_exact_gradient_of_its_entropy():
    batch = Minibatch(
        observation=Observation(jnp.zeros((2, 1))),
        action=jnp.eye(3)[jnp.array([0, 2])],
        old=jax.vmap(Categorical)(jnp.zeros((2, 3))),
        target=jnp.zeros(2),  # as Q is, so that no action has an advantage
    )
    key, nothing = jax.random.key(0), lambda observation, action: jnp.zeros(())
    loss = lambda logits: ClippedSurrogateLoss()(
        jax.vmap(Categorical)(logits), nothing, batch, TEMPERATURE, MULTIPLIER, key
    )
    entropy = lambda logits: -TEMPERATURE * jnp.mean(jax.vmap(lambda row: Categorical(row).entropy(key))(logits))
    logits = jnp.array([[0.5, -0.2, 0.1], [1.0, 0.0, -1.0]])
    (value, _), gradient = jax.value_and_grad(loss, has_aux=True)(logits)
    expected = jax.value_and_grad(entropy)(logits)
    np.testing.assert_allclose(value, expected[0], rtol=1e-5)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-4, atol=1e-6)
