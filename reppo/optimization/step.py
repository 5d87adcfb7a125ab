"""One step of an optimizer."""

from typing import Any

import equinox as eqx
import optax
from jaxtyping import Array, Float

from reppo.networks import follow_moments, without_moments


def trainable(module: Any) -> Any:
    """The part of a network that gradients move: its arrays of floating-point numbers."""
    return eqx.filter(module, eqx.is_inexact_array)


def optimizer_step(transform: optax.GradientTransformation, gradient: Any, state: Any, module: Any) -> tuple[Any, Any]:
    """Moves a module by its gradient, and the running averages of its batch normalization by what they have seen.

    Args:
        transform: the optimizer.
        gradient: a tree like `trainable(module)`.
        state: the optimizer's state; `transform.init(trainable(module))` before the first step.
        module: a network, or any tree of networks and arrays.

    Returns:
        The module and the optimizer's state after the step.
    """
    updates, state = transform.update(without_moments(gradient), state, trainable(module))
    return follow_moments(eqx.apply_updates(module, updates), module, gradient), state


def gradient_norm(gradient: Any) -> Float[Array, ""]:
    """The Euclidean norm of a gradient."""
    return optax.tree.norm(without_moments(gradient))
