"""Scales: where the standard deviation of a policy comes from."""

import math
from abc import abstractmethod
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require
from reppo.numerics import limit

_LEAST, _MOST = -10.0, 4.0
"""Limits on the log of a standard deviation, far outside of what training reaches."""


class AbstractScale(Component):
    """Gives the standard deviation of each action dimension."""

    @property
    @abstractmethod
    def per_action(self) -> int:
        """Outputs of the actor that it takes for each action dimension, 0 or 1."""

    @abstractmethod
    def __call__(self, outputs: Float[Array, " outputs"], actions: int) -> Float[Array, " action"]:
        """The standard deviations, positive.

        Args:
            outputs: `per_action * actions` outputs of the actor, for one state.
            actions: the number of action dimensions, at least 1.
        """

    def free(self, actions: int) -> Float[Array, " outputs"] | None:
        """Where its outputs start if they are parameters of their own, the same in every state; None if they are not.

        Args:
            actions: the number of action dimensions, at least 1.
        """
        return None


@final
class StateScale(AbstractScale):
    """`exp` of outputs of the network, so that it depends on the state; about 1 before training.

    The log is limited to [-10, 4], far outside of what training reaches, so that no overflow ends a run. Beyond a limit
    its gradient still leads back (`reppo.numerics.limit`).
    """

    @property
    def per_action(self) -> int:
        """1."""
        return 1

    def __call__(self, outputs: Float[Array, " outputs"], actions: int) -> Float[Array, " action"]:
        return jnp.exp(limit(outputs, _LEAST, _MOST))


@final
class SoftplusScale(AbstractScale):
    """`softplus` of outputs of the network, plus a floor; about 0.69 before training.

    Attributes:
        floor: added to it, positive.

    Source: the policies of Brax (Freeman et al. 2021, arXiv 2106.13281), whose floor is 0.001.
    """

    floor: Scalar = hyper(0.001)

    @property
    def per_action(self) -> int:
        """1."""
        return 1

    def __call__(self, outputs: Float[Array, " outputs"], actions: int) -> Float[Array, " action"]:
        return jax.nn.softplus(limit(outputs, _LEAST, math.exp(_MOST))) + self.floor

    def validate(self) -> None:
        require(0 < self.floor <= 10, f"The floor of the standard deviation is {self.floor!s}; give one in (0, 10].")


@final
class FreeScale(AbstractScale):
    """`exp` of parameters of their own, the same in every state, as in the continuous policies of Schulman et al.

    Limits are those of `StateScale`.

    Attributes:
        initial: the standard deviation before training, in [1e-4, 50].

    Reference: Schulman et al. 2017 (arXiv 1707.06347), section 6.1; Andrychowicz et al. 2020 (arXiv 2006.05990).
    """

    initial: Scalar = hyper(1.0)

    @property
    def per_action(self) -> int:
        """1."""
        return 1

    def __call__(self, outputs: Float[Array, " outputs"], actions: int) -> Float[Array, " action"]:
        return jnp.exp(limit(outputs, _LEAST, _MOST))

    def free(self, actions: int) -> Float[Array, " outputs"]:
        return jnp.full(actions, jnp.log(jnp.asarray(self.initial, jnp.float32)))

    def validate(self) -> None:
        _require_scale(self.initial)


@final
class FixedScale(AbstractScale):
    """A constant, which is not learned.

    Attributes:
        value: the standard deviation, in [1e-4, 50].
    """

    value: Scalar = hyper(0.5)

    @property
    def per_action(self) -> int:
        """0."""
        return 0

    def __call__(self, outputs: Float[Array, " outputs"], actions: int) -> Float[Array, " action"]:
        return jnp.full(actions, jnp.asarray(self.value, jnp.float32))

    def validate(self) -> None:
        _require_scale(self.value)


def _require_scale(scale: Scalar) -> None:
    require(1e-4 <= scale <= 50, f"The standard deviation is {scale!s}; give one in [1e-4, 50].")
