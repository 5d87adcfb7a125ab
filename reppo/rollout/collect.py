"""Collecting a rollout: a policy and environments give a trajectory."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from reppo.environments import Episodes, EpisodeState
from reppo.keys import subkey
from reppo.rollout.policy import AbstractPolicy, Trajectory


class EpisodeEnds(eqx.Module):
    """How episodes ended during a rollout; leaves are `[time, environment]`.

    Attributes:
        ended: whether an episode ended at this step.
        complete: whether that episode had its full length before it; false for the first of each environment, which is
            cut short on purpose.
        nonfinite: whether it ended because the simulation gave a number that is not finite.
        episode_return: its sum of rewards, where `ended`.
        episode_length: its number of steps, where `ended`.
        metrics: its sum of each of the task's metrics, where `ended`.
    """

    ended: Bool[Array, "*batch"]
    complete: Bool[Array, "*batch"]
    nonfinite: Bool[Array, "*batch"]
    episode_return: Float[Array, "*batch"]
    episode_length: Float[Array, "*batch"]
    metrics: dict[str, Float[Array, "*batch"]]


def collect(
    environment: Episodes,
    policy: AbstractPolicy,
    states: EpisodeState,
    memory: PyTree[Array],
    physics: Key[Array, " environment"],
    length: int,
    key: Key[Array, ""],
) -> tuple[EpisodeState, PyTree[Array], Trajectory, EpisodeEnds]:
    """Runs the policy, frozen, for a number of steps in every environment.

    Args:
        environment: one instance, batched here.
        policy: what acts, sampling its actions.
        states: states of the environments, `[environment, ...]`.
        memory: the policy's memories, likewise.
        physics: a key for each environment, from which it draws its physics where the task randomizes them; the same
            keys in every rollout.
        length: number of steps, at least 1.
        key: the environments' randomness, the policy's and that of its new memories are drawn from streams of it.

    Returns:
        The new states and memories, the trajectory, and how episodes ended in it.
    """
    num_environments = states.clock.shape[0]
    policy_arrays, policy_code = eqx.partition(policy, eqx.is_array)
    fresh_memory = jax.vmap(policy.start)(jax.random.split(subkey(key, "memory"), num_environments))

    def step(carry: tuple[EpisodeState, Any, Any], time: Array) -> tuple[tuple[EpisodeState, Any, Any], Any]:
        states, memory, policy_arrays = carry
        policy = eqx.combine(policy_arrays, policy_code).observe(states.observation)
        policy_keys = jax.random.split(subkey(key, "policy", time), num_environments)
        environment_keys = jax.random.split(subkey(key, "environment", time), num_environments)
        action, memory, extras = jax.vmap(lambda m, o, k: policy(m, o, k, deterministic=False))(
            memory, states.observation, policy_keys
        )
        new_states, outcome = jax.vmap(lambda p, k, s, a: environment.randomize(p).step(k, s, a))(
            physics, environment_keys, states, action
        )
        ended = outcome.terminated | outcome.truncated
        memory = jax.vmap(lambda e, fresh, old: jax.tree.map(lambda f, o: jnp.where(e, f, o), fresh, old))(
            ended, fresh_memory, memory
        )
        row = Trajectory(
            observation=states.observation,
            action=action,
            extras=extras,
            reward=outcome.reward,
            terminated=outcome.terminated,
            truncated=outcome.truncated,
            final_observation=outcome.final_observation,
        )
        ends = EpisodeEnds(
            ended=ended,
            complete=ended & outcome.complete,
            nonfinite=outcome.nonfinite,
            episode_return=outcome.episode_return,
            episode_length=outcome.episode_length.astype(jnp.float32),
            metrics=outcome.episode_metrics,
        )
        return (new_states, memory, eqx.filter(policy, eqx.is_array)), (row, ends)

    carry = (states, memory, policy_arrays)
    (states, memory, _), (trajectory, ends) = jax.lax.scan(step, carry, jnp.arange(length))
    return states, memory, trajectory, ends
