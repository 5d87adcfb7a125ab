"""Value representations: what the critic's outputs mean, and the loss that trains them."""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from reppo.component import Component, Scalar, hyper, static
from reppo.distributions import Action
from reppo.errors import ConfigurationError, require
from reppo.losses.supports import AbstractSupport, FixedSupport, few_bins, share_outside
from reppo.networks import CriticOutput


def hl_gauss(
    value: Float[Array, ""] | Scalar | float,
    low: Float[Array, ""] | Scalar | float,
    high: Float[Array, ""] | Scalar | float,
    num_bins: int,
    sigma: Float[Array, ""] | Scalar | float = 0.75,
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


def two_hot(
    value: Float[Array, ""] | Scalar | float,
    low: Float[Array, ""] | Scalar | float,
    high: Float[Array, ""] | Scalar | float,
    num_bins: int,
) -> Float[Array, " bins"]:
    """All mass on the two bins next to a value, so that the mean of the histogram is the value.

    This is the projection of C51 (Bellemare et al. 2017, arXiv 1707.06887) of a target that is a single number.
    Values outside [low, high] are clipped to it. Arguments as for `hl_gauss`.

    Args:
        value: a number; see `hl_gauss`.
        low: the middle of the first bin.
        high: the middle of the last bin, above `low`.
        num_bins: at least 2.

    Returns:
        Probabilities that sum to 1.
    """
    position = (jnp.clip(value, low, high) - low) / (high - low) * (num_bins - 1)
    return jnp.clip(1 - jnp.abs(position - jnp.arange(num_bins)), 0.0)


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

    def start(self, scale: float) -> Float[Array, " logits"] | None:
        """What makes an untrained critic begin near the value 0: added to its outputs `scale` times, they stand for it.

        A start is not a target: the gradient of the loss must not vanish there. Only `AbstractOffset` asks for it.

        Args:
            scale: the factor, positive; the greater, the nearer to 0.

        Returns:
            One entry an output; None where outputs near 0 stand for 0 as they are. Where 0 cannot be represented, the
            start is at the nearest value that can.

        Raises:
            ConfigurationError: unless a value representation says how.
        """
        raise ConfigurationError(
            f"{type(self).__name__} does not say how a critic starts at 0. Define its method `start`, "
            "or set algorithm.critic_offset=NoOffset()."
        )

    @abstractmethod
    def outside(self, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
        """1 for each target that cannot be represented, 0 for the others."""


@final
class HLGauss(AbstractValue):
    """A categorical critic: cross-entropy against `hl_gauss`, decoded as the mean of the histogram.

    As published it pulls values at the ends of its support inward, because the part of the Gaussian that lies outside
    is cut off: with a sigma of 0.75 by 0.37 bins at an end, by 0.047 one bin from it, by 0.001 two bins from it. A
    critic that bootstraps repeats that: without any rewards, one-step targets at a discount of 0.99 settle 1.4 bins
    above 0, which is 2.8% of a support of 51 bins. `SupportFromRewards(beyond=3)` takes the ends out of reach.

    Attributes:
        support: the interval of values.
        num_bins: number of bins, at least 2.
        sigma: smoothing in bin widths, positive.

    References: Imani & White 2018, arXiv 1806.04613; Farebrother et al. 2024, arXiv 2403.03950.
    """

    support: AbstractSupport = FixedSupport()
    num_bins: int = static(151)
    sigma: Scalar = hyper(0.75)

    @property
    def size(self) -> int:
        """Number of critic outputs."""
        return self.num_bins

    def decode(self, logits: Float[Array, " logits"]) -> Float[Array, ""]:
        return _mean_of_bins(logits, self.support)

    def loss(self, logits: Float[Array, " logits"], target: Float[Array, ""]) -> Float[Array, ""]:
        low, high = self.support.bounds()
        return -jnp.sum(hl_gauss(target, low, high, self.num_bins, self.sigma) * jax.nn.log_softmax(logits))

    def start(self, scale: float) -> Float[Array, " logits"]:
        return hl_gauss(0.0, *self.support.bounds(), self.num_bins, self.sigma)

    def outside(self, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
        return share_outside(self.support, targets)

    def concerns(self, spec: Any) -> list[str]:
        return few_bins(self.support, self.num_bins, spec)

    def validate(self) -> None:
        _require_bins(self.num_bins)
        require(self.sigma > 0, f"The sigma of HLGauss is {self.sigma!s} bin widths; give a positive one.")


@final
class TwoHot(AbstractValue):
    """A categorical critic: cross-entropy against `two_hot`, decoded as the mean of the histogram.

    Attributes:
        support: the interval of values.
        num_bins: number of bins, at least 2.

    Reference: Schrittwieser et al. 2020 (arXiv 1911.08265); Bellemare et al. 2017 (arXiv 1707.06887).
    """

    support: AbstractSupport = FixedSupport()
    num_bins: int = static(151)

    @property
    def size(self) -> int:
        """Number of critic outputs."""
        return self.num_bins

    def decode(self, logits: Float[Array, " logits"]) -> Float[Array, ""]:
        return _mean_of_bins(logits, self.support)

    def loss(self, logits: Float[Array, " logits"], target: Float[Array, ""]) -> Float[Array, ""]:
        return -jnp.sum(two_hot(target, *self.support.bounds(), self.num_bins) * jax.nn.log_softmax(logits))

    def start(self, scale: float) -> Float[Array, " logits"]:
        return two_hot(0.0, *self.support.bounds(), self.num_bins)

    def outside(self, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
        return share_outside(self.support, targets)

    def concerns(self, spec: Any) -> list[str]:
        return few_bins(self.support, self.num_bins, spec)

    def validate(self) -> None:
        _require_bins(self.num_bins)


@final
class DecodedMSE(AbstractValue):
    """A categorical critic trained by the squared error of its mean.

    The outputs are those of `HLGauss`, the loss is that of `ScalarValue`: it tells what the representation does from
    what the cross-entropy does.

    Attributes:
        support: the interval of values.
        num_bins: number of bins, at least 2.

    Reference: Farebrother et al. 2024 (arXiv 2403.03950), section 5.
    """

    support: AbstractSupport = FixedSupport()
    num_bins: int = static(151)

    @property
    def size(self) -> int:
        """Number of critic outputs."""
        return self.num_bins

    def decode(self, logits: Float[Array, " logits"]) -> Float[Array, ""]:
        return _mean_of_bins(logits, self.support)

    def loss(self, logits: Float[Array, " logits"], target: Float[Array, ""]) -> Float[Array, ""]:
        return (self.decode(logits) - target) ** 2

    def start(self, scale: float) -> Float[Array, " logits"]:
        """Outputs that fall linearly with the distance from 0, by `scale` over the support, at most by 1 a bin.

        The mean of the histogram is differentiated here: with all mass in one bin, as a target of 0 times 40 has it,
        its gradient would be 0 and stay so. This histogram is spread over about 1 / scale of the support.
        """
        low, high = self.support.bounds()
        distance = jnp.abs(jnp.linspace(0.0, 1.0, self.num_bins) - jnp.clip(-low / (high - low), 0.0, 1.0))
        return -min(1.0, (self.num_bins - 1) / scale) * distance

    def outside(self, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
        return share_outside(self.support, targets)

    def concerns(self, spec: Any) -> list[str]:
        return few_bins(self.support, self.num_bins, spec)

    def validate(self) -> None:
        _require_bins(self.num_bins)


@final
class ScalarValue(AbstractValue):
    """A scalar critic trained by the squared error."""

    @property
    def size(self) -> int:
        """Number of critic outputs."""
        return 1

    def decode(self, logits: Float[Array, " logits"]) -> Float[Array, ""]:
        return logits[0]

    def loss(self, logits: Float[Array, " logits"], target: Float[Array, ""]) -> Float[Array, ""]:
        return (logits[0] - target) ** 2

    def start(self, scale: float) -> None:
        return None

    def outside(self, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
        return jnp.zeros_like(targets)


def _mean_of_bins(logits: Float[Array, " logits"], support: AbstractSupport) -> Float[Array, ""]:
    """The mean of the histogram of these logits over the support."""
    low, high = support.bounds()
    # Centers between 0 and 1 first: the sum of 151 terms is then accurate to a small fraction of a bin.
    position = jax.nn.softmax(logits) @ jnp.linspace(0.0, 1.0, logits.shape[0])
    return low + (high - low) * position


def _require_bins(num_bins: int) -> None:
    require(num_bins >= 2, f"The number of bins is {num_bins}; give at least 2.")


@final
class QFunction(eqx.Module):
    """A critic network and what its outputs stand for: the value of a state and an action.

    Attributes:
        critic: a network from (normalized critic observation, action) to a `CriticOutput`.
        value: what decodes its logits.
    """

    critic: Any
    value: AbstractValue

    def __call__(self, observation: PyTree[Array], action: Action) -> Float[Array, ""]:
        """The value of an action at one observation."""
        return self.with_output(observation, action)[0]

    def with_output(self, observation: PyTree[Array], action: Action) -> tuple[Float[Array, ""], CriticOutput]:
        """The value, and all that the network says."""
        output = self.critic(observation, action)
        return self.value.decode(output.logits), output


@final
class StateValue(eqx.Module):
    """A critic network and what its outputs stand for: the value of a state under the policy.

    Attributes:
        critic: a network from (normalized critic observation, action of length 0) to a `CriticOutput`.
        value: what decodes its logits.
    """

    critic: Any
    value: AbstractValue

    def __call__(self, observation: PyTree[Array]) -> Float[Array, ""]:
        """The value of one observation."""
        return self.with_output(observation)[0]

    def with_output(self, observation: PyTree[Array]) -> tuple[Float[Array, ""], CriticOutput]:
        """The value, and all that the network says."""
        output = self.critic(observation, jnp.zeros(0))
        return self.value.decode(output.logits), output
