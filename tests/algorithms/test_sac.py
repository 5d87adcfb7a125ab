"""SAC as a whole, on trajectories made by hand, beside another library, on probes, and through a study."""

import dataclasses
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments, presets
from reppo.distributions import CategoricalHead
from reppo.environments import Box, Interface, Observation
from reppo.errors import ConfigurationError
from reppo.keys import subkey
from reppo.losses import (
    ClippedKL,
    ClippedSurrogateLoss,
    EnsembleQ,
    ExpectedLoss,
    FixedMultiplier,
    LambdaAdvantageLoss,
    LearnedMultiplier,
    NoSmoothness,
    PathwiseLoss,
    SmoothActionGradient,
    SurrogateLoss,
    Unconstrained,
)
from reppo.networks import ActionAsOutput, Critic, NoNorm
from reppo.normalization import normalize_batch
from reppo.optimization import NoTargetNetwork, Polyak
from reppo.replay import UniformReplay
from reppo.rollout import Trajectory
from reppo.spec import resolve, validate
from reppo.training import BatchProgram
from reppo.training.memory import abstract_state, lane_bytes, tree_bytes
from tests.algorithms.off_policy import learn_best_action, learn_values, train_by_map_and_vmap
from tests.algorithms.trajectories import make_trajectory
from tests.tiny import tiny_sac, tiny_spec, train_alone

INTERFACE = environments.probe("BestAction").make().interface()


def started(algorithm):
    return algorithm.init(jax.random.key(0), INTERFACE)


@pytest.fixture(scope="module")
def learned():
    """An algorithm, its states and metrics before and after two rollouts, of which the first is too short to learn."""
    algorithm = tiny_sac()
    update = eqx.filter_jit(lambda s, t, seed: algorithm.update(s, t, jax.random.key(seed)))
    steps = [(started(algorithm), {})]
    for seed in range(2):
        steps.append(update(steps[-1][0], make_trajectory(algorithm, steps[-1][0], seed), seed))
    return algorithm, steps


def arrays(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))]


def test_nothing_is_learned_before_there_are_enough_steps(learned):
    algorithm, ((before, _), (after, metrics), _) = learned
    assert algorithm.idle_iterations == 1 and tiny_sac(learning_starts=257).idle_iterations == 2
    assert tiny_sac(learning_starts=0).idle_iterations == tiny_sac(learning_starts=128).idle_iterations == 0
    for a, b in zip(arrays(before.learner), arrays(after.learner), strict=True):
        np.testing.assert_array_equal(a, b)
    assert after.statistics.actor.count == 128 and metrics["replay/steps"].mean == 128
    assert metrics["critic/loss"].count == metrics["actor/kl"].count == 0


def test_an_update_changes_everything_that_learns_and_reports_every_metric(learned):
    algorithm, (_, (before, _), (after, metrics)) = learned
    for part in ("actor", "critic"):
        pairs = zip(*(arrays(getattr(one.learner.trained, part)) for one in (before, after)), strict=True)
        assert all(not np.array_equal(a, b) for a, b in pairs), part
    critics = arrays(after.learner.trained.critic)
    assert all(len(leaf) == 2 and not np.array_equal(leaf[0], leaf[1]) for leaf in critics if leaf.any())
    assert {watched.metric for watched in algorithm.watched()} <= set(metrics) >= set(algorithm.causes())
    for name, summary in metrics.items():
        assert np.isfinite(summary.mean), name
    assert metrics["actor/kl"].count == metrics["critic/loss"].count == 16
    assert 0 < metrics["actor/kl"].minimum < metrics["actor/kl"].maximum  # from the policy as it was when it collected
    structure = jax.tree.structure(before)
    assert jax.tree.structure(after) == structure


