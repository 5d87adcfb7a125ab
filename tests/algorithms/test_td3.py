"""TD3 as a whole: its noise, its targets, its steps, on probes and through a study."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reppo import environments, presets
from reppo.environments import Episodes, Observation
from reppo.errors import ConfigurationError
from reppo.keys import subkey
from reppo.losses import FixedSupport, MeanBackup, MeanValue, ScalarValue, TwoHot
from reppo.normalization import normalize_batch
from reppo.rollout import collect
from reppo.spec import replace_path, resolve, validate
from reppo.training import init
from tests.algorithms.off_policy import learn_best_action, learn_values, train_by_map_and_vmap
from tests.algorithms.trajectories import make_trajectory
from tests.tiny import tiny_spec, tiny_td3

INTERFACE = environments.probe("BestAction").make().interface()
SCALAR = {"value": ScalarValue(), "backup": MeanBackup()}


def arrays(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))]


@pytest.fixture(scope="module")
def learned():
    """An algorithm, and its states and metrics before and after two rollouts, of which the first is too short."""
    algorithm = tiny_td3()
    update = eqx.filter_jit(lambda s, t, seed: algorithm.update(s, t, jax.random.key(seed)))
    steps = [(algorithm.init(jax.random.key(0), INTERFACE), {})]
    for seed in range(2):
        steps.append(update(steps[-1][0], make_trajectory(algorithm, steps[-1][0], seed), seed))
    return algorithm, steps


def test_once_trained_a_policy_has_neither_noise_nor_memory():
    algorithm = tiny_td3(least_noise=0.4)
    policy = algorithm.policy(algorithm.init(jax.random.key(0), INTERFACE))
    observation, memory = Observation(actor=jnp.ones(1)), policy.start(jax.random.key(1))
    act = lambda policy, memory, deterministic: policy(memory, observation, jax.random.key(2), deterministic)[0]
    trained = policy.exploiting()
    assert trained.start(jax.random.key(1)) == ()
    for deterministic in (True, False):
        np.testing.assert_array_equal(act(trained, (), deterministic), act(policy, memory, True))
    assert act(policy, memory, False) != act(policy, memory, True)


def test_an_update_changes_everything_that_learns_and_reports_every_metric(learned):
    algorithm, (_, (before, idle), (after, metrics)) = learned
    assert idle["critic/loss"].count == idle["actor/loss"].count == 0
    for part in ("actor", "critic"):
        pairs = zip(*(arrays(getattr(one.learner.trained, part)) for one in (before, after)), strict=True)
        assert all(not np.array_equal(a, b) for a, b in pairs), part
    assert {watched.metric for watched in algorithm.watched()} <= set(metrics) >= set(algorithm.causes())
    assert all(np.isfinite(summary.mean) for summary in metrics.values())
    assert metrics["critic/loss"].count == 16 and metrics["actor/loss"].count == 8
    assert jax.tree.structure(after) == jax.tree.structure(before)


def test_noise_is_drawn_for_each_episode_and_evaluation_has_none():
    spec = resolve(tiny_spec("Discounting", algorithm=tiny_td3(least_noise=0.1, most_noise=0.3)))
    state = init(spec, 0)
    policy = spec.algorithm.policy(state.algorithm)
    memory = np.asarray(state.memory)
    assert memory.shape == (16,) and len(set(memory.tolist())) == 16
    assert (memory >= 0.1).all() and (memory <= 0.3).all()
    episodes = Episodes(spec.environment.make())
    keys = jax.random.split(jax.random.key(1), 16)
    begun = jax.vmap(lambda key: episodes.reset(key, stagger=True))(keys)
    _, after, rollout, _ = collect(episodes, policy, begun, state.memory, keys, 1, jax.random.key(2))
    ended = np.asarray(rollout.terminated | rollout.truncated).any(axis=0)
    assert ended.any() and not ended.all()
    np.testing.assert_array_equal(np.asarray(after) != memory, ended)

    seen, key = environments.Observation(actor=jnp.zeros(1)), jax.random.key(2)
    calm, _, _ = policy(jnp.float32(0.3), seen, key, deterministic=True)
    keys = jax.random.split(key, 4000)
    for strength in (0.05, 0.2):
        noisy = jax.vmap(lambda key: policy(jnp.float32(strength), seen, key, deterministic=False)[0])(keys)  # noqa: B023
        np.testing.assert_allclose(noisy.std(), strength, rtol=0.05)
        np.testing.assert_allclose(noisy.mean(), calm, atol=4 * strength / 4000**0.5)
    strong = jax.vmap(lambda key: policy(jnp.float32(5.0), seen, key, deterministic=False)[0])(keys)
    assert np.abs(strong).max() == 1.0


@pytest.mark.parametrize("pessimism", [None, MeanValue()], ids=["least", "mean"])
def test_targets_are_those_of_the_definition(learned, pessimism):
    """What the target critics say of the policy's action with clipped noise on it, discounted as the buffer says."""
    _, (_, (state, _), (later, _)) = learned
    changes = {} if pessimism is None else {"pessimism": pessimism}
    algorithm = tiny_td3(target_noise=0.5, target_noise_clip=0.3, reward_scale=0.5, **changes)
    learner = dataclasses.replace(state.learner, target=later.learner.trained.critic)  # not the trained one
    drawn = algorithm.replay.draw(state.data, algorithm.batch_size, 1, algorithm.gamma, jax.random.key(3))
    key = jax.random.key(4)
    batch, _ = algorithm.prepare(learner, state.statistics, drawn, key)
    following = normalize_batch(algorithm.normalizer, state.statistics, drawn.next_observation).actor
    noise = np.clip(0.5 * np.asarray(jax.random.normal(key, drawn.action.shape)), -0.3, 0.3)
    assert (np.abs(noise) == np.float32(0.3)).any() and (np.abs(noise) < 0.3).any()
    centers = np.linspace(-2.0, 2.0, 21)
    for row in range(0, algorithm.batch_size, 7):
        action = np.clip(np.tanh(learner.trained.actor(following[row])) + noise[row], -1, 1)
        histograms = jax.nn.softmax(learner.target(following[row], jnp.asarray(action)).logits)
        means = np.asarray(histograms @ centers)
        follows = means.min() if pessimism is None else means.mean()
        expected = 0.5 * drawn.reward[row] + drawn.discount[row] * follows
        np.testing.assert_allclose(batch.target[row], expected, rtol=1e-4, atol=1e-5)
        inside = np.abs(0.5 * drawn.reward[row]) + drawn.discount[row] * 2 < 2
        if inside:
            np.testing.assert_allclose(batch.histogram[row] @ centers, expected, atol=1e-4)
    np.testing.assert_allclose(batch.histogram.sum(axis=1), 1.0, rtol=1e-5)
    assert (np.asarray(drawn.discount) == 0).any()


