"""Heads: how the outputs of the actor network become a distribution over actions."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component, Scalar, hyper
from reppo.distributions.tanh_normal import TanhNormal
from reppo.errors import require
from reppo.numerics import limit


class AbstractHead(Component):
    """Turns the actor network's outputs into a distribution."""

    @abstractmethod
    def size(self, action_size: int) -> int:
        """Number of network outputs for an action space of that many dimensions."""

    @abstractmethod
    def __call__(self, outputs: Float[Array, " outputs"]) -> TanhNormal:
        """The distribution, for one state."""


@final
class TanhNormalHead(AbstractHead):
    """Mean and log standard deviation, both outputs of the network: `scale = exp(log_std) + floor`.

    Attributes:
        floor: added to the standard deviation, at least 0. The reference implementation adds 0.1 although its
            configuration says 0; here it is what it says.

    The squashed normal of SAC (Haarnoja et al. 2018, arXiv 1801.01290). Differs from the reference in that `log_std` is
    limited to [-10, 4], far outside of what training reaches, so that no overflow ends a run. Beyond a limit its
    gradient still leads back (`reppo.numerics.limit`).
    """

    floor: Scalar = hyper(0.0)

    def size(self, action_size: int) -> int:
        return 2 * action_size

    def __call__(self, outputs: Float[Array, " outputs"]) -> TanhNormal:
        loc, log_std = jnp.split(outputs, 2)
        return TanhNormal(loc=loc, scale=jnp.exp(limit(log_std, -10.0, 4.0)) + self.floor)

    def validate(self) -> None:
        require(0 <= self.floor <= 10, f"The floor of the standard deviation is {self.floor!s}; give one in [0, 10].")
