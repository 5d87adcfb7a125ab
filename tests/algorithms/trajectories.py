"""Trajectories made by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from reppo.algorithms import Reppo
from reppo.environments import Observation
from reppo.rollout import Trajectory

TIME, ENVIRONMENTS = 8, 16


def make_trajectory(algorithm: Reppo, state, seed: int = 0) -> Trajectory:
    """Random transitions, acted on by the policy of the state."""
    random = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(random.normal(size=(TIME, ENVIRONMENTS, *shape)), jnp.float32)
    observation, following = Observation(actor=draw(1)), Observation(actor=draw(1))
    policy = algorithm.policy(state)
    keys = jax.random.split(jax.random.key(seed), (TIME, ENVIRONMENTS))
    action, _, extras = jax.vmap(jax.vmap(lambda o, k: policy(policy.start(k), o, k, deterministic=False)))(
        observation, keys
    )
    terminated = jnp.asarray(random.random((TIME, ENVIRONMENTS)) < 0.2)
    return Trajectory(
        observation=observation,
        action=action,
        extras=extras,
        reward=draw(),
        terminated=terminated,
        truncated=jnp.asarray(random.random((TIME, ENVIRONMENTS)) < 0.2) & ~terminated,
        final_observation=following,
    )
