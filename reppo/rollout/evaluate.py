"""The protocol of evaluation: a number of whole episodes with the deterministic policy, each counted once.

All of its randomness comes from a `root`, in training that of the run: which episodes they are, where the policy's
memory starts, what happens at each step. More episodes of a root begin with the same ones. All that evaluates is here.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from reppo.environments import AbstractEnvironment, Episodes, EpisodeState
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


def fresh_root(root: Key[Array, ""]) -> Key[Array, ""]:
    """The root of episodes that a run of this root was never evaluated on."""
    return subkey(root, "fresh evaluation")


def start_keys(root: Key[Array, ""], number: int) -> Key[Array, " episode"]:
    """What each episode is started by, with `Episodes.reset(key, stagger=False)`.

    Args:
        root: of the episodes.
        number: of episodes, at least 1.
    """
    return jax.random.split(subkey(root, "evaluation", "reset"), number)


def evaluation_starts(environment: AbstractEnvironment, root: Key[Array, ""], number: int) -> EpisodeState:
    """The starts of episodes, `[episode, ...]`: those that a run of this root is evaluated on.

    Args:
        environment: one instance.
        root: of the episodes.
        number: of episodes, at least 1.
    """
    reset = Episodes(environment, num_starts=1).reset
    return jax.vmap(lambda key: reset(key, stagger=False))(start_keys(root, number))


def evaluate(
    environment: Episodes,
    policy: AbstractPolicy,
    starts: EpisodeState,
    root: Key[Array, ""],
) -> Evaluated:
    """Runs one whole episode from each start, acting deterministically, until the last of them is over.

    Args:
        environment: one instance, batched here.
        policy: what acts.
        starts: states at the start of an episode, `[episode, ...]`; see `evaluation_starts`.
        root: of the episodes.
    """
    num_episodes, key = starts.clock.shape[0], subkey(root, "evaluation", "environment")
    memory = _memories(policy, root, num_episodes)

    def step(carry: tuple[Array, EpisodeState, Any, Evaluated, Array]) -> tuple[Any, ...]:
        time, states, memory, outcome, running = carry
        keys = jax.random.split(subkey(key, time), num_episodes)
        action, memory, _ = jax.vmap(lambda m, o, k: policy(m, o, k, deterministic=True))(
            memory, states.observation, keys
        )
        states, timestep = jax.vmap(environment.step)(keys, states, action)
        ends_now = running & (timestep.terminated | timestep.truncated)
        episode_return = jnp.where(timestep.nonfinite, jnp.nan, timestep.episode_return)
        now = Evaluated(episode_return, timestep.episode_length, timestep.nonfinite, timestep.episode_metrics)
        outcome = jax.tree.map(lambda new, old: jnp.where(ends_now, new, old), now, outcome)
        return time + 1, states, memory, outcome, running & ~ends_now

    nothing = Evaluated(
        episode_return=jnp.full(num_episodes, jnp.nan),
        episode_length=jnp.zeros(num_episodes, jnp.int32),
        nonfinite=jnp.zeros(num_episodes, bool),
        metrics={name: jnp.full(num_episodes, jnp.nan) for name in environment.environment.metric_names},
    )
    carry = (jnp.array(0), starts, memory, nothing, jnp.ones(num_episodes, bool))
    _, _, _, outcome, _ = jax.lax.while_loop(lambda carry: carry[-1].any(), step, carry)
    return outcome


def replay(
    environment: Episodes,
    policy: AbstractPolicy,
    root: Key[Array, ""],
    episode: int,
    see: Callable[[Any], PyTree[Array]],
) -> tuple[PyTree[Array], Float[Array, " time"], Bool[Array, " time"]]:
    """Runs one of the episodes again and keeps what is to be seen of it.

    Args:
        environment: one instance.
        policy: what acts.
        root: of the episodes.
        episode: which of them, from 0.
        see: from the state of the task to the part of it that is kept.

    Returns:
        What was seen before each step of the time limit, the reward of each, and whether an episode ended there: what
        is after the first end belongs to another one.
    """
    number, key = episode + 1, subkey(root, "evaluation", "environment")
    starts = evaluation_starts(environment.environment, root, number), _memories(policy, root, number)
    start, own = jax.tree.map(lambda leaf: leaf[-1], starts)

    def step(carry: tuple[EpisodeState, Any], time: Array) -> tuple[Any, Any]:
        state, own = carry
        step_key = jax.random.split(subkey(key, time), number)[-1]
        action, own, _ = policy(own, state.observation, step_key, deterministic=True)
        after, timestep = environment.step(step_key, state, action)
        return (after, own), (see(state.task), timestep.reward, timestep.ended)

    _, (seen, rewards, ended) = jax.lax.scan(step, (start, own), jnp.arange(environment.horizon))
    return seen, rewards, ended


def _memories(policy: AbstractPolicy, root: Key[Array, ""], number: int) -> PyTree[Array]:
    """The policy's memories at the starts, `[episode, ...]`."""
    return jax.vmap(policy.start)(jax.random.split(subkey(root, "evaluation", "memory"), number))
