"""Value representations: what the critic's outputs mean, and the loss that trains them."""

from abc import abstractmethod
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component, hyper, static
from reppo.component import Scalar as ScalarLike
from reppo.errors import require
from reppo.losses.supports import AbstractSupport, FixedSupport, share_outside


def hl_gauss(
    value: Float[Array, ""] | ScalarLike | float,
    low: Float[Array, ""] | ScalarLike | float,
    high: Float[Array, ""] | ScalarLike | float,
    num_bins: int,
    sigma: Float[Array, ""] | ScalarLike | float = 0.75,
) -> Float[Array, " bins"]:
    """Histogram of a Gaussian around a value: the target of a categorical critic.

    Bins of width `w = (high - low) / (num_bins - 1)` are centered on `linspace(low, high, num_bins)`. Each holds the
    mass of `N(value, sigma * w)`, and the whole is normalized over the outermost edges. Values outside [low, high] are
    clipped to it.

    Args:
        value: the value to represent.
        low: center of the first bin.
        high: center of the last bin.
        num_bins: number of bins, at least 2.
        sigma: standard deviation of the Gaussian in bin widths, positive.

    Returns:
        Probabilities that sum to 1.

    Reference: Farebrother et al. 2024 (arXiv 2403.03950); Imani & White 2018 (arXiv 1806.04613).
    """
    width = (high - low) / (num_bins - 1)
    edges = low + (jnp.arange(num_bins + 1) - 0.5) * width
    mass = jax.scipy.special.erf((edges - jnp.clip(value, low, high)) / (jnp.sqrt(2.0) * sigma * width))
    return (mass[1:] - mass[:-1]) / (mass[-1] - mass[0])


class AbstractValue(Component):
    """A representation of scalar values by the outputs of the critic."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of critic outputs."""

    @abstractmethod
    def decode(self, logits: Float[Array, " logits"]) -> Float[Array, ""]:
        """The value that the outputs stand for."""

    @abstractmethod
    def loss(self, logits: Float[Array, " logits"], target: Float[Array, ""]) -> Float[Array, ""]:
        """The loss of the outputs against a scalar target, for one example."""

    @abstractmethod
    def outside(self, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
        """1 for each target that cannot be represented, 0 for the others."""


@final
class HLGauss(AbstractValue):
    """A categorical critic: cross-entropy against `hl_gauss`, decoded as the mean of the histogram.

    Attributes:
        support: the interval of values.
        num_bins: number of bins, at least 2.
        sigma: smoothing in bin widths, positive.
    """

    support: AbstractSupport = FixedSupport()
    num_bins: int = static(151)
    sigma: ScalarLike = hyper(0.75)

    @property
    def size(self) -> int:
        """Number of critic outputs."""
        return self.num_bins

    def decode(self, logits: Float[Array, " logits"]) -> Float[Array, ""]:
        low, high = self.support.bounds()
        # Centers between 0 and 1 first: the sum of 151 terms is then accurate to a small fraction of a bin.
        position = jax.nn.softmax(logits) @ jnp.linspace(0.0, 1.0, self.num_bins)
        return low + (high - low) * position

    def loss(self, logits: Float[Array, " logits"], target: Float[Array, ""]) -> Float[Array, ""]:
        low, high = self.support.bounds()
        return -jnp.sum(hl_gauss(target, low, high, self.num_bins, self.sigma) * jax.nn.log_softmax(logits))

    def outside(self, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
        return share_outside(self.support, targets)

    def validate(self) -> None:
        require(self.num_bins >= 2, f"The number of bins is {self.num_bins}; give at least 2.")
        require(self.sigma > 0, f"The sigma of HLGauss is {self.sigma!s} bin widths; give a positive one.")


@final
class Scalar(AbstractValue):
    """A scalar critic trained by the squared error."""

    @property
    def size(self) -> int:
        """Number of critic outputs."""
        return 1

    def decode(self, logits: Float[Array, " logits"]) -> Float[Array, ""]:
        return logits[0]

    def loss(self, logits: Float[Array, " logits"], target: Float[Array, ""]) -> Float[Array, ""]:
        return (logits[0] - target) ** 2

    def outside(self, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
        return jnp.zeros_like(targets)
