"""The tanh-squashed diagonal Gaussian."""

from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from reppo.distributions.contract import AbstractDistribution

_LOG_SQRT_2PI = 0.9189385332046727


@final
class TanhNormal(AbstractDistribution):
    """The distribution of `tanh(u)`, `u ~ N(loc, scale)`, for one state.

    Attributes:
        loc: mean of `u`, one entry an action dimension.
        scale: standard deviation of `u`, positive.

    Reference: Haarnoja et al. 2018 (arXiv 1801.01290), appendix C.
    """

    loc: Float[Array, " action"]
    scale: Float[Array, " action"]

    def draw(self, key: Key[Array, ""]) -> Float[Array, " action"]:
        """Draws `u`, the sample before the tanh, differentiable in `loc` and `scale`.

        What is asked later of a sampled action is asked of its `u`: in float32 `tanh(u)` is 1 from about 9 on, and a
        limit on actions takes more away.
        """
        return self.loc + self.scale * jax.random.normal(key, self.loc.shape)

    def action_of(self, drawn: Float[Array, " action"]) -> Float[Array, " action"]:
        """`tanh(u)`."""
        return jnp.tanh(drawn)

    def draw_of(self, action: Float[Array, " action"]) -> Float[Array, " action"]:
        """The `u` of an action in [-1, 1]; at the borders, that of the nearest float32 inside.

        Of an action that the policy drew, its `u` knows more: near the borders an action says little of the `u` behind
        it, and the density of one that a limit moved is that of another action.
        """
        inside = 1 - jnp.finfo(jnp.float32).epsneg
        return jnp.arctanh(jnp.clip(action, -inside, inside))

    def log_prob_of_draw(self, drawn: Float[Array, " action"]) -> Float[Array, ""]:
        """Log-density of the action `tanh(u)`, summed over action dimensions."""
        gaussian = -0.5 * ((drawn - self.loc) / self.scale) ** 2 - jnp.log(self.scale) - _LOG_SQRT_2PI
        # log(1 - tanh(u)^2), stable for large |u|.
        log_determinant = 2 * (jnp.log(2.0) - drawn - jax.nn.softplus(-2 * drawn))
        return jnp.sum(gaussian - log_determinant)

    def log_ratio(self, other: "TanhNormal", drawn: Float[Array, " action"]) -> Float[Array, ""]:
        """Log of this density over the other's at the action `tanh(u)`, summed over action dimensions.

        The tanh cancels: this is the ratio of the two Gaussians at `u`. Exactly 0 between equal distributions.
        """
        z, other_z = (drawn - self.loc) / self.scale, (drawn - other.loc) / other.scale
        return jnp.sum(0.5 * (other_z - z) * (other_z + z) - jnp.log(self.scale / other.scale))

    def kl(self, other: "TanhNormal") -> Float[Array, ""]:
        """KL(self, other), exact, summed over action dimensions.

        The tanh is the same bijection on both sides and cancels: this is the divergence of the two Gaussians.
        """
        ratio = self.scale / other.scale
        shift = (self.loc - other.loc) / other.scale
        return jnp.sum(0.5 * (ratio**2 + shift**2 - 1) - jnp.log(ratio))

    def widened(self, factor: Float[Array, ""] | float) -> "TanhNormal":
        """With a standard deviation so many times as great."""
        return TanhNormal(self.loc, factor * self.scale)

    def mode(self) -> Float[Array, " action"]:
        """`tanh(loc)`: the image of the Gaussian's mode, which is what evaluation acts by."""
        return jnp.tanh(self.loc)

    def entropy(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """Minus the log-density of one sample: the tanh leaves no closed form."""
        return -self.sample_and_log_prob(key)[1]

    def expect(self, f: Callable[[Float[Array, " action"], Float[Array, ""]], Any], key: Key[Array, ""]) -> Any:
        """`f` at one sample, through which the gradient flows."""
        return f(*self.sample_and_log_prob(key))