def test_the_steps_are_those_of_the_definition(learned):
    """Critics by the sum of their squared errors, the actor along the least of both at its own actions."""
    _, (_, (state, _), _) = learned
    algorithm = tiny_td3(**SCALAR, actor_interval=1)
    started = algorithm.init(jax.random.key(5), INTERFACE)
    drawn = algorithm.replay.draw(state.data, algorithm.batch_size, 1, algorithm.gamma, jax.random.key(6))
    key, policy = jax.random.key(7), algorithm.policy(started)
    batch, _ = algorithm.prepare(started.learner, state.statistics, drawn, subkey(key, "targets"))
    after, _ = algorithm.step(started.learner, state.statistics, drawn, policy, jnp.array(0), key)
    trained, optimizer = started.learner.trained, optax.chain(optax.clip_by_global_norm(0.5), optax.adam(1e-2))

    def moved(network, loss):
        parameters = eqx.filter(network, eqx.is_inexact_array)
        updates, _ = optimizer.update(eqx.filter_grad(loss)(network), optimizer.init(parameters), parameters)
        return eqx.apply_updates(network, updates)

    def critic_loss(critics):
        values = jax.vmap(lambda o, a: critics(o, a).logits[:, 0])(batch.observation.actor, batch.action)
        return jnp.mean(jnp.sum((values - batch.target[:, None]) ** 2, axis=1))

    critics = moved(trained.critic, critic_loss)

    def actor_loss(actor):
        actions = jnp.tanh(jax.vmap(actor)(batch.observation.actor))
        values = jax.vmap(lambda o, a: critics(o, a).logits[:, 0])(batch.observation.actor, actions)
        return -jnp.mean(jnp.min(values, axis=1))

    actor = moved(trained.actor, actor_loss)
    for a, b in zip(arrays(after.trained.critic), arrays(critics), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(arrays(after.trained.actor), arrays(actor), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for old, new, target in zip(*map(arrays, (trained.critic, critics, after.target)), strict=True):
        np.testing.assert_allclose(target, old + 0.1 * (new - old), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as published"),
        pytest.param({"return_steps": 3, "pessimism": MeanValue()}, id="mean", marks=pytest.mark.slow),
        pytest.param(SCALAR, id="scalar", marks=pytest.mark.slow),
    ],
)
def test_the_best_action_is_learned(changes):
    learn_best_action(tiny_td3(**changes))


@pytest.mark.slow
def test_lanes_by_vmap_agree_with_lanes_by_map():
    train_by_map_and_vmap(tiny_td3(updates=2), ("learner",))


@pytest.mark.slow
@pytest.mark.parametrize("probe", ["TruncatedStep", "TerminalStep", "Discounting"])
def test_probe_values_are_learned(probe):
    learn_values(probe, tiny_td3(gamma=0.5, updates=32, value=TwoHot(FixedSupport(-3.0, 3.0), 31)))


@pytest.mark.parametrize("preset", [presets.fast_td3, presets.fast_td3_small])
def test_presets_fit_boxes_and_refuse_sets(preset):
    validate(resolve(preset(environments.gymnax("Pendulum-v1"))))
    with pytest.raises(ConfigurationError, match=r"a discrete set, in CartPole-v1\. Choose Sac"):
        validate(resolve(preset(environments.gymnax("CartPole-v1"))))
    with pytest.raises(ConfigurationError, match=r"gradient of Q in the action.*Discrete"):
        tiny_td3().init(jax.random.key(0), environments.probe("BestChoice").make().interface())


def test_bounds_of_the_noise_that_do_not_fit_are_refused():
    spec = presets.fast_td3_small(environments.gymnax("Pendulum-v1"))
    with pytest.raises(ConfigurationError, match=r"most_noise is 0\.4; give at least least_noise, which is 0\.5"):
        validate(replace_path(spec, "algorithm.least_noise", 0.5))
