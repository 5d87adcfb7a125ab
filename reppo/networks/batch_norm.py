"""Batch normalization, for networks that are functions of one example.

While a network learns it is applied by `jax.vmap(..., axis_name=ROWS)` in the mode of `learning`, so that a layer knows
the rows beside its own. What the layer then sees leaves by its gradient: in the place of the gradient of its running
averages stands what they are to follow, and `reppo.optimization.optimizer_step` lets them.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import static
from reppo.errors import require
from reppo.networks.norms import AbstractNorm

ROWS = "rows"
"""Name of the axis of the rows of a minibatch."""


class Moments(eqx.Module):
    """Moments of what went into a layer, or the sum of some.

    Attributes:
        mean: of each unit.
        variance: of each unit.
        weight: how many were summed; 1 in a layer.
    """

    mean: Float[Array, "*critic size"]
    variance: Float[Array, "*critic size"]
    weight: Float[Array, "*critic"]


class BatchNormLayer(eqx.Module):
    """Normalizes by the rows of the minibatch while it learns, and else by their running averages.

    Attributes:
        scale: of each unit, learned.
        shift: of each unit, learned.
        running: averages of the moments of the minibatches so far.
        rate: how far these move with each, in (0, 1].
        learns: whether the rows beside count.
    """

    scale: Float[Array, "*critic size"]
    shift: Float[Array, "*critic size"]
    running: Moments
    rate: float = static()
    learns: bool = static(False)

    def __call__(self, x: Float[Array, " size"]) -> Float[Array, " size"]:
        """Maps `[size]` to `[size]`."""
        mean, variance = jax.lax.stop_gradient((self.running.mean, self.running.variance))
        if self.learns:
            mean = jax.lax.pmean(x, ROWS)
            variance = jax.lax.pmean((x - mean) ** 2, ROWS)
            x = _leave(x, self.running, jax.lax.stop_gradient(Moments(mean, variance, jnp.ones(()))))
        return (x - mean) * jax.lax.rsqrt(variance + _EPSILON) * self.scale + self.shift


@final
class BatchNorm(AbstractNorm):
    """Batch normalization (Ioffe & Szegedy 2015, arXiv 1502.03167), in the mode of the loss alone.

    The network whose loss a minibatch is takes the minibatch's own moments; wherever else it is asked, as for actions,
    targets and by the policy's loss for the values of its actions, it takes their running averages, which a target
    network follows as it follows weights. Rows that a loss leaves out count among the others. Behind a `Convolution`
    each of its outputs is normalized by itself.

    An actor has it only where its loss does not compare it with the policy that acted: that one is asked by running
    averages, and would differ at the same weights.

    In FlashSAC the minibatches of actor and critics also hold the next states, with the policy's actions, as in CrossQ
    (arXiv 1902.05605), and target critics take the moments of their minibatch; here it holds the states alone.

    Attributes:
        rate: how far the running averages move with each minibatch, in (0, 1].

    Reference: Kim et al. 2026 (arXiv 2604.04539); source: its code, github.com/Holiday-Robot/FlashSAC.
    """

    rate: float = static(0.01)

    def build(self, size: int) -> BatchNormLayer:
        running = Moments(jnp.zeros(size), jnp.ones(size), jnp.ones(()))
        return BatchNormLayer(jnp.ones(size), jnp.zeros(size), running, self.rate)

    def validate(self) -> None:
        require(0 < self.rate <= 1, f"The rate of the running averages is {self.rate}; give one in (0, 1].")


def normalizes_batches(builder: Any) -> bool:
    """Whether the networks of a builder have batch normalization.

    Args:
        builder: a component, such as `Actor()`.
    """
    is_norm = lambda node: isinstance(node, BatchNorm)
    return any(map(is_norm, jax.tree.leaves(builder, is_leaf=is_norm)))


def learning(network: Any) -> Any:
    """The network as it is applied in its own loss, by `jax.vmap` with `axis_name=ROWS` over the minibatch."""
    return _each_layer(lambda layer: dataclasses.replace(layer, learns=True), network)


def without_moments(gradient: Any) -> Any:
    """A gradient with zeros in the places of running averages."""
    zeros = lambda layer: dataclasses.replace(layer, running=jax.tree.map(jnp.zeros_like, layer.running))
    return _each_layer(zeros, gradient)


def follow_moments(network: Any, before: Any, gradient: Any) -> Any:
    """The network with running averages that are those before the step, moved towards what the layers have seen.

    Args:
        network: after a step of its weights.
        before: before it.
        gradient: of the loss; averages of layers that were not asked stay.
    """

    def followed(layer: BatchNormLayer, old: BatchNormLayer, seen: BatchNormLayer) -> BatchNormLayer:
        weight = seen.running.weight[..., None]  # of each critic of an ensemble
        number = jnp.where(weight > 0, weight, 1.0)
        move = lambda old, sum_: jnp.where(weight > 0, old + layer.rate * (sum_ / number - old), old)
        running = Moments(
            move(old.running.mean, seen.running.mean),
            move(old.running.variance, seen.running.variance),
            old.running.weight,
        )
        return dataclasses.replace(layer, running=running)

    return _each_layer(followed, network, before, gradient)


def _each_layer(change: Callable[..., BatchNormLayer], *trees: Any) -> Any:
    """A tree with every layer of batch normalization changed, by what stands in its place in the other trees."""
    is_layer = lambda node: isinstance(node, BatchNormLayer)
    return jax.tree.map(
        lambda node, *others: change(node, *others) if is_layer(node) else node, *trees, is_leaf=is_layer
    )


@jax.custom_vjp
def _leave(x: Any, running: Moments, seen: Moments) -> Any:
    """`x`, whatever its gradient; that of `running` is `seen`."""
    return x


def _forward(x: Any, running: Moments, seen: Moments) -> tuple[Any, Moments]:
    return x, seen


def _backward(seen: Moments, gradient: Any) -> tuple[Any, Moments, None]:
    return gradient, seen, None


_leave.defvjp(_forward, _backward)

_EPSILON = 1e-5
