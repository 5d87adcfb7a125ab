"""A replay buffer: a ring of observations for each environment, and of what was done at each of them.

The true next observation of a step is the observation of the next one, but at the end of an episode, where the next
step belongs to another one. There it has a place of its own, between the two. So every observation stands in memory
once, and what follows a step is always one place further.
"""

import dataclasses
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
    """What `UniformReplay` keeps: rows, those of a place or a step next to each other.

    A place or a step is counted from the first ever; what is left of the number after division by the length of the
    ring is where it stands. Axes of length 1 are left out: with them XLA would lay the arrays out in another way inside
    of a program than between programs, and copy them twice in each iteration.

    Attributes:
        observation: raw observations, one row for each place and environment.
        action: unit actions, one row for each step and environment.
        reward: likewise.
        terminated: likewise.
        truncated: likewise.
        place: where the step's observation is, likewise.
        collected: steps of each environment so far.
        places: of each environment, taken so far. Unless an episode ended, what followed the last step stands in the
            next one until the next step comes.
        oldest: the first step of each environment whose observations are all there.
        shapes: of the arrays of one observation.
        action_size: the length of a unit action, at least 1.
    """

    observation: Observation
    action: Float[Array, "rows ..."]
    reward: Float[Array, " rows"]
    terminated: Bool[Array, " rows"]
    truncated: Bool[Array, " rows"]
    place: Int[Array, " rows"]
    collected: Int[Array, ""]
    places: Int[Array, " environment"]
    oldest: Int[Array, " environment"]
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    action_size: int = eqx.field(static=True)


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
        rows = self.capacity // num_environments * num_environments
        empty = lambda *shape, dtype=jnp.float32: jnp.zeros((rows, *_without_ones(shape)), dtype)
        return Stored(
            observation=jax.tree.map(lambda leaf: empty(*leaf.shape, dtype=leaf.dtype), interface.observation),
            action=empty(interface.action.size),
            reward=empty(),
            terminated=empty(dtype=bool),
            truncated=empty(dtype=bool),
            place=empty(dtype=jnp.int32),
            collected=jnp.zeros((), jnp.int32),
            places=jnp.zeros(num_environments, jnp.int32),
            oldest=jnp.zeros(num_environments, jnp.int32),
            shapes=tuple(leaf.shape for leaf in jax.tree.leaves(interface.observation)),
            action_size=interface.action.size,
        )

    def add(self, stored: Stored, trajectory: Trajectory) -> Stored:
        ended = trajectory.terminated | trajectory.truncated
        length, environments = ended.shape
        ring, rows = len(stored.place) // environments, len(stored.place)
        columns = jnp.broadcast_to(jnp.arange(environments), ended.shape)
        steps = jnp.arange(length)
        place = stored.places[None] + steps[:, None] + jnp.cumsum(ended, axis=0, dtype=jnp.int32) - ended
        now = place % ring * environments + columns
        after = (place + 1) % ring * environments + columns
        after = jnp.where(ended.at[-1].set(True), after, rows)  # beyond the last row: written nowhere
        step = (stored.collected + steps)[:, None] % ring * environments + columns

        def put(kept: Array, where: Array, new: Array) -> Array:
            return kept.at[where].set(new.reshape(*where.shape, *kept.shape[1:]), mode="drop")

        placed = lambda kept, seen, following: put(put(kept, now, seen), after, following)
        collected, place_of = stored.collected + length, put(stored.place, step, place)
        whole_from = place[-1] + 1 - (ring - 1)  # what followed the last step is the newest in the ring
        return dataclasses.replace(
            stored,
            observation=jax.tree.map(placed, stored.observation, trajectory.observation, trajectory.final_observation),
            action=put(stored.action, step, trajectory.action),
            reward=put(stored.reward, step, trajectory.reward),
            terminated=put(stored.terminated, step, trajectory.terminated),
            truncated=put(stored.truncated, step, trajectory.truncated),
            place=place_of,
            collected=collected,
            places=place[-1] + 1 + ended[-1],
            oldest=_first_at(place_of, whole_from, jnp.maximum(stored.oldest, collected - ring), collected),
        )

    def size(self, stored: Stored) -> Int[Array, ""]:
        return jnp.sum(stored.collected - stored.oldest)

    def draw(
        self,
        stored: Stored,
        rows: int,
        steps: int,
        gamma: Scalar | Float[Array, ""] | float,
        key: Key[Array, ""],
    ) -> Transitions:
        environments, available = len(stored.places), stored.collected - stored.oldest
        ring, until = len(stored.place) // environments, jnp.cumsum(available)
        number = jax.random.randint(key, (rows,), 0, until[-1])
        column = jnp.searchsorted(until, number, side="right")
        first = stored.oldest[column] + number - (until - available)[column]
        at = lambda number: number % ring * environments + column
        reward, discount = jnp.zeros(rows), jnp.ones(rows)
        last, goes_on = first, jnp.ones(rows, bool)
        for later in range(steps):
            step = first + later
            goes_on &= step < stored.collected
            reward += jnp.where(goes_on, discount * stored.reward[at(step)], 0.0)
            discount = jnp.where(goes_on, discount * gamma * ~stored.terminated[at(step)], discount)
            last = jnp.where(goes_on, step, last)
            goes_on &= ~(stored.terminated[at(step)] | stored.truncated[at(step)])
        here, there = at(stored.place[at(first)]), at(stored.place[at(last)] + 1)
        leaves, structure = jax.tree.flatten(stored.observation)
        read = lambda where: structure.unflatten(
            kept[where].reshape(rows, *shape) for kept, shape in zip(leaves, stored.shapes, strict=True)
        )
        return Transitions(
            observation=read(here),
            action=stored.action[at(first)].reshape(rows, stored.action_size),
            reward=reward,
            discount=discount,
            next_observation=read(there),
        )

    def check(self, num_environments: int, rollout_length: int, least: int) -> None:
        needed = self.least_capacity(num_environments, rollout_length, least)
        require(
            self.capacity >= needed,
            f"The capacity of the replay buffer is {self.capacity}; give at least {needed}. {num_environments} "
            f"environments collect {rollout_length} steps at a time, learning waits for {least} of all together, and "
            "each step may need room for two observations, if it ends an episode.",
        )

    @staticmethod
    def least_capacity(num_environments: int, rollout_length: int, least: int) -> int:
        """The least capacity that `check` takes, with room for an end of an episode at each step.

        Args:
            num_environments: in each rollout, at least 1.
            rollout_length: its steps, at least 1.
            least: steps that are waited for before any is drawn, at least 0.
        """
        steps = max(rollout_length, math.ceil(least / num_environments))
        return num_environments * (2 * steps + 1)

    def validate(self) -> None:
        require(self.capacity >= 1, f"The capacity of the replay buffer is {self.capacity}; give at least 1.")


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length > 1)


def _first_at(
    place: Int[Array, " rows"], least: Int[Array, " environment"], low: Int[Array, " environment"], high: Int[Array, ""]
) -> Int[Array, " environment"]:
    """The first step of each environment from `low` whose place is at least `least`; `high` if there is none.

    Places rise with the steps, so that it is found by halving.
    """
    environments = len(least)
    ring, columns = len(place) // environments, jnp.arange(environments)

    def halve(_: Any, between: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = between
        middle = (low + high) // 2
        fits = (low >= high) | (place[middle % ring * environments + columns] >= least)
        return jnp.where(fits, low, middle + 1), jnp.where(fits, middle, high)

    return jax.lax.fori_loop(0, math.ceil(math.log2(ring)) + 1, halve, (low, jnp.broadcast_to(high, low.shape)))[0]
