"""A replay buffer: a ring of observations for each environment, and of what was done at each of them.

The true next observation of a step is the observation of the next one, but at the end of an episode, where the next
step belongs to another one. There it has a place of its own, between the two. So every observation stands in memory
once, and what follows a step is always one place further.
"""

import math
from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from reppo.component import Component, Scalar, static
from reppo.environments import Interface, Observation
from reppo.errors import require
from reppo.rollout import Trajectory


@final
class Transitions(eqx.Module):
    """Steps that were drawn, each with what came of it after one or several steps; leaves `[rows, ...]`.

    Attributes:
        observation: raw observation before the step.
        action: unit action taken.
        reward: discounted sum of the rewards of the steps that count.
        discount: of the value of `next_observation`: 0 after a termination, else the discount factor to the power of
            the steps that count.
        next_observation: raw observation after the last step that counts.
    """

    observation: Observation
    action: Float[Array, "rows action"]
    reward: Float[Array, " rows"]
    discount: Float[Array, " rows"]
    next_observation: Observation


class AbstractReplay(Component):
    """Keeps steps of several environments, and draws some of them for an update."""

    @abstractmethod
    def init(self, interface: Interface, num_environments: int) -> Any:
        """What is kept before anything was collected.

        Args:
            interface: the shapes of observations and the space of actions.
            num_environments: as many as there are in each trajectory, at least 1.
        """

    @abstractmethod
    def add(self, stored: Any, trajectory: Trajectory) -> Any:
        """Keeps a rollout, in place of the oldest steps where there is no room.

        Args:
            stored: what was kept so far; consumed, so that its memory is used again.
            trajectory: leaves `[time, environment, ...]`, which goes on where the one before ended.
        """

    @abstractmethod
    def size(self, stored: Any) -> Int[Array, ""]:
        """How many steps can be drawn."""

    @abstractmethod
    def draw(
        self, stored: Any, rows: int, steps: int, gamma: Scalar | Float[Array, ""] | float, key: Key[Array, ""]
    ) -> Transitions:
        """Draws steps, with replacement.

        Args:
            stored: what is kept: at least one step.
            rows: how many are drawn, at least 1.
            steps: how many rewards are added up at most, at least 1: fewer where an episode ends, terminated or
                truncated, or where the newest step is reached.
            gamma: discount factor, in [0, 1].
            key: consumed.
        """

    @abstractmethod
    def check(self, num_environments: int, rollout_length: int, least: int) -> None:
        """Raises `ConfigurationError` if rollouts of this size, or so many steps, cannot be kept.

        Args:
            num_environments: in each rollout, at least 1.
            rollout_length: its steps, at least 1.
            least: steps that are waited for before any is drawn, at least 0.
        """


@final
class Stored(eqx.Module):
    """What `UniformReplay` keeps. A place or a step is counted from the first ever, and stands at its rest in the ring.

    Attributes:
        observation: raw observations, `[place, environment, ...]`.
        action: unit actions, `[step, environment, action]`.
        reward: of each step, `[step, environment]`.
        terminated: likewise.
        truncated: likewise.
        place: of each step's observation, likewise.
        collected: steps of each environment so far.
        places: of each environment, taken so far. Unless an episode ended, what followed the last step stands in the
            next one until the next step comes.
        oldest: the first step of each environment whose observations are all there.
    """

    observation: Observation
    action: Float[Array, "step environment action"]
    reward: Float[Array, "step environment"]
    terminated: Bool[Array, "step environment"]
    truncated: Bool[Array, "step environment"]
    place: Int[Array, "step environment"]
    collected: Int[Array, ""]
    places: Int[Array, " environment"]
    oldest: Int[Array, " environment"]


