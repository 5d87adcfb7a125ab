"""Building blocks of the networks, written for one example."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.keys import subkey
from reppo.networks.activations import AbstractActivation
from reppo.networks.initializers import AbstractInitializer
from reppo.networks.norms import AbstractNorm


class Linear(eqx.nn.Linear):
    """A linear layer that is `x W'` of one example.

    Equinox's own is `W x`: with `jax.vmap` over several axes its outputs stand before the examples, and so does all
    that follows, which takes two to three times as long on CPUs.
    """

    def __call__(self, x: Float[Array, " in"], *, key: Key[Array, ""] | None = None) -> Float[Array, " out"]:
        """Maps `[in]` to `[out]`; the key is not used."""
        product = x @ self.weight.T
        return product if self.bias is None else product + self.bias


class MLP(eqx.Module):
    """A multi-layer perceptron: linear, normalization, activation for each hidden layer, then a linear layer."""

    linears: tuple[Linear, ...]
    norms: tuple[eqx.Module, ...]
    activation: AbstractActivation

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """Maps `[in]` to `[out]`."""
        *hidden, last = self.linears
        for linear, norm in zip(hidden, self.norms, strict=True):
            x = self.activation(norm(linear(x)))  # pyright: ignore[reportCallIssue]
        return last(x)


def build_mlp(
    key: Key[Array, ""],
    sizes: Sequence[int],
    norm: AbstractNorm,
    activation: AbstractActivation,
    initializer: AbstractInitializer,
    last: AbstractInitializer | None = None,
) -> MLP:
    """Builds an `MLP`.

    Args:
        key: each layer draws from a key of its own, named after its place.
        sizes: widths from the input to the output, at least two.
        norm: normalization of the hidden layers.
        activation: activation of the hidden layers.
        initializer: initial weights and biases.
        last: those of the last layer; None for the same.
    """
    linears, draws = [], [initializer] * (len(sizes) - 2) + [last or initializer]
    for layer, (draw, in_size, out_size) in enumerate(zip(draws, sizes[:-1], sizes[1:], strict=True)):
        linears.append(build_linear(subkey(key, "linear", layer), in_size, out_size, draw))
    return MLP(linears=tuple(linears), norms=tuple(norm.build(size) for size in sizes[1:-1]), activation=activation)


def build_linear(key: Key[Array, ""], in_size: int, out_size: int, initializer: AbstractInitializer) -> Linear:
    """Builds a linear layer.

    Args:
        key: consumed.
        in_size: inputs of the layer, at least 1.
        out_size: outputs of the layer, at least 1.
        initializer: initial weights and biases.
    """
    skeleton = eqx.filter_eval_shape(Linear, in_size, out_size, key=key)
    return eqx.tree_at(lambda m: (m.weight, m.bias), skeleton, initializer(key, in_size, out_size))


def flatten_observation(observation: PyTree[Array]) -> Float[Array, " features"]:
    """Concatenates the leaves of one observation, in the order of the tree, to a float32 vector."""
    return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(observation)])


def flat_size(shapes: PyTree[jax.ShapeDtypeStruct]) -> int:
    """Length of `flatten_observation` for observations of these shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))
