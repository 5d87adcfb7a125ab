"""The interval of values that a categorical critic can express."""

from abc import abstractmethod
from typing import Any, final

import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import ConfigurationError, require


class AbstractSupport(Component):
    """An interval of values, in the units of the (scaled) targets."""

    @abstractmethod
    def bounds(self) -> tuple[Float[Array, ""] | Scalar, Float[Array, ""] | Scalar]:
        """Lower and upper end."""


@final
class FixedSupport(AbstractSupport):
    """An interval given by its ends.

    Attributes:
        low: lower end, finite.
        high: upper end, above `low`.
    """

    low: Scalar = hyper(0.0)
    high: Scalar = hyper(150.0)

    def bounds(self) -> tuple[Float[Array, ""] | Scalar, Float[Array, ""] | Scalar]:
        return self.low, self.high

    def concerns(self, spec: Any) -> list[str]:
        """Warns where the rewards of the task can add up to discounted returns outside the interval."""
        reward_range, returns = spec.environment.reward_range, scaled_returns(spec)
        if returns is None:
            return []
        least, most = returns
        tolerance = 1e-3 * (most - least)  # the float32 of gamma is not exactly what was written
        if self.low <= least + tolerance and self.high >= most - tolerance:
            return []
        return [
            f"The value support [{self.low!s}, {self.high!s}] cannot hold all returns: rewards of "
            f"{spec.environment.name} from {reward_range[0]:g} to {reward_range[1]:g}, times reward_scale "
            f"{spec.algorithm.reward_scale!s}, at gamma {spec.algorithm.gamma!s} give discounted returns from "
            f"{least:.4g} to {most:.4g}. What lies outside is clipped; the metric targets/outside_support says how "
            "much. Where that is not 0, give algorithm.value.support=SupportFromRewards(), or a wider FixedSupport."
        ]

    def validate(self) -> None:
        require(self.low < self.high, f"The value support is [{self.low!s}, {self.high!s}]; low must be below high.")


@final
class SupportFromRewards(AbstractSupport):
    """The interval of discounted returns that the environment's reward range allows, with a margin.

    `margin * reward_scale * environment.return_range(gamma)`. With rewards in [0, 1], gamma 0.99 and a margin of 1.5
    that is the published 0..150. It is resolved to a `FixedSupport` when the spec is, after all ablations, so that the
    numbers are what is shown, hashed and recorded.

    Attributes:
        margin: factor on the interval, positive.
        beyond: bins by which the support reaches beyond that interval at either end, at least 0. `HLGauss` needs 2 to
            hold a value at an end without pulling it inward by more than 0.001 bins. The number of bins stays, so that
            each is a little wider.

    Source: Voelcker et al., arXiv 2507.11019.
    """

    margin: Scalar = hyper(1.5)
    beyond: Scalar = hyper(0.0, added=True)

    def bounds(self) -> tuple[Float[Array, ""] | Scalar, Float[Array, ""] | Scalar]:
        raise ConfigurationError(
            "SupportFromRewards has no bounds before the spec is resolved: call reppo.resolve(spec)."
        )

    def resolve(self, spec: Any) -> FixedSupport:
        """The interval for the environment, discount and reward scale of a spec.

        Raises:
            ConfigurationError: if the range of rewards is not known, the discount is 1, or `beyond` leaves no bins
                for the returns.
        """
        if spec.environment.reward_range is None:
            raise ConfigurationError(
                f"The range of rewards of {spec.environment.name} is not known, so the value support cannot be made "
                "from it. Give the range of returns yourself: algorithm.value.support=FixedSupport(low, high)."
            )
        returns = scaled_returns(spec)
        if returns is None:
            raise ConfigurationError(
                "SupportFromRewards needs gamma < 1. Give algorithm.value.support=FixedSupport(low, high)."
            )
        # Six digits: the float32 of gamma must not turn 150 into 150.00002.
        low, high = (float(f"{float(self.margin) * end:.6g}") for end in returns)
        if self.beyond == 0:
            return FixedSupport(low, high)
        between = spec.algorithm.value.num_bins - 1 - 2 * float(self.beyond)
        require(
            between >= 1,
            f"The value support reaches {self.beyond!s} bins beyond the returns at either end, which of "
            f"{spec.algorithm.value.num_bins} bins leaves none for them. Give more bins, or a smaller `beyond`.",
        )
        width = (high - low) / between
        return FixedSupport(low - float(self.beyond) * width, high + float(self.beyond) * width)

    def validate(self) -> None:
        require(self.margin > 0, f"The margin of the value support is {self.margin!s}; give a positive one.")
        require(
            self.beyond >= 0, f"The value support reaches {self.beyond!s} bins beyond the returns; give at least 0."
        )


def scaled_returns(spec: Any) -> tuple[float, float] | None:
    """The least and the greatest discounted return of the task, in the units of the critic's targets; None: unknown."""
    returns = spec.environment.return_range(float(spec.algorithm.gamma))
    scale = float(spec.algorithm.reward_scale)
    return returns and (scale * returns[0], scale * returns[1])


def few_bins(support: AbstractSupport, num_bins: int, spec: Any) -> list[str]:
    """Warns where all returns that the task allows lie within fewer than 10 bins of a support."""
    returns = scaled_returns(spec)
    if returns is None:
        return []
    low, high = (float(end) for end in support.bounds())
    least, most = (min(max(end, low), high) for end in returns)
    bins = (most - least) / (high - low) * (num_bins - 1)
    if bins >= 10 - 1e-3:
        return []
    return [
        f"The discounted returns of {spec.environment.name}, from {returns[0]:.4g} to {returns[1]:.4g} with rewards "
        f"times reward_scale {spec.algorithm.reward_scale!s}, span {bins:.3g} of the {num_bins} bins of the value "
        f"support [{low:.6g}, {high:.6g}]: the critic tells few of them apart. Give "
        "algorithm.value.support=SupportFromRewards(), a narrower FixedSupport, or more bins."
    ]


def share_outside(support: AbstractSupport, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """1 where a target lies outside the support, and so is silently clipped; 0 elsewhere."""
    low, high = support.bounds()
    return jnp.where((targets < low) | (targets > high), 1.0, 0.0)