def test_the_slopes_that_are_asked_of_critics_are_part_of_their_loss(learned):
    algorithm, (_, (before, _), _) = learned
    drawn = algorithm.replay.draw(before.data, algorithm.batch_size, 1, algorithm.gamma, jax.random.key(0))
    costs, critics = [], []
    for smoothness in (NoSmoothness(), SmoothActionGradient(margin=1e4)):
        changed = dataclasses.replace(algorithm, smoothness=smoothness)
        rest = before.statistics, drawn, algorithm.policy(before), jnp.array(0), jax.random.key(1)
        after, metrics = eqx.filter_jit(changed.step)(before.learner, *rest)
        costs.append(metrics["critic/auxiliary_loss"].mean)
        critics.append(after.trained.critic)
    np.testing.assert_allclose(costs, [0, 200], rtol=0.1)  # a hundredth of the margin for each of two critics
    assert not eqx.tree_equal(*critics)


def test_the_target_network_follows(learned):
    algorithm, (_, (before, _), _) = learned
    drawn = algorithm.replay.draw(before.data, algorithm.batch_size, 1, algorithm.gamma, jax.random.key(0))
    policy, zero = algorithm.policy(before), jnp.array(0)
    for network, share in ((Polyak(0.1), 0.1), (NoTargetNetwork(), 1.0)):
        changed = dataclasses.replace(algorithm, target_network=network)
        rest = before.statistics, drawn, policy, zero, jax.random.key(1)
        after, _ = eqx.filter_jit(changed.step)(before.learner, *rest)
        trios = (arrays(tree) for tree in (before.learner.target, after.trained.critic, after.target))
        for old, new, target in zip(*trios, strict=True):
            np.testing.assert_allclose(target, old + share * (new - old), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("interval", [1, 2])
def test_the_actor_may_wait_for_the_critics(learned, interval):
    _, (_, (before, _), _) = learned
    algorithm = tiny_sac(actor_interval=interval, updates=4)
    trajectory = make_trajectory(algorithm, before, 1)
    after, metrics = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(1)))(before, trajectory)
    assert metrics["actor/loss"].count == 4 // interval and metrics["critic/loss"].count == 4
    assert after.learner.trained.actor_optimizer[0][1][0].count == 4 // interval


def test_targets_are_those_of_the_definition(learned):
    """The least of both target critics at a fresh action, with its entropy, discounted as the buffer says."""
    algorithm, (_, (state, _), (later, _)) = learned
    learner = dataclasses.replace(state.learner, target=later.learner.trained.critic)  # not the trained one
    drawn = algorithm.replay.draw(state.data, algorithm.batch_size, 1, algorithm.gamma, jax.random.key(3))
    scaled = dataclasses.replace(algorithm, reward_scale=0.5)
    key = jax.random.key(4)
    batch, _ = scaled.prepare(learner, state.statistics, drawn, algorithm.policy(state), key)
    following = normalize_batch(algorithm.normalizer, state.statistics, drawn.next_observation).actor
    keys = jax.random.split(key, algorithm.batch_size)
    for row in range(0, algorithm.batch_size, 7):
        policy = algorithm.head(learner.trained.actor(following[row]))
        action, log_prob = policy.sample_and_log_prob(keys[row])
        values = [
            float(jax.tree.map(lambda leaf, n=n: leaf[n], learner.target.members)(following[row], action).logits[0])
            for n in range(2)
        ]
        soft = min(values) - 0.1 * float(log_prob)
        expected = 0.5 * drawn.reward[row] + drawn.discount[row] * soft
        np.testing.assert_allclose(batch.target[row], expected, rtol=1e-4, atol=1e-5)
    assert (np.asarray(drawn.discount) == 0).any()  # what terminated is among them


@pytest.fixture
def brax_losses():
    """Brax's losses with our networks and distribution in the place of its own."""
    losses = pytest.importorskip("brax.training.agents.sac.losses")

    def make(algorithm):
        head, value = algorithm.head, algorithm.value

        def rows(network, *inputs):
            return jax.vmap(network)(*inputs)

        def draw(outputs, key):
            return jax.vmap(lambda out, key: head(out).draw(key))(outputs, jax.random.split(key, len(outputs)))

        networks = SimpleNamespace(
            policy_network=SimpleNamespace(apply=lambda _, actor, seen: rows(actor, seen)),
            q_network=SimpleNamespace(
                apply=lambda _, critics, seen, action: rows(
                    lambda o, a: jax.vmap(value.decode)(critics(o, a).logits), seen, action
                )
            ),
            parametric_action_distribution=SimpleNamespace(
                sample_no_postprocessing=draw,
                log_prob=lambda outputs, drawn: jax.vmap(lambda o, d: head(o).log_prob_of_draw(d))(outputs, drawn),
                postprocess=jnp.tanh,
            ),
        )
        return losses.make_losses(networks, algorithm.reward_scale, algorithm.gamma, INTERFACE.action.size)

    return make


