"""The one wrapper of the library: finite check, time limit, auto-reset and episode statistics, in this order.

One instance; batched by `vmap` outside.
"""

import operator
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from reppo.environments.contract import AbstractEnvironment, Observation, State, where_tree
from reppo.environments.spaces import ActionSpace


@final
class EpisodeState(eqx.Module):
    """The state of one running environment.

    Attributes:
        task: the state of the task.
        observation: what the task shows now.
        next_starts: where the next episodes start, `[start, ...]`: states of the task and their observations. `None`
            for a task that resets cheaply, and between rollouts.
        starts_used: how many of them were used since they were stored.
        clock: steps since the episode began. The task never sees it.
        limit: the number of steps after which this episode is truncated; below the horizon in a staggered first one.
        episode_return: the sum of the rewards of this episode so far.
        metrics: the sum of each metric over this episode so far.
    """

    task: State
    observation: Observation
    next_starts: tuple[State, Observation] | None
    starts_used: Int[Array, ""]
    clock: Int[Array, ""]
    limit: Int[Array, ""]
    episode_return: Float[Array, ""]
    metrics: dict[str, Float[Array, ""]]

    def with_starts(self, starts: tuple[State, Observation] | None) -> "EpisodeState":
        """The same with other starts for the next episodes, none of them used; or with none, to hold no memory."""
        stored = lambda state: (state.next_starts, state.starts_used)
        return eqx.tree_at(stored, self, (starts, jnp.zeros_like(self.starts_used)), is_leaf=lambda node: node is None)


@final
class TimeStep(eqx.Module):
    """What one step gives, and the totals of the episode so far: those of the whole episode where it ends.

    Attributes:
        observation: the one to act on next; after an end, the first of the next episode.
        final_observation: the true next observation, also at an end; bootstrap from this one. After a non-finite
            step, the last finite observation.
        reward: float32; at a non-finite step the least of the task's range, or 0 where that is not known, so that
            nothing is gained by breaking the simulation. Tasks that only cost should declare their range.
        terminated: the task ended: no value follows.
        truncated: the episode was cut and would have gone on: the value of `final_observation` follows. Never set
            together with `terminated`, which wins.
        nonfinite: the simulation broke: the state, the observation or the reward was not finite, or absurdly large (see
            `AbstractEnvironment.largest`); such a step is truncated.
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

    A new episode starts from a stored start, so that a step never pays for a reset. Each is used once, in turn; draw
    new ones before each rollout, by `refresh`. An environment that ends more episodes than there are starts begins with
    the first again. Tasks that reset cheaply start every episode from a fresh reset instead.

    Attributes:
        environment: the task.
        num_starts: stored starts of each environment, at least 1.
    """

    environment: AbstractEnvironment
    num_starts: int = eqx.field(static=True, default=4)

    @property
    def horizon(self) -> int:
        """The time limit in steps."""
        return self.environment.horizon

    @property
    def action_space(self) -> ActionSpace:
        """The space of the task's own actions."""
        return self.environment.action_space

    def randomize(self, key: Key[Array, ""]) -> "Episodes":
        """The same with the task's physics drawn anew; see `AbstractEnvironment.randomize`."""
        return Episodes(self.environment.randomize(key), self.num_starts)

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
        # One reset in the program, for all starts in turn: those of physics engines take long to compile.
        starts = jax.lax.map(self.environment.reset, jnp.concatenate([start_key[None], self._start_keys(next_key)]))
        first, following = (jax.tree.map(operator.itemgetter(part), starts) for part in (0, slice(1, None)))
        state = self.begin(first, clock_key, stagger)
        return state if self.environment.resets_cheaply else state.with_starts(following)

    def begin(
        self, start: tuple[State, Observation], key: Key[Array, ""], stagger: bool | Bool[Array, ""] = False
    ) -> EpisodeState:
        """Starts the first episode where it is told to; nothing is stored for the next ones.

        Args:
            start: a state of the task and its observation, as the task's `reset` gives them.
            key: consumed.
            stagger: as for `reset`.
        """
        task, observation = start
        horizon = jnp.asarray(self.horizon, jnp.int32)
        offset = jnp.where(stagger, jax.random.randint(key, (), 0, horizon, jnp.int32), 0)
        return EpisodeState(
            task=task,
            observation=observation,
            next_starts=None,
            starts_used=jnp.zeros((), jnp.int32),
            clock=jnp.zeros((), jnp.int32),
            limit=horizon - offset,
            episode_return=jnp.zeros((), jnp.float32),
            metrics={name: jnp.zeros((), jnp.float32) for name in self.environment.metric_names},
        )

    def refresh(self, key: Key[Array, ""], state: EpisodeState) -> EpisodeState:
        """Draws new starts for the next episodes of a loop of one's own; nothing else changes. The key is consumed."""
        if self.environment.resets_cheaply:
            return state
        return state.with_starts(jax.lax.map(self.environment.reset, self._start_keys(key)))

    def step(
        self, key: Key[Array, ""], state: EpisodeState, action: Float[Array, " action"]
    ) -> tuple[EpisodeState, TimeStep]:
        """Goes one step, and on to the next episode where this one ends.

        Args:
            key: consumed.
            state: what `reset` or `step` gave, with stored starts unless the task resets cheaply.
            action: a unit action, shape `(action_space.size,)`; see `AbstractEnvironment.step`.

        Returns:
            the next state and what happened.
        """
        step_key, start_key = jax.random.split(key)
        task, transition = self.environment.step(step_key, state.task, action)

        nonfinite = ~self.environment.is_sane(task, transition)
        reward = jnp.where(nonfinite, self._worst_reward, transition.reward)
        terminated = transition.terminated & ~nonfinite
        final_observation = where_tree(nonfinite, state.observation, transition.observation)

        clock = state.clock + 1
        truncated = (transition.truncated | (clock >= state.limit) | nonfinite) & ~terminated

        ended = terminated | truncated
        start = self._next_start(state, start_key)
        next_task, observation = where_tree(ended, start, (task, final_observation))

        episode_return = state.episode_return + reward
        metrics = {
            name: total + jnp.where(nonfinite, 0.0, transition.metrics[name]) for name, total in state.metrics.items()
        }
        next_state = EpisodeState(
            task=next_task,
            observation=observation,
            next_starts=state.next_starts,
            starts_used=state.starts_used + ended,
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

    @property
    def _worst_reward(self) -> float:
        return 0.0 if self.environment.reward_range is None else self.environment.reward_range[0]

    def _start_keys(self, key: Key[Array, ""]) -> Key[Array, " start"]:
        return jax.random.split(key, 0 if self.environment.resets_cheaply else self.num_starts)

    def _next_start(self, state: EpisodeState, key: Key[Array, ""]) -> tuple[State, Observation]:
        """Where the next episode would start."""
        if self.environment.resets_cheaply:
            return self.environment.reset(key)
        return jax.tree.map(lambda leaf: leaf[state.starts_used % self.num_starts], state.next_starts)
