"""Several critics of one kind, as one network."""

from typing import Any, final

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PyTree

from reppo.networks.critic import AbstractCriticBuilder, CriticOutput


@final
class Ensemble(eqx.Module):
    """Critics that differ in their weights alone.

    Attributes:
        members: a critic network whose arrays are those of all of them, `[critic, ...]`.
    """

    members: Any

    def __call__(self, observation: PyTree[Array], action: Float[Array, " action"]) -> CriticOutput:
        """What each says of one normalized observation and a unit action, leaves `[critic, ...]`."""
        return eqx.filter_vmap(lambda critic: critic(observation, action))(self.members)


def build_ensemble(
    builder: AbstractCriticBuilder,
    number: int,
    key: Key[Array, ""],
    shapes: PyTree[jax.ShapeDtypeStruct],
    action_size: int,
    value_size: int,
) -> Ensemble:
    """Critics with initial weights of their own, without a head for an auxiliary task.

    Args:
        builder: of each.
        number: of critics, at least 1.
        key: consumed.
        shapes: of one observation.
        action_size: the length of a unit action, at least 1.
        value_size: outputs of the head of values, at least 1.
    """
    build = lambda key: builder.build(key, shapes, action_size, value_size, 0)
    return Ensemble(eqx.filter_vmap(build)(jax.random.split(key, number)))
