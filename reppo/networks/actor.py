"""The actor network."""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, slot, static
from reppo.errors import require
from reppo.keys import subkey
from reppo.networks.activations import AbstractActivation, Swish
from reppo.networks.initializers import AbstractInitializer, LecunNormal
from reppo.networks.layers import AbstractLayers, PlainLayers
from reppo.networks.norms import AbstractNorm, RMSNorm
from reppo.networks.trunks import AbstractTrunk, Flat, Flattened


class AbstractActorBuilder(Component):
    """Builds a network from one (normalized) observation to the outputs that the head turns into a distribution."""

    @abstractmethod
    def build(self, key: Key[Array, ""], shapes: PyTree[jax.ShapeDtypeStruct], output_size: int) -> eqx.Module:
        """The network; `shapes` are those of one observation.

        Args:
            key: consumed.
            shapes: of one observation.
            output_size: the number of outputs, at least 1.
        """


class ActorNetwork(eqx.Module):
    """Hidden layers and a linear one on the observation's features."""

    mlp: Any
    trunk: Any = Flattened()

    def __call__(self, observation: PyTree[Array]) -> Float[Array, " outputs"]:
        """Outputs for one normalized observation."""
        return self.mlp(self.trunk(observation))


@final
class Actor(AbstractActorBuilder):
    """Hidden layers, by default of linear, normalization, activation, then a linear layer.

    Attributes:
        width: units of each hidden layer, at least 1.
        depth: number of hidden layers, at least 1.
        norm: normalization layer before each activation.
        activation: activation of the hidden layers.
        initializer: initial weights.
        trunk: what stands before the hidden layers.
        layers: what the hidden layers are.
    """

    width: int = static(512)
    depth: int = static(2)
    norm: AbstractNorm = RMSNorm()
    activation: AbstractActivation = Swish()
    initializer: AbstractInitializer = LecunNormal()
    trunk: AbstractTrunk = slot(Flat(), added=True)
    layers: AbstractLayers = slot(PlainLayers(), added=True)

    def build(self, key: Key[Array, ""], shapes: PyTree[jax.ShapeDtypeStruct], output_size: int) -> ActorNetwork:
        sizes = [self.trunk.size(shapes), *[self.width] * self.depth, output_size]
        return ActorNetwork(
            self.layers.build(key, sizes, self.norm, self.activation, self.initializer, self.initializer.last()),
            self.trunk.build(subkey(key, "trunk"), shapes, self.norm, self.activation, self.initializer),
        )

    def validate(self) -> None:
        require(self.width >= 1, f"The actor's width is {self.width}; give at least 1 unit.")
        require(self.depth >= 1, f"The actor's depth is {self.depth}; give at least 1 hidden layer.")
