"""Where the action stands in a critic."""

from abc import abstractmethod
from typing import Any, final

import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component
from reppo.errors import require


class AbstractActionPlace(Component):
    """Where the action enters between the observation's features and the outputs of the heads."""

    @abstractmethod
    def input_size(self, action_size: int) -> int:
        """How many inputs the encoder has beside the features.

        Args:
            action_size: the length of a unit action, at least 1.
        """

    @abstractmethod
    def copies(self, action_size: int) -> int:
        """How many times the heads have their outputs, at least 1.

        Args:
            action_size: the length of a unit action, at least 1.
        """

    @abstractmethod
    def enter(self, features: Float[Array, " features"], action: Float[Array, " action"]) -> Float[Array, " inputs"]:
        """What the encoder is given."""

    @abstractmethod
    def leave(self, outputs: Float[Array, " outputs"], action: Float[Array, " action"]) -> Float[Array, " one"]:
        """What a head says of the action, of all its outputs."""


@final
class ActionAsInput(AbstractActionPlace):
    """The encoder sees the action beside the observation: each action is a pass of its own through the network."""

    def input_size(self, action_size: int) -> int:
        return action_size

    def copies(self, action_size: int) -> int:
        return 1

    def enter(self, features: Float[Array, " features"], action: Float[Array, " action"]) -> Float[Array, " inputs"]:
        return jnp.concatenate([features, action])

    def leave(self, outputs: Float[Array, " outputs"], action: Float[Array, " action"]) -> Float[Array, " one"]:
        return outputs


@final
class ActionAsOutput(AbstractActionPlace):
    """The heads have outputs for each of a discrete set of actions, of which the action chooses its own.

    So all actions of a state are valued by one pass through the network, as in DQN (Mnih et al. 2013, arXiv 1312.5602),
    and the embedding is that of the state alone.
    """

    def input_size(self, action_size: int) -> int:
        return 0

    def copies(self, action_size: int) -> int:
        return action_size

    def enter(self, features: Float[Array, " features"], action: Float[Array, " action"]) -> Float[Array, " inputs"]:
        return features

    def leave(self, outputs: Float[Array, " outputs"], action: Float[Array, " action"]) -> Float[Array, " one"]:
        # A sum and no matrix product: exact whatever the precision of products.
        return jnp.sum(action[:, None] * outputs.reshape(action.size, -1), axis=0)

    def fits(self, spec: Any) -> None:
        require(
            spec.environment.discrete is not False,
            f"ActionAsOutput() is for a discrete set of actions, and those of {spec.environment.name} are in a box. "
            "Choose ActionAsInput().",
        )