def test_targets_and_gradients_are_those_of_brax(learned, brax_losses):
    """Critics and actor, by gradients; Brax adds half of the mean over both critics, this library their sum."""
    _, (_, (state, _), (later, _)) = learned
    algorithm = tiny_sac(reward_scale=0.3, gamma=0.9)
    learner = dataclasses.replace(state.learner, target=later.learner.trained.critic)
    trained, size, key = learner.trained, algorithm.batch_size, jax.random.key(5)
    drawn = algorithm.replay.draw(state.data, size, 1, algorithm.gamma, jax.random.key(6))
    batch, _ = algorithm.prepare(learner, state.statistics, drawn, algorithm.policy(state), key)
    transitions = SimpleNamespace(
        observation=batch.observation.actor,
        action=drawn.action,
        reward=drawn.reward,
        discount=drawn.discount / algorithm.gamma,
        next_observation=normalize_batch(algorithm.normalizer, state.statistics, drawn.next_observation).actor,
        extras={"state_extras": {"truncation": jnp.zeros(size)}},
    )
    _, critic_loss, actor_loss = brax_losses(algorithm)
    theirs = eqx.filter_grad(
        lambda critics: critic_loss(critics, trained.actor, None, learner.target, 0.1, transitions, key)
    )(trained.critic)
    rows = lambda critics: jnp.mean(jax.vmap(lambda row: algorithm._row_losses(critics, row, key)[0])(batch))
    ours = eqx.filter_grad(rows)(trained.critic)
    for a, b in zip(arrays(ours), arrays(theirs), strict=True):
        np.testing.assert_allclose(a, 4 * b, rtol=1e-4, atol=1e-6)

    q = EnsembleQ(trained.critic, algorithm.value, algorithm.pessimism)
    own = lambda actor: algorithm._actor_parts().objective(actor, q, batch, (jnp.float32(0.1), jnp.float32(0.0)), key)[
        0
    ]
    ours = eqx.filter_grad(own)(trained.actor)
    # the loss draws its actions from a stream of their own: `subkey(key, "action")`, split for the rows
    theirs = eqx.filter_grad(
        lambda actor: actor_loss(actor, None, trained.critic, 0.1, transitions, subkey(key, "action"))
    )(trained.actor)
    for a, b in zip(arrays(ours), arrays(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"return_steps": 3}, id="several rewards"),
        pytest.param({"num_critics": 1}, id="one critic", marks=pytest.mark.slow),
        pytest.param(
            {"actor_loss": PathwiseLoss(ClippedKL(0.1)), "kl_multiplier": LearnedMultiplier()},
            id="bound",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_best_action_is_learned(changes):
    learn_best_action(tiny_sac(**changes))


@pytest.mark.slow
def test_lanes_by_vmap_agree_with_lanes_by_map():
    """Where lanes run together, waiting and learning are both computed, and one is taken."""
    state = train_by_map_and_vmap(tiny_sac(updates=2), ("learner", "data"))
    assert not np.array_equal(*state.data.action)


@pytest.mark.parametrize("mode", ["map", "vmap"])
@pytest.mark.parametrize("number", [1, 16])
def test_the_program_of_an_update_copies_no_buffer(mode, number):
    """That of a sweep, with its axis of lanes; actions and observations have length 1."""
    algorithm = tiny_sac(num_environments=number, replay=UniformReplay(400_000), updates=2)
    spec = resolve(tiny_spec(algorithm=algorithm))
    piece = BatchProgram(spec, 2, mode, devices=1).steps["learn"]
    piece.lower()
    piece.compile()
    assert piece.working_bytes < 400_000  # a ring of bytes alone takes as much, one of numbers four times


def test_the_forecast_of_memory_counts_the_buffer_once():
    spec = resolve(tiny_spec(algorithm=tiny_sac(replay=UniformReplay(400_000))))
    state = abstract_state(spec)
    assert 1 < lane_bytes(spec, state) / tree_bytes(state) < 1.3


def test_critics_may_observe_more_than_the_actor_and_images():
    seen = Observation(jax.ShapeDtypeStruct((3,), jnp.float32), jax.ShapeDtypeStruct((4, 5, 2), jnp.float32))
    interface = Interface(seen, Box((-1.0, -1.0), (1.0, 1.0)))
    algorithm = tiny_sac()
    rows = lambda *shape, dtype=jnp.float32: jnp.zeros((8, 16, *shape), dtype)

    def once():
        state = algorithm.init(jax.random.key(0), interface)
        shown = jax.tree.map(lambda leaf: rows(*leaf.shape), seen)
        ends = rows(dtype=bool)
        trajectory = Trajectory(shown, rows(2), (), rows(), ends, ends, shown)
        return state, algorithm.update(state, trajectory, jax.random.key(1))[0]

    before, after = eqx.filter_eval_shape(once)
    form = lambda tree: [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")]
    assert form(before) == form(after)


@pytest.mark.slow
@pytest.mark.parametrize("probe", ["TruncatedStep", "TerminalStep", "Discounting"])
def test_probe_values_are_learned(probe):
    learn_values(probe, tiny_sac(gamma=0.5, temperature=FixedMultiplier(0.0), updates=32))


@pytest.mark.slow
def test_a_set_of_actions_is_learned_exactly():
    algorithm = tiny_sac(
        head=CategoricalHead(entropy_target=0.1),
        actor_loss=ExpectedLoss(objective=Unconstrained()),
        critic=Critic(width=16, encoder_depth=0, head_depth=0, norm=NoNorm(), action=ActionAsOutput()),
    )
    _, reports = train_alone(tiny_spec("DelayedChoice", algorithm=algorithm), seed=0, steps=128 * 60)
    before, *_, after = (float(np.mean(report.evaluated.episode_return)) for report in reports)
    assert after == 1.0 > before, (before, after)


@pytest.mark.parametrize("preset", [presets.sac, presets.sac_small])
@pytest.mark.parametrize("task", ["Pendulum-v1", "CartPole-v1", "Breakout-MinAtar"])
def test_presets_fit_their_tasks(preset, task):
    spec = validate(resolve(preset(environments.gymnax(task))))
    assert spec.algorithm.head.pathwise == (task == "Pendulum-v1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actor_loss": SurrogateLoss()}, r"SurrogateLoss asks how good the actions were.*such as PathwiseLoss"),
        ({"actor_loss": ClippedSurrogateLoss()}, r"ClippedSurrogateLoss asks how good the actions were"),
        ({"actor_loss": LambdaAdvantageLoss()}, r"LambdaAdvantageLoss asks how good the actions were"),
        ({"kl_multiplier": LearnedMultiplier()}, r"has no bound for it to aim at.*FixedMultiplier\(0\)"),
        ({"num_critics": 0}, r"num_critics is 0; give at least 1"),
        ({"updates": 0}, r"updates is 0; give at least 1"),
        (
            {"actor_interval": 3},
            r"16 updates an iteration, and the actor learns in one of 3\. Choose an actor_interval",
        ),
        ({"learning_starts": -1}, r"learning_starts is -1; give at least 0"),
        ({"target_network": Polyak(0.0)}, r"rate of a target network is 0.0; give one in \(0, 1\]"),
        ({"replay": UniformReplay(200)}, r"capacity of the replay buffer is 200; give at least 528"),
        ({"learning_starts": 2000}, r"capacity of the replay buffer is 1024; give at least 4016"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_cure(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        validate(tiny_spec(algorithm=tiny_sac(**changes)))
