"""REPPO as a whole, on trajectories made by hand."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.algorithms import Acted
from reppo.distributions import TanhNormalHead
from reppo.environments import Observation
from reppo.losses import (
    ClippedKL,
    FixedMultiplier,
    NoAuxiliary,
    PathwiseLoss,
    ScalarValue,
    SelfPrediction,
    SmoothActionGradient,
    Unconstrained,
)
from reppo.networks import NoNorm
from reppo.optimization import Epochs
from reppo.targets import SoftLambda, TakenAction, TruncationAsTermination
from tests.algorithms.trajectories import ENVIRONMENTS, TIME, make_trajectory
from tests.tiny import tiny_reppo


@pytest.fixture(scope="module")
def learned():
    """An algorithm, its state, a trajectory and one update."""
    algorithm = tiny_reppo()
    state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
    trajectory = make_trajectory(algorithm, state)
    new, metrics = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(1)))(state, trajectory)
    return algorithm, state, trajectory, new, metrics


@eqx.filter_jit
def prepare(algorithm, state, trajectory):
    """As an update does; compiled once for all tests that ask for the same."""
    return algorithm.prepare(state, trajectory, jax.random.key(2))


@eqx.filter_jit
def critic_step(algorithm, learner, batch):
    return algorithm.critic_step(learner, batch, jax.random.key(3))


@eqx.filter_jit
def actor_step(algorithm, learner, batch):
    return algorithm.actor_step(learner, batch, jax.random.key(3))


def test_an_update_changes_everything_that_learns_and_reports_every_metric(learned):
    _, state, _, new, metrics = learned
    changed = lambda a, b: any(
        not np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )
    for part in ("actor", "critic", "temperature", "kl_multiplier"):
        assert changed(getattr(state.learner, part), getattr(new.learner, part)), part
    assert changed(state.statistics.actor, new.statistics.actor)
    expected = {
        "actor/loss actor/entropy actor/kl actor/behind_gate actor/gradient_norm actor/temperature actor/kl_multiplier",
        "critic/loss critic/auxiliary_loss critic/q critic/explained_variance critic/gradient_norm",
        "targets/value targets/outside_support observations/far",
    }
    assert set(metrics) == set(" ".join(expected).split())
    assert {watched.metric for watched in learned[0].watched()} <= set(metrics)
    for name, summary in metrics.items():
        assert np.isfinite(summary.mean), name
        assert summary.minimum <= summary.mean + 1e-6 and summary.mean <= summary.maximum + 1e-6, name
    assert metrics["actor/kl"].count == 4  # every update of every epoch, not those of the last


def test_the_divergence_is_zero_at_the_first_minibatch(learned):
    _, _, _, _, metrics = learned
    assert abs(metrics["actor/kl"].minimum) < 1e-6
    assert metrics["actor/kl"].maximum > 1e-6


def test_terminated_steps_get_neither_value_nor_entropy_of_a_next_state(learned):
    algorithm, state, trajectory, _, _ = learned
    data, _ = prepare(algorithm, state, trajectory)
    target = np.asarray(data.target).reshape(TIME, ENVIRONMENTS)
    ended = np.asarray(trajectory.terminated)
    np.testing.assert_allclose(target[ended], np.asarray(trajectory.reward)[ended], rtol=1e-6)


def test_where_truncation_counts_as_termination_truncated_steps_get_neither_as_well(learned):
    algorithm, state, trajectory, _, _ = learned
    algorithm = dataclasses.replace(algorithm, truncation=TruncationAsTermination())
    target = np.asarray(prepare(algorithm, state, trajectory)[0].target).reshape(TIME, ENVIRONMENTS)
    ended = np.asarray(trajectory.terminated | trajectory.truncated)
    assert np.asarray(trajectory.truncated).any()
    np.testing.assert_allclose(target[ended], np.asarray(trajectory.reward)[ended], rtol=1e-6)


def test_metrics_of_the_critic_are_of_the_rows_that_it_learns_from(learned):
    algorithm, state, trajectory, _, _ = learned
    data, _ = prepare(algorithm, state, trajectory)
    counts = np.arange(data.size) % 5 > 0
    masked = dataclasses.replace(data, counts=jnp.asarray(counts))
    absurd = dataclasses.replace(masked, target=jnp.where(masked.counts, data.target, 1e4))
    metrics = [critic_step(algorithm, state.learner, batch)[1] for batch in (masked, absurd)]
    for name in ("critic/loss", "critic/q", "critic/explained_variance"):
        np.testing.assert_allclose(metrics[0][name].mean, metrics[1][name].mean, rtol=1e-5)


def test_rewards_after_a_cut_change_no_target_before_it(learned):
    algorithm, state, trajectory, _, _ = learned
    cut = np.asarray(trajectory.terminated | trajectory.truncated)
    environment = int(np.argmax(cut[1:-1].any(0)))
    time = 1 + int(np.argmax(cut[1:-1, environment]))
    targets = lambda t: prepare(algorithm, state, t)[0].target
    changed = dataclasses.replace(trajectory, reward=trajectory.reward.at[time + 1 :].add(100.0))
    before = np.asarray(targets(trajectory)).reshape(TIME, ENVIRONMENTS)[: time + 1, environment]
    after = np.asarray(targets(changed)).reshape(TIME, ENVIRONMENTS)[: time + 1, environment]
    np.testing.assert_array_equal(before, after)


def test_the_reward_scale_scales_targets_and_nothing_that_is_reported(learned):
    algorithm, state, trajectory, _, _ = learned
    scaled = dataclasses.replace(algorithm, reward_scale=0.5, gamma=0.0)
    target = prepare(scaled, state, trajectory)[0].target
    np.testing.assert_allclose(target.reshape(TIME, ENVIRONMENTS), 0.5 * trajectory.reward, rtol=1e-6)


def test_the_actor_step_leaves_the_critic_and_the_critic_step_the_actor(learned):
    algorithm, state, trajectory, _, _ = learned
    data, _ = prepare(algorithm, state, trajectory)
    after_actor, _ = actor_step(algorithm, state.learner, data)
    assert eqx.tree_equal(after_actor.critic, state.learner.critic)
    assert not eqx.tree_equal(after_actor.actor, state.learner.actor)
    after_critic, _ = critic_step(algorithm, state.learner, data)
    assert eqx.tree_equal(after_critic.actor, state.learner.actor)
    assert eqx.tree_equal(after_critic.temperature, state.learner.temperature)


def test_the_slopes_that_are_asked_of_the_critic_are_part_of_its_loss(learned):
    algorithm, state, trajectory, _, _ = learned
    data, _ = prepare(algorithm, state, trajectory)
    asked = dataclasses.replace(algorithm, smoothness=SmoothActionGradient(margin=1e4))
    plain, other = (critic_step(one, state.learner, data) for one in (algorithm, asked))
    assert not eqx.tree_equal(plain[0].critic, other[0].critic)
    costs = [metrics["critic/auxiliary_loss"].mean for _, metrics in (plain, other)]
    np.testing.assert_allclose(costs[1] - costs[0], 100, rtol=0.1)  # a hundredth of the margin, and the curvature
    assert plain[1]["critic/loss"].mean == other[1]["critic/loss"].mean


def test_behind_the_gate_the_gradient_of_q_is_dropped(learned):
    algorithm, state, trajectory, _, _ = learned
    data, _ = prepare(algorithm, state, trajectory)
    # The old policy was elsewhere, so that every state is behind the gate; with multiplier 0 nothing is left to do.
    far = eqx.tree_at(lambda d: d.old.loc, data, data.old.loc + 5.0)
    still = dataclasses.replace(algorithm, kl_multiplier=FixedMultiplier(0.0))
    learner = still.init(jax.random.key(0), environments.probe("BestAction").make().interface()).learner
    after, metrics = actor_step(still, learner, far)
    assert metrics["actor/behind_gate"].mean == 1.0
    assert metrics["actor/gradient_norm"].mean == 0.0
    assert eqx.tree_equal(after.actor, learner.actor)


def test_a_large_policy_gradient_does_not_stop_the_multipliers(learned):
    algorithm, state, trajectory, _, _ = learned
    data, _ = prepare(algorithm, state, trajectory)
    loud = jax.tree.map(lambda x: 1e4 * x if eqx.is_inexact_array(x) else x, state.learner.critic)
    step = lambda learner: actor_step(algorithm, learner, data)[0]
    quiet_after, loud_after = step(state.learner), step(dataclasses.replace(state.learner, critic=loud))
    np.testing.assert_array_equal(quiet_after.temperature, loud_after.temperature)


def test_the_scalar_critic_does_not_broadcast(learned):
    _, _, trajectory, _, _ = learned
    algorithm = tiny_reppo(value=ScalarValue())
    state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
    data, _ = prepare(algorithm, state, trajectory)
    _, metrics = critic_step(algorithm, state.learner, data)
    q = jax.vmap(lambda o, a: state.learner.critic(o, a).logits[0])(data.observation.for_critic, data.action)
    np.testing.assert_allclose(metrics["critic/loss"].mean, jnp.mean((q - data.target) ** 2), rtol=1e-5)


def test_statistics_are_frozen_during_the_update_and_merged_after_it(learned):
    algorithm, state, trajectory, new, _ = learned
    seen = np.asarray(trajectory.observation.actor).reshape(-1, 1)
    np.testing.assert_allclose(new.statistics.actor.mean, seen.mean(0), atol=1e-6)
    np.testing.assert_allclose(new.statistics.actor.variance, seen.var(0), rtol=1e-5)
    assert new.statistics.critic is None
    leaves = jax.tree.leaves(eqx.filter(state.learner, eqx.is_inexact_array))
    assert all(leaf is not state.statistics.actor.mean for leaf in leaves)


def test_untouched_layers_start_with_the_same_weights_in_every_arm():
    interface = environments.probe("BestAction").make().interface()
    base = tiny_reppo()
    init = lambda algorithm: algorithm.init(jax.random.key(7), interface).learner
    first, without_norm = (
        init(base),
        init(
            dataclasses.replace(
                base,
                actor=dataclasses.replace(base.actor, norm=NoNorm()),
                critic=dataclasses.replace(base.critic, norm=NoNorm()),
                auxiliary=NoAuxiliary(),
            )
        ),
    )
    for a, b in zip(first.actor.mlp.linears, without_norm.actor.mlp.linears, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)
    for head in ("encoder", "value_head"):
        for a, b in zip(getattr(first.critic, head).linears, getattr(without_norm.critic, head).linears, strict=True):
            np.testing.assert_array_equal(a.weight, b.weight)
    assert without_norm.critic.prediction_head is None
    scalar = init(dataclasses.replace(base, value=ScalarValue()))
    np.testing.assert_array_equal(scalar.critic.value_head.linears[0].weight, first.critic.value_head.linears[0].weight)


def test_an_auxiliary_weight_of_zero_is_no_auxiliary_task():
    interface = environments.probe("BestAction").make().interface()
    weightless, none = tiny_reppo(auxiliary=SelfPrediction(weight=0.0)), tiny_reppo(auxiliary=NoAuxiliary())
    state = none.init(jax.random.key(0), interface)
    trajectory = make_trajectory(none, state)
    update = eqx.filter_jit(
        lambda algorithm: (
            algorithm.update(algorithm.init(jax.random.key(0), interface), trajectory, jax.random.key(1))[0].learner
        )
    )
    a, b = update(weightless), update(none)
    for x, y in zip(jax.tree.leaves(a.actor), jax.tree.leaves(b.actor), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6) if eqx.is_array(x) else None


def test_the_floor_of_the_standard_deviation_is_what_it_says():
    algorithm = tiny_reppo(head=TanhNormalHead(floor=0.3))
    state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
    policy = algorithm.policy(state)
    _, _, extras = policy((), Observation(actor=jnp.zeros(1)), jax.random.key(0), deterministic=False)
    assert isinstance(extras, Acted)
    assert extras.distribution.scale > 0.3


def test_sampled_actions_stay_within_the_limit_and_deterministic_ones_are_the_mode():
    algorithm = tiny_reppo(head=TanhNormalHead(max_action=0.5))
    state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
    policy, observation = algorithm.policy(state), Observation(actor=jnp.ones(1))
    keys = jax.random.split(jax.random.key(1), 200)
    actions = jax.vmap(lambda key: policy((), observation, key, deterministic=False)[0])(keys)
    assert jnp.abs(actions).max() == 0.5
    action, _, extras = policy((), observation, keys[0], deterministic=True)
    np.testing.assert_allclose(action, jnp.tanh(extras.distribution.loc))


def test_beside_a_clipped_action_stands_the_draw_behind_it():
    algorithm = tiny_reppo(head=TanhNormalHead(max_action=0.5))
    state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
    trajectory = make_trajectory(algorithm, state)
    drawn = trajectory.extras.drawn
    assert jnp.abs(drawn).max() > 1
    np.testing.assert_array_equal(trajectory.action, jnp.clip(jnp.tanh(drawn), -0.5, 0.5))
    data, _ = prepare(algorithm, state, trajectory)
    np.testing.assert_array_equal(data.drawn, drawn.reshape(TIME * ENVIRONMENTS, 1))


def test_the_bonus_of_the_action_taken_next_is_that_of_its_draw():
    """All actions are clipped to 0.01, so that they say nothing of the draws; lambda 0, so that each row is its own."""
    algorithm = tiny_reppo(
        head=TanhNormalHead(max_action=0.01),
        next_value=TakenAction(),
        targets=SoftLambda(lam=0.0),
        temperature=FixedMultiplier(1.0),
        reward_scale=1.0,
    )
    state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
    trajectory = make_trajectory(algorithm, state)
    targets = lambda t: prepare(algorithm, state, t)[0].target
    moved = eqx.tree_at(lambda t: t.extras.drawn, trajectory, trajectory.extras.drawn + 0.5)
    change = (targets(moved) - targets(trajectory)).reshape(TIME, ENVIRONMENTS)

    following = algorithm.normalizer.rollout(
        state.statistics.actor, trajectory.observation.actor, trajectory.final_observation.actor
    )[1]
    policy = jax.vmap(jax.vmap(lambda o: algorithm.head(state.learner.actor(o))))(following)
    loc, scale = np.asarray(policy.loc, float)[..., 0], np.asarray(policy.scale, float)[..., 0]
    u = np.roll(np.asarray(trajectory.extras.drawn, float)[..., 0], -1, axis=0)
    density = lambda u: -0.5 * ((u - loc) / scale) ** 2 - 2 * (np.log(2) - np.logaddexp(u, -u))
    goes_on = ~np.asarray(trajectory.terminated | trajectory.truncated)
    goes_on[-1] = False
    expected = np.where(goes_on, -float(algorithm.gamma) * (density(u + 0.5) - density(u)), 0)
    np.testing.assert_allclose(change, expected, rtol=1e-3, atol=1e-3)
    assert np.abs(expected).max() > 0.5


def test_a_learned_multiplier_without_a_bound_is_refused():
    with pytest.raises(ValueError, match="no bound for it to aim at"):
        tiny_reppo(actor_loss=PathwiseLoss(objective=Unconstrained())).validate()
    with pytest.raises(ValueError, match="128 rows, which 3 minibatches do not divide"):
        dataclasses.replace(
            tiny_reppo(actor_loss=PathwiseLoss(objective=ClippedKL(0.1))),
            batches=Epochs(num_minibatches=3),
        ).validate()
