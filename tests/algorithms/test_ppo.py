"""PPO as a whole, on trajectories made by hand, on probes, and through a study."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.distributions import CategoricalHead, FixedScale, FreeScale, NormalHead, TanhNormalHead
from reppo.environments import Discrete, Interface, Observation
from reppo.errors import ConfigurationError
from reppo.losses import (
    ClippedKL,
    ClippedSurrogateLoss,
    ClippedValueLoss,
    FixedSupport,
    HLGauss,
    LearnedMultiplier,
    PlainAdvantages,
    PlainRatio,
    RewardPrediction,
    SelfPrediction,
    StandardizedMinibatches,
    StandardizedRollouts,
    StateValue,
    SurrogateLoss,
)
from reppo.networks import Critic, LayerNorm, ZeroOffset
from reppo.normalization import RunningReturnScale
from reppo.optimization import Epochs, LinearAnnealing, TargetKL
from reppo.spec import Evaluation, Spec, resolve, validate
from reppo.targets import ShiftedFlag, SoftLambda, TruncationAsTermination
from reppo.training import Checkpoints
from tests.algorithms.trajectories import ENVIRONMENTS, TIME, make_trajectory
from tests.tiny import tiny_ppo, tiny_reppo, tiny_spec, train_alone

INTERFACE = environments.probe("BestAction").make().interface()


def started(algorithm, interface=INTERFACE):
    return algorithm.init(jax.random.key(0), interface)


@pytest.fixture(scope="module")
def learned():
    """An algorithm, its state, a trajectory and one update."""
    algorithm = tiny_ppo(head=NormalHead(FreeScale(0.5)))
    state = started(algorithm)
    trajectory = make_trajectory(algorithm, state)
    new, metrics = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(1)))(state, trajectory)
    return algorithm, state, trajectory, new, metrics


def test_an_update_changes_everything_that_learns_and_reports_every_metric(learned):
    algorithm, state, _, new, metrics = learned
    differ = lambda a, b: [
        not np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    ]
    for part in ("actor", "critic"):  # each array of them, the free scale among the actor's
        assert all(differ(*(eqx.filter(getattr(one.learner, part), eqx.is_array) for one in (state, new)))), part
    assert any(differ(state.statistics.observations.actor, new.statistics.observations.actor))
    assert (state.statistics.iterations, new.statistics.iterations) == (0, 1)
    assert {watched.metric for watched in algorithm.watched()} <= set(metrics) >= set(algorithm.causes())
    for name, summary in metrics.items():
        assert np.isfinite(summary.mean), name
    assert metrics["actor/kl"].count == metrics["critic/loss"].count == 4  # every update of every epoch
    assert abs(metrics["actor/kl"].minimum) < 1e-6 < metrics["actor/kl"].maximum
    assert metrics["optimizer/rate"].mean == 1 and metrics["actor/stopped"].mean == 0


def estimated(delta, ended, decay):
    """Generalized advantage estimates of one trajectory by the double sum of their definition."""
    advantages = np.zeros(len(delta))
    for t in range(len(delta)):
        for step in range(t, len(delta)):
            advantages[t] += decay ** (step - t) * delta[step]
            if ended[step]:
                break
    return advantages


@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_advantages_are_the_double_sum_of_their_definition(learned, lam):
    algorithm, state, trajectory, _, _ = learned
    algorithm = dataclasses.replace(
        algorithm, targets=SoftLambda(lam), gamma=0.9, reward_scale=0.5, advantages=PlainAdvantages()
    )
    goes_on = ~(trajectory.terminated | trajectory.truncated)[:-1, :, None]
    final = trajectory.final_observation.actor  # where an episode goes on, what the next row observes
    final = final.at[:-1].set(jnp.where(goes_on, trajectory.observation.actor[1:], final[:-1]))
    trajectory = dataclasses.replace(trajectory, final_observation=Observation(final))
    data, _ = eqx.filter_jit(algorithm.prepare)(state, trajectory)
    v = StateValue(state.learner.critic, algorithm.value)
    values = eqx.filter_jit(
        jax.vmap(jax.vmap(lambda o: v(algorithm.normalizer(state.statistics.observations.actor, o))))
    )
    value, following = (np.asarray(values(one.actor)) for one in (trajectory.observation, trajectory.final_observation))
    terminated, truncated = np.asarray(trajectory.terminated), np.asarray(trajectory.truncated)
    assert terminated.any() and truncated.any()
    delta = 0.5 * np.asarray(trajectory.reward) + 0.9 * np.where(terminated, 0, following) - value
    expected = np.stack([estimated(d, e, 0.9 * lam) for d, e in zip(delta.T, (terminated | truncated).T)], axis=1)
    np.testing.assert_allclose(data.advantage.reshape(TIME, ENVIRONMENTS), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data.target.reshape(TIME, ENVIRONMENTS), expected + value, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data.value.reshape(TIME, ENVIRONMENTS), value, rtol=1e-4, atol=1e-6)


def test_truncation_as_termination_values_what_comes_after_a_time_limit_at_0(learned):
    algorithm, state, trajectory, _, _ = learned
    algorithm = dataclasses.replace(algorithm, truncation=TruncationAsTermination())
    target = np.asarray(algorithm.prepare(state, trajectory)[0].target).reshape(TIME, ENVIRONMENTS)
    ended = np.asarray(trajectory.truncated | trajectory.terminated)
    np.testing.assert_allclose(target[ended], np.asarray(trajectory.reward)[ended], rtol=1e-5)


def test_rows_that_do_not_count_have_no_advantage(learned):
    algorithm, state, trajectory, _, _ = learned
    for advantages in (PlainAdvantages(), StandardizedRollouts()):
        masked = dataclasses.replace(algorithm, truncation=ShiftedFlag(), advantages=advantages)
        data, _ = masked.prepare(state, trajectory)
        counts, advantage = np.asarray(data.counts), np.asarray(data.advantage)
        np.testing.assert_array_equal(counts, ~np.asarray(trajectory.truncated).ravel())
        assert not counts.all() and np.all(advantage[~counts] == 0)
    assert abs(advantage[counts].mean()) < 1e-5 and abs(advantage[counts].std() - 1) < 1e-3


def test_advantages_are_standardized_over_the_minibatch_the_rollout_or_not_at_all(learned):
    algorithm, state, trajectory, _, _ = learned
    made = {
        type(one): np.asarray(dataclasses.replace(algorithm, advantages=one).prepare(state, trajectory)[0].advantage)
        for one in (PlainAdvantages(), StandardizedRollouts(), StandardizedMinibatches())
    }
    np.testing.assert_array_equal(made[PlainAdvantages], made[StandardizedMinibatches])
    plain = made[PlainAdvantages]
    np.testing.assert_allclose(made[StandardizedRollouts], (plain - plain.mean()) / plain.std(), rtol=1e-4, atol=1e-5)
    part = np.asarray(StandardizedMinibatches().of_minibatch(jnp.asarray(plain[:10]), jnp.ones(10, bool)))
    assert abs(part.mean()) < 1e-5 and abs(part.std() - 1) < 1e-4


def test_beyond_its_horizon_the_learning_rate_stays_at_its_floor(learned):
    algorithm, state, trajectory, full, _ = learned
    update = eqx.filter_jit(lambda a, s, t: a.update(s, t, jax.random.key(1)))
    late = eqx.tree_at(lambda s: s.statistics.iterations, state, jnp.array(1000, jnp.int32))
    annealed = lambda floor: dataclasses.replace(algorithm, annealing=LinearAnnealing(horizon=256, rate_floor=floor))
    at_start, metrics = update(annealed(0.0), state, trajectory)
    assert metrics["optimizer/rate"].mean == 1
    assert moved(state, at_start) == pytest.approx(moved(state, full), rel=1e-4)
    one = eqx.tree_at(lambda s: s.statistics.iterations, state, jnp.array(1, jnp.int32))  # 128 of 256 steps
    assert update(annealed(0.0), one, trajectory)[1]["optimizer/rate"].mean == 0.5
    still, metrics = update(annealed(0.0), late, trajectory)
    assert metrics["optimizer/rate"].mean == 0 and moved(state, still) == 0
    assert still.statistics.observations.actor.count > 0  # what is counted goes on
    slow, metrics = update(annealed(0.25), late, trajectory)
    assert metrics["optimizer/rate"].mean == 0.25 and 0 < moved(state, slow) < moved(state, full)


def moved(before, after):
    """How far both networks have gone."""
    pairs = zip(
        *(jax.tree.leaves(eqx.filter((s.learner.actor, s.learner.critic), eqx.is_array)) for s in (before, after))
    )
    return float(sum(np.sum(np.abs(a - b)) for a, b in pairs))


def test_a_stop_leaves_out_the_policys_later_steps_and_the_critics_none(learned):
    algorithm, state, trajectory, full, _ = learned
    stopping = dataclasses.replace(algorithm, stop=TargetKL(1e-7))
    update = eqx.filter_jit(lambda a, s, t: a.update(s, t, jax.random.key(1)))
    new, metrics = update(stopping, state, trajectory)
    assert metrics["actor/stopped"].mean == 0.75  # of 4 steps the first is made, from where the policy has not moved
    assert new.learner.actor_optimizer[0][0][1][0].count == 1 and new.learner.critic_optimizer[0][1][0].count == 4
    for a, b in zip(*(jax.tree.leaves(one.learner.critic) for one in (new, full)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert not eqx.tree_equal(new.learner.actor, full.learner.actor)
    again, metrics = update(stopping, new, trajectory)  # the next iteration begins anew
    assert metrics["actor/stopped"].minimum == 0 or metrics["actor/kl"].minimum > 1e-7
    assert jax.tree.structure(new) == jax.tree.structure(state)
    assert jax.tree.structure(again) == jax.tree.structure(state)


def test_a_running_scale_of_rewards_goes_on_from_rollout_to_rollout_and_through_a_checkpoint(learned, tmp_path):
    algorithm = dataclasses.replace(learned[0], reward_scaling=RunningReturnScale(), reward_scale=7.0)
    update = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(1)))
    states, sums, seen = [started(algorithm)], np.zeros(ENVIRONMENTS), []
    for seed in range(2):
        trajectory = make_trajectory(algorithm, states[-1], seed)
        state, metrics = update(states[-1], trajectory)
        states.append(state)
        ended = np.asarray(trajectory.terminated | trajectory.truncated)
        for reward, end in zip(np.asarray(trajectory.reward, float), ended):
            sums = 0.99 * sums + 7 * reward
            seen.append(sums)
            sums = np.where(end, 0, sums)
        np.testing.assert_allclose(metrics["targets/reward_factor"].mean, 1 / np.std(seen), rtol=1e-4)
    terminated = np.asarray(trajectory.terminated)
    target = np.asarray(algorithm.prepare(state, trajectory)[0].target).reshape(TIME, ENVIRONMENTS)
    expected = 7 * np.asarray(trajectory.reward)[terminated] / np.std(seen)
    np.testing.assert_allclose(target[terminated], expected, rtol=1e-4)

    arrays, static = eqx.partition(states[1], eqx.is_array)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"state": arrays}, {})
    restored = checkpoints.restore(1, jax.eval_shape(lambda: {"state": arrays}))["state"]
    again, _ = update(eqx.combine(restored, static), trajectory)
    for a, b in zip(*(jax.tree.leaves(eqx.filter(one, eqx.is_array)) for one in (again, states[2])), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "changes",
    [
        {"head": TanhNormalHead(scale=FixedScale(0.3)), "advantages": StandardizedRollouts()},
        {
            "value": HLGauss(FixedSupport(-5, 5), 21),
            "critic": Critic(width=16, norm=LayerNorm()),
            "critic_offset": ZeroOffset(),
            "auxiliary": SelfPrediction(),
            "truncation": ShiftedFlag(),
        },
        {
            "actor_loss": SurrogateLoss(PlainRatio(), ClippedKL(0.1)),
            "kl_multiplier": LearnedMultiplier(),
            "temperature": LearnedMultiplier(),
            "auxiliary": RewardPrediction(),
        },
    ],
    ids=["policy", "critic", "constraint"],
)
def test_parts_of_reppo_fill_its_slots(changes):
    spec = validate(resolve(tiny_spec(algorithm=tiny_ppo(**changes))))
    algorithm = spec.algorithm
    state = eqx.filter_eval_shape(started, algorithm)
    trajectory = eqx.filter_eval_shape(make_trajectory, algorithm, started(algorithm))
    new, metrics = eqx.filter_eval_shape(lambda s, t: algorithm.update(s, t, jax.random.key(1)), state, trajectory)
    shapes = lambda tree: [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape")]
    assert shapes(new) == shapes(state) and "actor/behind_gate" in metrics


def test_a_choice_of_actions_is_learned_by_the_same_loss():
    """A bandit: the second of three actions is rewarded."""
    algorithm = tiny_ppo(head=CategoricalHead(), batches=Epochs(epochs=4, num_minibatches=2))
    state = started(algorithm, Interface(Observation(jax.ShapeDtypeStruct((1,), jnp.float32)), Discrete(3)))
    update = eqx.filter_jit(lambda s, t, key: algorithm.update(s, t, key)[0])
    for iteration in range(6):
        trajectory = make_trajectory(algorithm, state, iteration)
        assert trajectory.action.shape == (TIME, ENVIRONMENTS, 3)
        trajectory = dataclasses.replace(trajectory, reward=trajectory.action[..., 1])
        state = update(state, trajectory, jax.random.key(iteration))
    probability = jax.nn.softmax(state.learner.actor(jnp.zeros(1)))[1]
    assert probability > 0.6, probability


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (
            lambda: tiny_ppo(actor_loss=ClippedSurrogateLoss()),
            r"asks a critic for the values of actions.*SurrogateLoss",
        ),
        (lambda: tiny_reppo(actor_loss=SurrogateLoss()), r"SurrogateLoss learns from advantages.*ClippedSurrogateLoss"),
        (lambda: tiny_ppo(kl_multiplier=LearnedMultiplier()), r"has no bound for it to aim at.*FixedMultiplier\(0\)"),
        (
            lambda: tiny_ppo(value_loss=ClippedValueLoss(), value=HLGauss(FixedSupport(-5, 5), 21)),
            r"outputs stand for HLGauss\. Choose algorithm.value=ScalarValue\(\)",
        ),
        (lambda: tiny_ppo(batches=Epochs(2, 3)), r"128 rows, which 3 minibatches do not divide"),
        (lambda: tiny_ppo(annealing=LinearAnnealing(0)), r"horizon of the annealing is 0.* give a positive one"),
        (lambda: tiny_ppo(stop=TargetKL(0)), r"target of the KL is 0.* nats; give a positive one, or NoStop\(\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_cure(algorithm, message):
    with pytest.raises(ConfigurationError, match=message):
        validate(tiny_spec(algorithm=algorithm()))


@pytest.mark.parametrize("head", [NormalHead(), TanhNormalHead()], ids=lambda head: type(head).__name__)
def test_a_policy_for_a_box_is_refused_where_actions_are_a_set(head):
    message = rf"{type(head).__name__} is for actions in a box.* DelayedChoice are a discrete set. Choose Categorical"
    with pytest.raises(ConfigurationError, match=message):
        validate(tiny_spec("DelayedChoice", algorithm=tiny_ppo(head=head)))


@pytest.mark.slow
def test_the_best_action_is_learned():
    _, reports = train_alone(tiny_spec(algorithm=tiny_ppo()), seed=0, steps=128 * 30)
    before, *_, after = (float(np.mean(report.evaluated.episode_return)) for report in reports)
    assert after > -0.02 and after > before, (before, after)


@pytest.mark.parametrize(
    "probe",
    ["TruncatedStep", *(pytest.param(name, marks=pytest.mark.slow) for name in ("TerminalStep", "Discounting"))],
)
def test_probe_values_are_learned(probe):
    gamma = 0.5
    spec = Spec(
        environment=environments.probe(probe),
        algorithm=tiny_ppo(gamma=gamma),
        evaluation=Evaluation(interval=128 * 100, episodes=4),
    )
    state, _ = train_alone(spec, seed=0, steps=128 * 100)
    environment, critic = spec.environment.make(), StateValue(state.algorithm.learner.critic, spec.algorithm.value)
    statistics = state.algorithm.statistics.observations.actor
    for row in np.unique(np.asarray(state.episodes.observation.actor), axis=0):
        value = critic(spec.algorithm.normalizer(statistics, jnp.asarray(row)))
        theory = environment.value(Observation(actor=jnp.asarray(row)), gamma)
        np.testing.assert_allclose(value, theory, atol=0.1)
