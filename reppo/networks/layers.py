"""The hidden layers of a network: a stack of plain ones, or residual blocks."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
from jaxtyping import Array, Float, Key

from reppo.component import Component, static
from reppo.errors import require
from reppo.keys import subkey
from reppo.networks.activations import AbstractActivation
from reppo.networks.blocks import MLP, Linear, build_linear, build_mlp
from reppo.networks.initializers import AbstractInitializer
from reppo.networks.norms import AbstractNorm, RMSNorm


class AbstractLayers(Component):
    """Builds a stack of hidden layers with a linear layer at its end, which parts of actor and critic are made of."""

    @abstractmethod
    def build(
        self,
        key: Key[Array, ""],
        sizes: Sequence[int],
        norm: AbstractNorm,
        activation: AbstractActivation,
        initializer: AbstractInitializer,
        last: AbstractInitializer,
    ) -> eqx.Module:
        """A map from `[in]` to `[out]`. Without hidden layers it is a linear layer alone.

        Args:
            key: consumed.
            sizes: from the input over the hidden layers, all as wide as each other, to the output; at least two.
            norm: that of the network's hidden layers.
            activation: likewise.
            initializer: likewise.
            last: initial weights of the last linear layer.
        """


@final
class PlainLayers(AbstractLayers):
    """Each hidden layer is linear, normalization, activation."""

    def build(
        self,
        key: Key[Array, ""],
        sizes: Sequence[int],
        norm: AbstractNorm,
        activation: AbstractActivation,
        initializer: AbstractInitializer,
        last: AbstractInitializer,
    ) -> MLP:
        return build_mlp(key, sizes, norm, activation, initializer, last)


class Block(eqx.Module):
    """An inverted residual block: `x + act(norm(W2 act(norm(W1 x))))`, wider inside than outside."""

    inner: Linear
    outer: Linear
    norms: tuple[eqx.Module, eqx.Module]
    activation: AbstractActivation

    def __call__(self, x: Float[Array, " width"]) -> Float[Array, " width"]:
        """Maps `[width]` to `[width]`."""
        y = x
        for linear, norm in zip((self.inner, self.outer), self.norms, strict=True):
            y = self.activation(norm(linear(y)))  # pyright: ignore[reportCallIssue]
        return x + y


class ResidualStack(eqx.Module):
    """A linear layer, blocks, a normalization, a linear layer."""

    first: Linear
    blocks: tuple[Block, ...]
    norm: Any
    last: Linear

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """Maps `[in]` to `[out]`."""
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(self.norm(x))


@final
class ResidualBlocks(AbstractLayers):
    """Inverted residual blocks in the place of hidden layers: `x + act(norm(W2 act(norm(W1 x))))`.

    `W1` leads from the width of the hidden layers to `expansion` times as many units, `W2` back. A linear layer stands
    before the first block, and a normalization of the sum that the blocks have made between the last and the linear
    layer of the outputs. The norm within blocks is that of the hidden layers.

    In FlashSAC that is a batch normalization, which also stands before the first linear layer. A critic is one such
    stack there, from the input to the logits; here its encoder is one, to the embedding, and so is each head.

    Attributes:
        expansion: how many times wider a block is inside, at least 1.
        after: normalization after the last block.

    Reference: Kim et al. 2026 (arXiv 2604.04539); source: its code, github.com/Holiday-Robot/FlashSAC.
    """

    expansion: int = static(4)
    after: AbstractNorm = RMSNorm()

    def build(
        self,
        key: Key[Array, ""],
        sizes: Sequence[int],
        norm: AbstractNorm,
        activation: AbstractActivation,
        initializer: AbstractInitializer,
        last: AbstractInitializer,
    ) -> eqx.Module:
        in_size, *hidden, out_size = sizes
        if not hidden:
            return build_mlp(key, sizes, norm, activation, initializer, last)

        def block(number: int, width: int) -> Block:
            own, inside = subkey(key, "block", number), self.expansion * width
            return Block(
                inner=build_linear(subkey(own, "inner"), width, inside, initializer),
                outer=build_linear(subkey(own, "outer"), inside, width, initializer),
                norms=(norm.build(inside), norm.build(width)),
                activation=activation,
            )

        return ResidualStack(
            first=build_linear(subkey(key, "first"), in_size, hidden[0], initializer),
            blocks=tuple(block(number, width) for number, width in enumerate(hidden)),
            norm=self.after.build(hidden[-1]),
            last=build_linear(subkey(key, "last"), hidden[-1], out_size, last),
        )

    def validate(self) -> None:
        require(self.expansion >= 1, f"The expansion of the residual blocks is {self.expansion}; give at least 1.")
