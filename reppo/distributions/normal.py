"""The diagonal Gaussian without a squash."""

import math
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from reppo.distributions.contract import AbstractDistribution
from reppo.numerics import limit

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@final
class Normal(AbstractDistribution):
    """`N(loc, scale)` for one state; its draws are clipped to [-1, 1] to become actions.

    Densities, KL and entropy are those of the draw before the clip, as is the custom with PPO: the policy may not know
    that the clip is there.

    Attributes:
        loc: mean of the draw, one entry an action dimension.
        scale: standard deviation of the draw, positive.

    Reference: Schulman et al. 2017 (arXiv 1707.06347); for the clip, Andrychowicz et al. 2020 (arXiv 2006.05990).
    """

    loc: Float[Array, " action"]
    scale: Float[Array, " action"]

    def draw(self, key: Key[Array, ""]) -> Float[Array, " action"]:
        """A sample before the clip, differentiable in `loc` and `scale`."""
        return self.loc + self.scale * jax.random.normal(key, self.loc.shape)

    def action_of(self, drawn: Float[Array, " action"]) -> Float[Array, " action"]:
        """The draw, clipped to [-1, 1]; beyond, its gradient still leads back (`reppo.numerics.limit`)."""
        return limit(drawn, -1.0, 1.0)

    def draw_of(self, action: Float[Array, " action"]) -> Float[Array, " action"]:
        """The action itself: the nearest draw of all that the clip takes to it."""
        return action

    def log_prob_of_draw(self, drawn: Float[Array, " action"]) -> Float[Array, ""]:
        """Log-density of the draw, summed over action dimensions."""
        return jnp.sum(-0.5 * ((drawn - self.loc) / self.scale) ** 2 - jnp.log(self.scale) - _LOG_SQRT_2PI)

    def log_ratio(self, other: "Normal", drawn: Float[Array, " action"]) -> Float[Array, ""]:
        """Log of this density over the other's at a draw, summed over action dimensions."""
        z, other_z = (drawn - self.loc) / self.scale, (drawn - other.loc) / other.scale
        return jnp.sum(0.5 * (other_z - z) * (other_z + z) - jnp.log(self.scale / other.scale))

    def kl(self, other: "Normal") -> Float[Array, ""]:
        """KL(self, other), exact, summed over action dimensions."""
        ratio = self.scale / other.scale
        shift = (self.loc - other.loc) / other.scale
        return jnp.sum(0.5 * (ratio**2 + shift**2 - 1) - jnp.log(ratio))

    def entropy(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """The entropy of the draw, exact, in nats."""
        return jnp.sum(0.5 + _LOG_SQRT_2PI + jnp.log(self.scale))

    def widened(self, factor: Float[Array, ""] | float) -> "Normal":
        """With a standard deviation so many times as great."""
        return Normal(self.loc, factor * self.scale)

    def mode(self) -> Float[Array, " action"]:
        """The mean, clipped to [-1, 1]."""
        return jnp.clip(self.loc, -1.0, 1.0)

    def expect(self, f: Callable[[Float[Array, " action"], Float[Array, ""]], Any], key: Key[Array, ""]) -> Any:
        """`f` at one sample, through which the gradient flows."""
        return f(*self.sample_and_log_prob(key))
