"""Activation functions, as components so that a spec can name them."""

from abc import abstractmethod
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component


class AbstractActivation(Component):
    """An elementwise function."""

    @abstractmethod
    def __call__(self, x: Float[Array, " features"]) -> Float[Array, " features"]:
        """Applies it."""


@final
class Swish(AbstractActivation):
    """`x * sigmoid(x)` (Ramachandran et al. 2017, arXiv 1710.05941)."""

    def __call__(self, x: Float[Array, " features"]) -> Float[Array, " features"]:
        return jax.nn.silu(x)


@final
class Relu(AbstractActivation):
    """`max(x, 0)`."""

    def __call__(self, x: Float[Array, " features"]) -> Float[Array, " features"]:
        return jax.nn.relu(x)


@final
class Tanh(AbstractActivation):
    """The hyperbolic tangent."""

    def __call__(self, x: Float[Array, " features"]) -> Float[Array, " features"]:
        return jnp.tanh(x)
