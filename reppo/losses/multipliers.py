"""Lagrange multipliers: the temperature of the entropy and the weight of the KL constraint."""

from abc import abstractmethod
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require


class AbstractMultiplier(Component):
    """A positive weight, learned or not."""

    @abstractmethod
    def init(self) -> Float[Array, ""] | None:
        """Its parameter; None if it has none."""

    @abstractmethod
    def value(self, parameter: Float[Array, ""] | None) -> Float[Array, ""] | Scalar:
        """The weight, a constant to every loss but its own."""

    @abstractmethod
    def loss(self, parameter: Float[Array, ""] | None, slack: Float[Array, ""]) -> Float[Array, ""]:
        """The loss that moves the parameter.

        Args:
            parameter: what `init` gave.
            slack: how far the constraint is from being violated; negative while it is. The multiplier rises while the
                slack is negative.
        """


@final
class LearnedMultiplier(AbstractMultiplier):
    """`exp` of a learned parameter, moved by the gradient of `multiplier * slack`.

    Attributes:
        initial: value at the start, positive.

    Reference: Haarnoja et al. 2018 (arXiv 1812.05905), section 5; arXiv 2507.11019, section 3.
    """

    initial: Scalar = hyper(0.01)

    def init(self) -> Float[Array, ""] | None:
        return jnp.log(jnp.asarray(self.initial, jnp.float32))

    def value(self, parameter: Float[Array, ""] | None) -> Float[Array, ""] | Scalar:
        assert parameter is not None
        return jax.lax.stop_gradient(jnp.exp(parameter))

    def loss(self, parameter: Float[Array, ""] | None, slack: Float[Array, ""]) -> Float[Array, ""]:
        assert parameter is not None
        return jnp.exp(parameter) * jax.lax.stop_gradient(slack)

    def validate(self) -> None:
        require(self.initial > 0, f"The initial multiplier is {self.initial!s}; give a positive one.")


@final
class FixedMultiplier(AbstractMultiplier):
    """A constant.

    Attributes:
        weight: the constant, at least 0.
    """

    weight: Scalar = hyper(0.01)

    def init(self) -> Float[Array, ""] | None:
        return None

    def value(self, parameter: Float[Array, ""] | None) -> Float[Array, ""] | Scalar:
        return self.weight

    def loss(self, parameter: Float[Array, ""] | None, slack: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.array(0.0)

    def validate(self) -> None:
        require(self.weight >= 0, f"The multiplier is {self.weight!s}; give one of at least 0.")
