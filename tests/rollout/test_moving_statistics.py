"""Statistics that move while a rollout is collected: what acted is what the update learns from."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

from reppo import environments
from reppo.environments import Episodes
from reppo.normalization import PerStepStatistics, RunningMeanVariance
from reppo.rollout import collect
from tests.tiny import tiny_reppo

LENGTH, ENVIRONMENTS = 6, 16


def collected(algorithm, state):
    episodes = Episodes(environments.probe("BestAction").make())

    @eqx.filter_jit
    def run(state):
        keys = jax.random.split(jax.random.key(1), ENVIRONMENTS)
        states = jax.vmap(episodes.reset)(keys)
        return collect(episodes, algorithm.policy(state), states, (), keys, LENGTH, jax.random.key(2))[2]

    return run(state)


@pytest.fixture(scope="module", params=[PerStepStatistics(), RunningMeanVariance()], ids=lambda n: type(n).__name__)
def rollout(request):
    algorithm = dataclasses.replace(tiny_reppo(normalizer=request.param), rollout_length=LENGTH)
    state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
    return algorithm, state, collected(algorithm, state)


def test_the_old_policy_of_the_update_is_the_one_that_acted(rollout):
    algorithm, state, trajectory = rollout
    update = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(3)))
    _, metrics = update(state, trajectory)
    assert abs(metrics["actor/kl"].minimum) < 1e-5  # the first minibatch, before any step of the actor
    assert metrics["actor/kl"].maximum > 1e-4


def test_the_policy_acts_by_all_that_was_seen_up_to_its_step_if_statistics_move(rollout):
    algorithm, state, trajectory = rollout
    observations = np.asarray(trajectory.observation.actor, float)
    network = jax.jit(jax.vmap(state.learner.actor))
    for t in range(LENGTH):
        seen = observations[: t + 1].reshape(-1)
        mean, variance = (seen.mean(), seen.var()) if isinstance(algorithm.normalizer, PerStepStatistics) else (0, 1)
        normalized = ((observations[t] - mean) / np.sqrt(variance + 1e-2)).astype(np.float32)
        loc = np.asarray(network(normalized))[:, :1]
        np.testing.assert_allclose(trajectory.extras.distribution.loc[t], loc, rtol=1e-3, atol=1e-4)


def test_the_same_environments_are_seen_whatever_the_statistics():
    """Only actions differ, so that arms stay comparable pairwise."""
    first = {}
    for normalizer in (PerStepStatistics(), RunningMeanVariance()):
        algorithm = tiny_reppo(normalizer=normalizer)
        state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
        first[type(normalizer)] = collected(algorithm, state)
    a, b = first.values()
    np.testing.assert_array_equal(a.observation.actor, b.observation.actor)
    assert not np.array_equal(a.action, b.action)
