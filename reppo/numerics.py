"""Limits on numbers that would otherwise overflow, made so that learning finds its way back from them."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Scalar

__all__ = ["limit"]


@jax.custom_vjp
def limit(
    x: Float[Array, "*shape"], low: Float[Array, ""] | Scalar | float, high: Float[Array, ""] | Scalar | float
) -> Float[Array, "*shape"]:
    """`x`, held within [low, high] element by element, with a gradient that leads back from beyond a limit.

    Within the limits this is the identity. Beyond one, the gradient of `jnp.clip` is 0 for good: what has got there
    never returns. Here it passes where descending it moves `x` back inside, and is 0 where that would move `x` further
    out, as in projected gradient descent. (A gradient that always passes lets `x` drift away while the value stands
    still, and it then takes as many steps to come back.)

    For losses that are minimized, in reverse mode: `jax.grad` and `jax.vjp`, not `jax.jvp`.

    Args:
        x: what is limited.
        low: lower limit; a constant to the gradient.
        high: upper limit, above `low`; likewise.
    """
    return jnp.clip(x, low, high)


def _forward(x: Array, low: Any, high: Any) -> tuple[Array, tuple[Array, Any, Any]]:
    return jnp.clip(x, low, high), (x, low, high)


def _backward(inputs: tuple[Array, Any, Any], gradient: Array) -> tuple[Array, None, None]:
    x, low, high = inputs
    outward = ((x < low) & (gradient > 0)) | ((x > high) & (gradient < 0))
    return jnp.where(outward, 0.0, gradient), None, None


limit.defvjp(_forward, _backward)
