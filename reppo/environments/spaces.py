"""The spaces of actions. An algorithm acts in unit actions, arrays of shape `(size,)`; a space knows the task's own."""

import abc
import math
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from reppo.component import static
from reppo.errors import require


class ActionSpace(eqx.Module):
    """What a task's actions are: a `Box` or `Discrete`. What fits only one of them asks by `isinstance`."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """The length of a unit action, at least 1."""

    @staticmethod
    def unit(size: int) -> "Box":
        """The box `[-1, 1]^size`, which most continuous tasks act in.

        Args:
            size: the number of action dimensions, at least 1.
        """
        return Box((-1.0,) * size, (1.0,) * size)

    @abc.abstractmethod
    def from_unit(self, action: Float[Array | np.ndarray, " action"]) -> Array:
        """The task's own action for a unit action of shape `(size,)`."""

    @abc.abstractmethod
    def to_unit(self, action: Any) -> Float[Array, " action"]:
        """The unit action, shape `(size,)`, for an action of the task: the inverse of `from_unit`."""


@final
class Box(ActionSpace):
    """Continuous actions within bounds. Unit actions are in `[-1, 1]`.

    Attributes:
        low: the lower bound of each dimension, finite, in the task's unit.
        high: the upper bound of each dimension, above `low`.

    Raises:
        ConfigurationError: if the bounds are not finite, not of one length of at least 1, or a low one is not
            below its high one.
    """

    low: tuple[float, ...] = static()
    high: tuple[float, ...] = static()

    def __check_init__(self) -> None:
        bounds = f"low={self.low}, high={self.high}"
        require(len(self.low) == len(self.high) > 0, f"Action bounds must have one length, at least 1; got {bounds}.")
        require(
            all(math.isfinite(low) and math.isfinite(high) and low < high for low, high in zip(self.low, self.high)),
            f"Action bounds must be finite, each low below its high; got {bounds}.",
        )

    @property
    def size(self) -> int:
        """The length of a unit action: the number of action dimensions."""
        return len(self.low)

    @property
    def _centre(self) -> Float[np.ndarray, " action"]:
        return np.asarray([(low + high) / 2 for low, high in zip(self.low, self.high)], np.float32)

    @property
    def _half_width(self) -> Float[np.ndarray, " action"]:
        return np.asarray([(high - low) / 2 for low, high in zip(self.low, self.high)], np.float32)

    def from_unit(self, action: Float[Array | np.ndarray, " action"]) -> Float[Array, " action"]:
        """Maps an action in `[-1, 1]` to the task's bounds; what lies outside is clipped first.

        Args:
            action: shape `(size,)`.

        Returns:
            shape `(size,)`, within `[low, high]`.
        """
        return jnp.asarray(self._centre + self._half_width * jnp.clip(action, -1.0, 1.0))

    def to_unit(self, action: Float[Array | np.ndarray, " action"]) -> Float[Array, " action"]:
        """Maps an action within the task's bounds to `[-1, 1]`: the inverse of `from_unit`.

        Args:
            action: shape `(size,)`, within `[low, high]`.

        Returns:
            shape `(size,)`.
        """
        return jnp.asarray((action - self._centre) / self._half_width)


@final
class Discrete(ActionSpace):
    """One of several actions, which are numbered from 0. Unit actions are one-hot vectors.

    Attributes:
        number: how many there are, at least 2.

    Raises:
        ConfigurationError: if the number is no whole number of at least 2.
    """

    number: int = static()

    def __check_init__(self) -> None:
        fits = type(self.number) is int and self.number >= 2
        require(fits, f"The number of actions is {self.number!r}; give an integer of at least 2.")

    @property
    def size(self) -> int:
        """The length of a unit action: the number of actions."""
        return self.number

    def from_unit(self, action: Float[Array | np.ndarray, " action"]) -> Int[Array, ""]:
        """The number of the action that a unit action stands for: the place of its greatest entry.

        Where several are the greatest, it is the first of them.

        Args:
            action: shape `(size,)`.

        Returns:
            shape `()`, from 0 to `number - 1`.
        """
        return jnp.argmax(jnp.asarray(action)).astype(jnp.int32)

    def to_unit(self, action: Int[Array | np.ndarray, ""] | int) -> Float[Array, " action"]:
        """The one-hot vector of an action: the inverse of `from_unit`.

        Args:
            action: shape `()`, from 0 to `number - 1`.

        Returns:
            shape `(size,)`: 1 at the action's place, 0 elsewhere.
        """
        return jax.nn.one_hot(action, self.number, dtype=jnp.float32)
