"""Initial weights of linear layers. Biases start at what the initializer says."""

from abc import abstractmethod
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from reppo.component import Component
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
