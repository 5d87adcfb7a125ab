"""What tests of every algorithm with a replay buffer ask."""

import jax
import jax.numpy as jnp
import numpy as np

from reppo import environments
from reppo.losses import EnsembleQ
from reppo.spec import Evaluation, Spec, resolve
from reppo.training import BatchProgram
from tests.tiny import tiny_spec, train_alone


def learn_values(probe, algorithm):
    """Trains on a probe at a discount of 0.5, and holds the critics against the values that are known."""
    spec = Spec(environments.probe(probe), algorithm, Evaluation(interval=128 * 60, episodes=4))
    state, _ = train_alone(spec, seed=0, steps=128 * 60)
    environment, learner = spec.environment.make(), state.algorithm.learner
    policy = spec.algorithm.policy(state.algorithm)
    q = EnsembleQ(learner.trained.critic, algorithm.value, algorithm.pessimism)
    for row in np.unique(np.asarray(state.episodes.observation.actor), axis=0):
        seen = environments.Observation(actor=jnp.asarray(row))
        action, _, _ = policy((), seen, jax.random.key(0), deterministic=True)
        value = q(spec.algorithm.normalizer(state.algorithm.statistics.actor, seen.actor), action)
        np.testing.assert_allclose(value, environment.value(seen, 0.5), atol=0.1)


def learn_best_action(algorithm):
    """Trains on the probe of that name, until the policy is nearly there."""
    _, reports = train_alone(tiny_spec(algorithm=algorithm), seed=0, steps=128 * 30)
    before, *_, after = (float(np.mean(report.evaluated.episode_return)) for report in reports)
    assert after > -0.02 and after > before, (before, after)


def train_by_map_and_vmap(algorithm, parts):
    """Four iterations of two lanes in both ways, which agree in parts of the algorithm's state; that of `map`."""
    spec, states = resolve(tiny_spec(algorithm=algorithm)), {}
    for mode in ("map", "vmap"):
        program = BatchProgram(spec, 2, mode, devices=1)
        states[mode] = program.iterate(program.start([spec] * 2, range(2)), [spec] * 2, 4).arrays.algorithm
    for name in parts:
        trees = (getattr(states[mode], name) for mode in ("map", "vmap"))
        for a, b in zip(*map(jax.tree.leaves, trees), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-3)
    return states["map"]
