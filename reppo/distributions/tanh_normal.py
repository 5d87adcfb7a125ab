"""The tanh-squashed diagonal Gaussian."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

_LOG_SQRT_2PI = 0.9189385332046727


@final
class TanhNormal(eqx.Module):
    """The distribution of `tanh(u)`, `u ~ N(loc, scale)`, for one state.

    Attributes:
        loc: mean of `u`, one entry an action dimension.
        scale: standard deviation of `u`, positive.

    Reference: Haarnoja et al. 2018 (arXiv 1801.01290), appendix C.
    """

    loc: Float[Array, " action"]
    scale: Float[Array, " action"]

    def sample(self, key: Key[Array, ""]) -> Float[Array, " action"]:
        """Draws an action in (-1, 1), differentiable in `loc` and `scale`."""
        return jnp.tanh(self._pre_tanh(key))

    def sample_and_log_prob(self, key: Key[Array, ""]) -> tuple[Float[Array, " action"], Float[Array, ""]]:
        """Draws an action and gives its log-density, which never passes through the inverse of tanh."""
        u = self._pre_tanh(key)
        return jnp.tanh(u), self._log_prob_pre_tanh(u)

    def log_prob(self, action: Float[Array, " action"]) -> Float[Array, ""]:
        """Log-density of an action in [-1, 1], summed over action dimensions.

        At the borders, where the density is not defined, that of the nearest float32 inside is given.
        """
        inside = 1 - jnp.finfo(jnp.float32).epsneg
        return self._log_prob_pre_tanh(jnp.arctanh(jnp.clip(action, -inside, inside)))

    def kl(self, other: "TanhNormal") -> Float[Array, ""]:
        """KL(self, other), exact, summed over action dimensions.

        The tanh is the same bijection on both sides and cancels: this is the divergence of the two Gaussians.
        """
        ratio = self.scale / other.scale
        shift = (self.loc - other.loc) / other.scale
        return jnp.sum(0.5 * (ratio**2 + shift**2 - 1) - jnp.log(ratio))

    def mode(self) -> Float[Array, " action"]:
        """`tanh(loc)`: the image of the Gaussian's mode, which is what evaluation acts by."""
        return jnp.tanh(self.loc)

    def _pre_tanh(self, key: Key[Array, ""]) -> Float[Array, " action"]:
        return self.loc + self.scale * jax.random.normal(key, self.loc.shape)

    def _log_prob_pre_tanh(self, u: Float[Array, " action"]) -> Float[Array, ""]:
        gaussian = -0.5 * ((u - self.loc) / self.scale) ** 2 - jnp.log(self.scale) - _LOG_SQRT_2PI
        # log(1 - tanh(u)^2), stable for large |u|.
        log_determinant = 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u))
        return jnp.sum(gaussian - log_determinant)
