"""Auxiliary tasks of the critic."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require


class AbstractAuxiliary(Component):
    """A task that shapes the critic's embedding."""

    @abstractmethod
    def size(self, embedding_size: int) -> int:
        """Number of outputs of the critic's auxiliary head; 0 for no head."""

    @abstractmethod
    def loss(
        self,
        prediction: Float[Array, " prediction"] | None,
        next_embedding: Float[Array, " embedding"],
        reward: Float[Array, ""],
        ended: Bool[Array, ""],
    ) -> Float[Array, ""]:
        """The weighted loss of one example.

        Args:
            prediction: output of the auxiliary head.
            next_embedding: embedding of the next state and action, recorded when the targets were made.
            reward: the (scaled) reward of the step.
            ended: whether the next state belongs to another episode.
        """


@final
class SelfPrediction(AbstractAuxiliary):
    """Predicts the reward and the embedding of the next state and action; mean squared error over all outputs.

    Steps that end an episode do not count.

    Attributes:
        weight: factor on the loss, at least 0.

    Reference: arXiv 2507.11019, section 4; Schwarzer et al. 2021 (arXiv 2007.05929).
    """

    weight: Scalar = hyper(1.0)

    def size(self, embedding_size: int) -> int:
        return 1 + embedding_size

    def loss(
        self,
        prediction: Float[Array, " prediction"] | None,
        next_embedding: Float[Array, " embedding"],
        reward: Float[Array, ""],
        ended: Bool[Array, ""],
    ) -> Float[Array, ""]:
        assert prediction is not None
        error = prediction - jnp.concatenate([reward[None], next_embedding])
        return self.weight * jnp.where(ended, 0.0, jnp.mean(error**2))

    def validate(self) -> None:
        require(self.weight >= 0, f"The weight of the auxiliary task is {self.weight!s}; give one of at least 0.")


@final
class NoAuxiliary(AbstractAuxiliary):
    """No auxiliary task, and no head for it."""

    def size(self, embedding_size: int) -> int:
        return 0

    def loss(
        self,
        prediction: Float[Array, " prediction"] | None,
        next_embedding: Float[Array, " embedding"],
        reward: Float[Array, ""],
        ended: Bool[Array, ""],
    ) -> Float[Array, ""]:
        return jnp.array(0.0)
