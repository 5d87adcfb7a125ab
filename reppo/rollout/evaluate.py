"""Evaluation: a fixed number of whole episodes, each counted once."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from reppo.environments import Episodes, EpisodeState
from reppo.keys import subkey
from reppo.rollout.policy import AbstractPolicy


class Evaluated(eqx.Module):
    """Outcome of each evaluation episode; leaves are `[episode]`.

    Attributes:
        episode_return: undiscounted sum of rewards; NaN where the simulation broke: such an episode has no score, and a
            policy must gain nothing by breaking the simulator.
        episode_length: number of steps.
        nonfinite: whether it ended because the simulation broke (see `TimeStep`).
        metrics: sum of each of the task's metrics.
    """

    episode_return: Float[Array, " episode"]
    episode_length: Int[Array, " episode"]
    nonfinite: Bool[Array, " episode"]
    metrics: dict[str, Float[Array, " episode"]]


def evaluate(
    environment: Episodes,
    policy: AbstractPolicy,
    starts: EpisodeState,
    memory: PyTree[Array],
    key: Key[Array, ""],
) -> Evaluated:
    """Runs one whole episode from each start, acting deterministically.

    Args:
        environment: one instance, batched here.
        policy: what acts.
        starts: states at the start of an episode, `[episode, ...]`.
        memory: the policy's memories at a start, likewise.
        key: the environment's randomness.
    """
    num_episodes = starts.clock.shape[0]

    def step(carry: tuple[EpisodeState, Any, Evaluated, Array], time: Array) -> tuple[Any, None]:
        states, memory, outcome, running = carry
        keys = jax.random.split(subkey(key, "environment", time), num_episodes)
        action, memory, _ = jax.vmap(lambda m, o, k: policy(m, o, k, deterministic=True))(
            memory, states.observation, keys
        )
        states, timestep = jax.vmap(environment.step)(keys, states, action)
        ends_now = running & (timestep.terminated | timestep.truncated)
        episode_return = jnp.where(timestep.nonfinite, jnp.nan, timestep.episode_return)
        now = Evaluated(episode_return, timestep.episode_length, timestep.nonfinite, timestep.episode_metrics)
        outcome = jax.tree.map(lambda new, old: jnp.where(ends_now, new, old), now, outcome)
        return (states, memory, outcome, running & ~ends_now), None

    nothing = Evaluated(
        episode_return=jnp.full(num_episodes, jnp.nan),
        episode_length=jnp.zeros(num_episodes, jnp.int32),
        nonfinite=jnp.zeros(num_episodes, bool),
        metrics={name: jnp.full(num_episodes, jnp.nan) for name in environment.environment.metric_names},
    )
    carry = (starts, memory, nothing, jnp.ones(num_episodes, bool))
    (_, _, outcome, _), _ = jax.lax.scan(step, carry, jnp.arange(environment.horizon))
    return outcome
