"""Initial weights of linear layers. Biases start at what the initializer says."""

from abc import abstractmethod
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from reppo.component import Component, Scalar, hyper
from reppo.errors import require
from reppo.keys import subkey


class AbstractInitializer(Component):
    """Draws the weights and biases of a linear layer."""

    @abstractmethod
    def __call__(
        self, key: Key[Array, ""], in_size: int, out_size: int
    ) -> tuple[Float[Array, "out in"], Float[Array, " out"]]:
        """Weight `[out, in]` and bias `[out]`.

        Args:
            key: consumed.
            in_size: inputs of the layer, at least 1.
            out_size: outputs of the layer, at least 1.
        """

    def last(self) -> "AbstractInitializer":
        """What draws the layer that gives a network's outputs: this one, unless it says otherwise."""
        return self


@final
class LecunNormal(AbstractInitializer):
    """Weights from a truncated normal of variance `1 / fan_in`, biases zero (LeCun et al. 1998)."""

    def __call__(
        self, key: Key[Array, ""], in_size: int, out_size: int
    ) -> tuple[Float[Array, "out in"], Float[Array, " out"]]:
        return jax.nn.initializers.lecun_normal(in_axis=1, out_axis=0)(key, (out_size, in_size)), jnp.zeros(out_size)


@final
class UniformFanIn(AbstractInitializer):
    """Weights and biases uniform in `+-1 / sqrt(fan_in)`, as in the published REPPO curves and in PyTorch's layers.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    def __call__(
        self, key: Key[Array, ""], in_size: int, out_size: int
    ) -> tuple[Float[Array, "out in"], Float[Array, " out"]]:
        bound = in_size**-0.5
        weight = jax.random.uniform(subkey(key, "weight"), (out_size, in_size), minval=-bound, maxval=bound)
        return weight, jax.random.uniform(subkey(key, "bias"), (out_size,), minval=-bound, maxval=bound)


@final
class Orthogonal(AbstractInitializer):
    """Weights with orthogonal rows or columns of one length, biases zero (Saxe et al. 2014, arXiv 1312.6120).

    With a small gain of its outputs a policy starts near the same distribution in every state. That of a critic is
    usually 1.

    Attributes:
        gain: length of the rows or columns in hidden layers, positive; sqrt(2) is usual.
        last_gain: their length in the layer that gives the outputs, positive.

    Reference: Huang et al. 2022 (iclr-blog-track.github.io/2022/03/25/ppo-implementation-details).
    """

    gain: Scalar = hyper(2**0.5)
    last_gain: Scalar = hyper(1.0)

    def __call__(
        self, key: Key[Array, ""], in_size: int, out_size: int
    ) -> tuple[Float[Array, "out in"], Float[Array, " out"]]:
        return self.gain * jax.nn.initializers.orthogonal()(key, (out_size, in_size)), jnp.zeros(out_size)

    def last(self) -> "Orthogonal":
        return Orthogonal(self.last_gain, self.last_gain)

    def validate(self) -> None:
        for name, gain in (("gain", self.gain), ("gain of the last layer", self.last_gain)):
            require(gain > 0, f"The {name} of initial weights is {gain!s}; give a positive one.")
