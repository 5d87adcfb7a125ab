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
        low: lower end.
        high: upper end, above `low`.
    """

    low: Scalar = hyper(0.0)
    high: Scalar = hyper(150.0)

    def bounds(self) -> tuple[Float[Array, ""] | Scalar, Float[Array, ""] | Scalar]:
        return self.low, self.high

    def concerns(self, spec: Any) -> list[str]:
        """Warns where the rewards of the task can add up to discounted returns outside the interval."""
        reward_range, gamma = spec.environment.reward_range, float(spec.algorithm.gamma)
        if reward_range is None or gamma >= 1:
            return []
        scale = float(spec.algorithm.reward_scale) / (1 - gamma)
        least, most = scale * min(reward_range[0], 0.0), scale * max(reward_range[1], 0.0)
        tolerance = 1e-3 * (most - least)  # the float32 of gamma is not exactly what was written
        if self.low <= least + tolerance and self.high >= most - tolerance:
            return []
        return [
            f"The value support [{self.low!s}, {self.high!s}] cannot hold all returns: rewards of "
            f"{spec.environment.name} from {reward_range[0]:g} to {reward_range[1]:g}, times reward_scale "
            f"{spec.algorithm.reward_scale!s}, at gamma {spec.algorithm.gamma!s} give discounted returns from "
            f"{least:.4g} to {most:.4g}. What lies outside is clipped; the metric targets/outside_support says how "
            "much. Give algorithm.value.support=SupportFromRewards(), or a wider FixedSupport."
        ]

    def validate(self) -> None:
        require(self.low < self.high, f"The value support is [{self.low!s}, {self.high!s}]; low must be below high.")


@final
class SupportFromRewards(AbstractSupport):
    """The interval of discounted returns that the environment's reward range allows, with a margin.

    `margin * reward_scale * [min(low, 0), max(high, 0)] / (1 - gamma)`. With rewards in [0, 1], gamma 0.99 and a margin
    of 1.5 that is the published 0..150. It is resolved to a `FixedSupport` when the spec is, after all ablations, so
    that the numbers are what is shown, hashed and recorded.

    Attributes:
        margin: factor on the interval, positive.
    """

    margin: Scalar = hyper(1.5)

    def bounds(self) -> tuple[Float[Array, ""] | Scalar, Float[Array, ""] | Scalar]:
        raise ConfigurationError(
            "SupportFromRewards has no bounds before the spec is resolved: call reppo.resolve(spec)."
        )

    def resolve(self, spec: Any) -> FixedSupport:
        """The interval for the environment, discount and reward scale of a spec."""
        reward_range = spec.environment.reward_range
        if reward_range is None:
            raise ConfigurationError(
                f"The range of rewards of {spec.environment.name} is not known, so the value support cannot be made "
                "from it. Give the range of returns yourself: algorithm.value.support=FixedSupport(low, high)."
            )
        gamma = float(spec.algorithm.gamma)
        require(gamma < 1, "SupportFromRewards needs gamma < 1. Give algorithm.value.support=FixedSupport(low, high).")
        scale = float(self.margin) * float(spec.algorithm.reward_scale) / (1 - gamma)
        # Six digits: the float32 of gamma must not turn 150 into 150.00002.
        return FixedSupport(
            low=float(f"{scale * min(reward_range[0], 0.0):.6g}"),
            high=float(f"{scale * max(reward_range[1], 0.0):.6g}"),
        )

    def validate(self) -> None:
        require(self.margin > 0, f"The margin of the value support is {self.margin!s}; give a positive one.")


def share_outside(support: AbstractSupport, targets: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """1 where a target lies outside the support, and so is silently clipped; 0 elsewhere."""
    low, high = support.bounds()
    return jnp.where((targets < low) | (targets > high), 1.0, 0.0)
