"""Auxiliary tasks of the critic."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from reppo.component import Component, Scalar, hyper, slot
from reppo.errors import require


class AbstractAuxiliary(Component):
    """A task that shapes the critic's embedding."""

    @abstractmethod
    def size(self, embedding_size: int) -> int:
        """Number of outputs of the critic's auxiliary head; 0 for no head.

        Args:
            embedding_size: the length of the critic's embedding, at least 1.
        """

    @abstractmethod
    def loss(
        self,
        prediction: Float[Array, " prediction"] | None,
        next_embedding: Float[Array, " embedding"],
        reward: Float[Array, ""],
        terminated: Bool[Array, ""],
        truncated: Bool[Array, ""],
    ) -> Float[Array, ""]:
        """The weighted loss of one example.

        Args:
            prediction: output of the auxiliary head.
            next_embedding: embedding of the next state and action, recorded when the targets were made.
            reward: the (scaled) reward of the step.
            terminated: whether the step ended its episode for good.
            truncated: whether it ended its episode although it could have gone on.
        """


class AbstractMask(Component):
    """Which steps an auxiliary task counts."""

    @abstractmethod
    def __call__(self, terminated: Bool[Array, ""], truncated: Bool[Array, ""]) -> Bool[Array, ""]:
        """Whether a step counts."""


@final
class WithinEpisodes(AbstractMask):
    """Steps that do not end their episode, as in the reference implementation.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    def __call__(self, terminated: Bool[Array, ""], truncated: Bool[Array, ""]) -> Bool[Array, ""]:
        return ~(terminated | truncated)


@final
class UnlessTruncated(AbstractMask):
    """All steps but truncated ones, as in the reference's PyTorch version.

    A terminated step predicts the embedding of the state that it ended in, and of an action there.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    def __call__(self, terminated: Bool[Array, ""], truncated: Bool[Array, ""]) -> Bool[Array, ""]:
        return ~truncated


@final
class NoMask(AbstractMask):
    """All steps. The true final observation is kept, so that no step predicts a state of another episode."""

    def __call__(self, terminated: Bool[Array, ""], truncated: Bool[Array, ""]) -> Bool[Array, ""]:
        return jnp.ones_like(terminated)


@final
class SelfPrediction(AbstractAuxiliary):
    """Predicts the reward and the embedding of the next state and action; mean squared error over all outputs.

    Attributes:
        weight: factor on the loss, at least 0.
        mask: which steps count.

    Reference: arXiv 2507.11019, section 4; Schwarzer et al. 2021 (arXiv 2007.05929).
    """

    weight: Scalar = hyper(1.0)
    mask: AbstractMask = slot(WithinEpisodes(), added=True)

    def size(self, embedding_size: int) -> int:
        return 1 + embedding_size

    def loss(
        self,
        prediction: Float[Array, " prediction"] | None,
        next_embedding: Float[Array, " embedding"],
        reward: Float[Array, ""],
        terminated: Bool[Array, ""],
        truncated: Bool[Array, ""],
    ) -> Float[Array, ""]:
        target = jnp.concatenate([reward[None], next_embedding])
        return self.weight * _squared_error(prediction, target, self.mask(terminated, truncated))

    def validate(self) -> None:
        _require_weight(self.weight)


@final
class EmbeddingPrediction(AbstractAuxiliary):
    """The part of `SelfPrediction` that predicts the next embedding, alone, as in the reference's PyTorch version.

    Attributes:
        weight: factor on the loss, at least 0.
        mask: which steps count.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    weight: Scalar = hyper(1.0)
    mask: AbstractMask = WithinEpisodes()

    def size(self, embedding_size: int) -> int:
        return embedding_size

    def loss(
        self,
        prediction: Float[Array, " prediction"] | None,
        next_embedding: Float[Array, " embedding"],
        reward: Float[Array, ""],
        terminated: Bool[Array, ""],
        truncated: Bool[Array, ""],
    ) -> Float[Array, ""]:
        return self.weight * _squared_error(prediction, next_embedding, self.mask(terminated, truncated))

    def validate(self) -> None:
        _require_weight(self.weight)


@final
class RewardPrediction(AbstractAuxiliary):
    """The part of `SelfPrediction` that predicts the reward, alone.

    Attributes:
        weight: factor on the loss, at least 0.
        mask: which steps count.
    """

    weight: Scalar = hyper(1.0)
    mask: AbstractMask = WithinEpisodes()

    def size(self, embedding_size: int) -> int:
        return 1

    def loss(
        self,
        prediction: Float[Array, " prediction"] | None,
        next_embedding: Float[Array, " embedding"],
        reward: Float[Array, ""],
        terminated: Bool[Array, ""],
        truncated: Bool[Array, ""],
    ) -> Float[Array, ""]:
        return self.weight * _squared_error(prediction, reward[None], self.mask(terminated, truncated))

    def validate(self) -> None:
        _require_weight(self.weight)


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
        terminated: Bool[Array, ""],
        truncated: Bool[Array, ""],
    ) -> Float[Array, ""]:
        return jnp.array(0.0)


def _squared_error(
    prediction: Float[Array, " prediction"] | None, target: Float[Array, " prediction"], counts: Bool[Array, ""]
) -> Float[Array, ""]:
    """The mean squared error of a step that counts, 0 for another."""
    assert prediction is not None
    return jnp.where(counts, jnp.mean((prediction - target) ** 2), 0.0)


def _require_weight(weight: Scalar) -> None:
    require(weight >= 0, f"The weight of the auxiliary task is {weight!s}; give one of at least 0.")
