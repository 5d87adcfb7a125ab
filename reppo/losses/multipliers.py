"""Lagrange multipliers: the temperature of the entropy and the weight of the KL constraint."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from reppo.component import Component, Scalar, hyper
from reppo.errors import require
from reppo.numerics import limit

_LEAST, _MOST = 1e-8, 1e8


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

    The multiplier is held within [1e-8, 1e8]: it neither overflows, however long its constraint is violated, nor
    shrinks to a 0 from which it could not rise. Beyond a limit its gradient still leads back (`reppo.numerics.limit`).

    Attributes:
        initial: value at the start, in [1e-8, 1e8].

    Reference: Haarnoja et al. 2018 (arXiv 1812.05905), section 5; arXiv 2507.11019, section 3.
    """

    initial: Scalar = hyper(0.01)

    def init(self) -> Float[Array, ""] | None:
        return jnp.log(jnp.asarray(self.initial, jnp.float32))

    def value(self, parameter: Float[Array, ""] | None) -> Float[Array, ""] | Scalar:
        assert parameter is not None
        return jax.lax.stop_gradient(_exp(parameter))

    def loss(self, parameter: Float[Array, ""] | None, slack: Float[Array, ""]) -> Float[Array, ""]:
        assert parameter is not None
        return _exp(parameter) * jax.lax.stop_gradient(slack)

    def validate(self) -> None:
        require(
            np.float32(_LEAST) <= self.initial <= np.float32(_MOST),
            f"The initial multiplier is {self.initial!s}; give one in [{_LEAST:g}, {_MOST:g}]. A FixedMultiplier may "
            "be 0.",
        )


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


def _exp(parameter: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.exp(limit(parameter, math.log(_LEAST), math.log(_MOST)))


def multiplier_gradients(
    multipliers: Sequence[AbstractMultiplier], parameters: PyTree, slacks: Sequence[Float[Array, ""]]
) -> PyTree:
    """The gradients that move the parameters of multipliers, each by its own slack (see `AbstractMultiplier.loss`)."""

    def loss(parameters: Any) -> Float[Array, ""]:
        losses = [one.loss(own, slack) for one, own, slack in zip(multipliers, parameters, slacks, strict=True)]
        return jnp.sum(jnp.stack(losses))

    return jax.grad(loss)(parameters)
