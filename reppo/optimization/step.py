"""One step of an optimizer."""

from typing import Any

import equinox as eqx
import optax


def trainable(module: Any) -> Any:
    """The part of a network that gradients move: its arrays of floating-point numbers."""
    return eqx.filter(module, eqx.is_inexact_array)


def optimizer_step(transform: optax.GradientTransformation, gradient: Any, state: Any, module: Any) -> tuple[Any, Any]:
    """Moves a module by its gradient.

    Args:
        transform: the optimizer.
        gradient: a tree like `trainable(module)`.
        state: the optimizer's state; `transform.init(trainable(module))` before the first step.
        module: a network, or any tree of networks and arrays.

    Returns:
        The module and the optimizer's state after the step.
    """
    updates, state = transform.update(gradient, state, trainable(module))
    return eqx.apply_updates(module, updates), state
