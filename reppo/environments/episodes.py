"""The one wrapper of the library: finite check, time limit, auto-reset and episode statistics, in this order.

One instance; batched by `vmap` outside.
"""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from reppo.environments.contract import AbstractEnvironment, ActionSpace, Observation, State, where_tree


@final
class EpisodeState(eqx.Module):
    """The state of one running environment.

    Attributes:
        task: the state of the task.
        observation: what the task shows now.
        next_start: where the next episode starts: a state of the task and its observation.
        clock: steps since the episode began. The task never sees it.
        limit: the number of steps after which this episode is truncated; below the horizon in a staggered first one.
        episode_return: the sum of the rewards of this episode so far.
        metrics: the sum of each metric over this episode so far.
    """

    task: State
    observation: Observation
    next_start: tuple[State, Observation]
    clock: Int[Array, ""]
    limit: Int[Array, ""]
    episode_return: Float[Array, ""]
    metrics: dict[str, Float[Array, ""]]


@final
class TimeStep(eqx.Module):
    """What one step gives, and the totals of the episode so far: those of the whole episode where it ends.

    Attributes:
        observation: the one to act on next; after an end, the first of the next episode.
        final_observation: the true next observation, also at an end; bootstrap from this one. After a non-finite
            step, the last finite observation.
        reward: float32; 0 at a non-finite step.
        terminated: the task ended: no value follows.
        truncated: the episode was cut and would have gone on: the value of `final_observation` follows. Never set
            together with `terminated`, which wins.
        nonfinite: the state, the observation or the reward was not finite; such a step is truncated.
        complete: False in a first episode that a stagger shortened, however it ends: leave it out of scores.
        episode_return: the sum of the rewards of this episode, with this step's.
        episode_length: the number of steps of this episode, with this one.
        episode_metrics: the sum of each metric over this episode, with this step's (without a non-finite one).
    """

    observation: Observation
    final_observation: Observation
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    nonfinite: Bool[Array, ""]
    complete: Bool[Array, ""]
    episode_return: Float[Array, ""]
    episode_length: Int[Array, ""]
    episode_metrics: dict[str, Float[Array, ""]]

    @property
    def ended(self) -> Bool[Array | np.ndarray, "*batch"]:
        """Whether the episode ended here, in either way: what follows belongs to another one."""
        return self.terminated | self.truncated


@final
class Episodes(eqx.Module):
    """An environment that starts a new episode where one ends.

    A new episode starts from a stored start, so that a step never pays for a reset. `refresh` renews the stored
    start: call it once an iteration, or an environment keeps restarting from the same state. Tasks that reset
    cheaply start every episode from a fresh reset instead.
    """

    environment: AbstractEnvironment

    @property
    def horizon(self) -> int:
        """The time limit in steps."""
        return self.environment.horizon

    @property
    def action_space(self) -> ActionSpace:
        """The bounds of the task's own actions."""
        return self.environment.action_space

    def randomize(self, key: Key[Array, ""]) -> "Episodes":
        """The same with the task's physics drawn anew; see `AbstractEnvironment.randomize`."""
        return Episodes(self.environment.randomize(key))

    def reset(self, key: Key[Array, ""], stagger: bool | Bool[Array, ""] = False) -> EpisodeState:
        """Starts the first episode.

        Args:
            key: consumed.
            stagger: whether the first episode is truncated early, after a number of steps drawn uniformly from 1 to
                the horizon, so that environments that start together do not end together. Only the clock is
                touched, never the task. Evaluation wants False.

        Returns:
            the state; its `observation` is the one to act on first.
        """
        start_key, next_key, clock_key = jax.random.split(key, 3)
        # One reset in the program, batched: those of physics engines take long to compile.
        starts = jax.vmap(self.environment.reset)(jnp.stack([start_key, next_key]))
        task, observation = jax.tree.map(lambda leaf: leaf[0], starts)
        next_start = jax.tree.map(lambda leaf: leaf[1], starts)
        horizon = jnp.asarray(self.horizon, jnp.int32)
        offset = jnp.where(stagger, jax.random.randint(clock_key, (), 0, horizon, jnp.int32), 0)
        return EpisodeState(
            task=task,
            observation=observation,
            next_start=next_start,
            clock=jnp.zeros((), jnp.int32),
            limit=horizon - offset,
            episode_return=jnp.zeros((), jnp.float32),
            metrics={name: jnp.zeros((), jnp.float32) for name in self.environment.metric_names},
        )

    def refresh(self, key: Key[Array, ""], state: EpisodeState) -> EpisodeState:
        """Draws a new start for the next episode; nothing else changes. The key is consumed."""
        return eqx.tree_at(lambda old: old.next_start, state, self.environment.reset(key))

    def step(
        self, key: Key[Array, ""], state: EpisodeState, action: Float[Array, " action"]
    ) -> tuple[EpisodeState, TimeStep]:
        """Goes one step, and on to the next episode where this one ends.

        Args:
            key: consumed.
            state: what `reset`, `refresh` or `step` gave.
            action: shape `(action_space.size,)`, in `[-1, 1]`.

        Returns:
            the next state and what happened.
        """
        step_key, start_key = jax.random.split(key)
        task, transition = self.environment.step(step_key, state.task, action)

        nonfinite = ~self.environment.is_finite(task, transition)
        reward = jnp.where(nonfinite, 0.0, transition.reward)
        terminated = transition.terminated & ~nonfinite
        final_observation = where_tree(nonfinite, state.observation, transition.observation)

        clock = state.clock + 1
        truncated = (transition.truncated | (clock >= state.limit) | nonfinite) & ~terminated

        ended = terminated | truncated
        start = self.environment.reset(start_key) if self.environment.resets_cheaply else state.next_start
        next_task = self.environment.select(ended, start[0], task)
        observation = where_tree(ended, start[1], final_observation)

        episode_return = state.episode_return + reward
        metrics = {
            name: total + jnp.where(nonfinite, 0.0, transition.metrics[name]) for name, total in state.metrics.items()
        }
        next_state = EpisodeState(
            task=next_task,
            observation=observation,
            next_start=state.next_start,
            clock=jnp.where(ended, 0, clock),
            limit=jnp.where(ended, self.horizon, state.limit),
            episode_return=jnp.where(ended, 0.0, episode_return),
            metrics=where_tree(ended, jax.tree.map(jnp.zeros_like, metrics), metrics),
        )
        timestep = TimeStep(
            observation=observation,
            final_observation=final_observation,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            nonfinite=nonfinite,
            complete=state.limit == self.horizon,
            episode_return=episode_return,
            episode_length=clock,
            episode_metrics=metrics,
        )
        return next_state, timestep