@final
class UniformReplay(AbstractReplay):
    """The newest steps, each as likely to be drawn as any other.

    Attributes:
        capacity: observations that are kept, of all environments together, at least 1: one for each step, one more for
            each end of an episode, and one for each environment. Each has as many; what the division leaves is unused.

    References: Lin 1992; Mnih et al. 2013 (arXiv 1312.5602).
    """

    capacity: int = static(1_000_000)

    def init(self, interface: Interface, num_environments: int) -> Stored:
        ring = self.capacity // num_environments
        rows = lambda *shape, dtype=jnp.float32: jnp.zeros((ring, num_environments, *shape), dtype)
        return Stored(
            observation=jax.tree.map(lambda leaf: rows(*leaf.shape, dtype=leaf.dtype), interface.observation),
            action=rows(interface.action.size),
            reward=rows(),
            terminated=rows(dtype=bool),
            truncated=rows(dtype=bool),
            place=rows(dtype=jnp.int32),
            collected=jnp.zeros((), jnp.int32),
            places=jnp.zeros(num_environments, jnp.int32),
            oldest=jnp.zeros(num_environments, jnp.int32),
        )

    def add(self, stored: Stored, trajectory: Trajectory) -> Stored:
        ring, environments = stored.place.shape
        ended = trajectory.terminated | trajectory.truncated
        length, columns = len(ended), jnp.broadcast_to(jnp.arange(environments), ended.shape)
        steps = jnp.arange(length)
        place = stored.places[None] + steps[:, None] + jnp.cumsum(ended, axis=0, dtype=jnp.int32) - ended
        after = jnp.where(ended.at[-1].set(True), (place + 1) % ring, ring)  # beyond the ring: written nowhere

        def placed(kept: Array, now: Array, then: Array) -> Array:
            return kept.at[place % ring, columns].set(now).at[after, columns].set(then, mode="drop")

        written = (stored.collected + steps) % ring
        replaced = lambda kept, new: kept.at[written].set(new)
        collected, place_of = stored.collected + length, replaced(stored.place, place)
        whole_from = place[-1] + 1 - (ring - 1)  # what followed the last step is the newest in the ring
        return Stored(
            observation=jax.tree.map(placed, stored.observation, trajectory.observation, trajectory.final_observation),
            action=replaced(stored.action, trajectory.action),
            reward=replaced(stored.reward, trajectory.reward),
            terminated=replaced(stored.terminated, trajectory.terminated),
            truncated=replaced(stored.truncated, trajectory.truncated),
            place=place_of,
            collected=collected,
            places=place[-1] + 1 + ended[-1],
            oldest=_first_at(place_of, whole_from, jnp.maximum(stored.oldest, collected - ring), collected),
        )

    def size(self, stored: Stored) -> Int[Array, ""]:
        return jnp.sum(stored.collected - stored.oldest)

    def draw(
        self, stored: Stored, rows: int, steps: int, gamma: Scalar | Float[Array, ""] | float, key: Key[Array, ""]
    ) -> Transitions:
        ring, available = len(stored.place), stored.collected - stored.oldest
        until = jnp.cumsum(available)
        number = jax.random.randint(key, (rows,), 0, until[-1])
        column = jnp.searchsorted(until, number, side="right")
        first = stored.oldest[column] + number - (until - available)[column]
        reward, discount = jnp.zeros(rows), jnp.ones(rows)
        last, goes_on = first, jnp.ones(rows, bool)
        for later in range(steps):
            step = first + later
            goes_on &= step < stored.collected
            at = step % ring, column
            reward += jnp.where(goes_on, discount * stored.reward[at], 0.0)
            discount = jnp.where(goes_on, discount * gamma * ~stored.terminated[at], discount)
            last = jnp.where(goes_on, step, last)
            goes_on &= ~(stored.terminated[at] | stored.truncated[at])
        here, there = (stored.place[step % ring, column] for step in (first, last))
        return Transitions(
            observation=jax.tree.map(lambda kept: kept[here % ring, column], stored.observation),
            action=stored.action[first % ring, column],
            reward=reward,
            discount=discount,
            next_observation=jax.tree.map(lambda kept: kept[(there + 1) % ring, column], stored.observation),
        )

    def check(self, num_environments: int, rollout_length: int, least: int) -> None:
        steps = max(rollout_length, math.ceil(least / num_environments))
        needed = num_environments * (2 * steps + 1)
        require(
            self.capacity >= needed,
            f"The capacity of the replay buffer is {self.capacity}; give at least {needed}. {num_environments} "
            f"environments collect {rollout_length} steps at a time, learning waits for {least} of all together, and "
            "each step may need room for two observations, if it ends an episode.",
        )

    def validate(self) -> None:
        require(self.capacity >= 1, f"The capacity of the replay buffer is {self.capacity}; give at least 1.")


def _first_at(
    place: Int[Array, "step environment"],
    least: Int[Array, " environment"],
    low: Int[Array, " environment"],
    high: Int[Array, ""],
) -> Int[Array, " environment"]:
    """The first step of each environment from `low` whose place is at least `least`; `high` if there is none.

    Places rise with the steps, so that it is found by halving.
    """
    ring, environments = place.shape

    def halve(_: Any, between: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = between
        middle = (low + high) // 2
        fits = (low >= high) | (place[middle % ring, jnp.arange(environments)] >= least)
        return jnp.where(fits, low, middle + 1), jnp.where(fits, middle, high)

    return jax.lax.fori_loop(0, math.ceil(math.log2(ring)) + 1, halve, (low, jnp.broadcast_to(high, low.shape)))[0]
