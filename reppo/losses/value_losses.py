"""Losses of a critic that may know what it said when the data were collected."""

from abc import abstractmethod
from typing import Any, final

import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require
from reppo.losses.values import AbstractValue, ScalarValue


class AbstractValueLoss(Component):
    """A loss of the critic's outputs for one example."""

    @abstractmethod
    def __call__(
        self,
        value: AbstractValue,
        logits: Float[Array, " logits"],
        old: Float[Array, ""],
        target: Float[Array, ""],
    ) -> Float[Array, ""]:
        """The loss.

        Args:
            value: what the outputs stand for, and their own loss.
            logits: the outputs: what is differentiated.
            old: the value that the critic gave when the data were collected.
            target: what it shall learn.
        """


@final
class PlainValueLoss(AbstractValueLoss):
    """That of the value representation."""

    def __call__(
        self,
        value: AbstractValue,
        logits: Float[Array, " logits"],
        old: Float[Array, ""],
        target: Float[Array, ""],
    ) -> Float[Array, ""]:
        return value.loss(logits, target)


@final
class ClippedValueLoss(AbstractValueLoss):
    """The greater of the loss and of that of the value held within `value_clip` of the old one.

    So nothing is won by moving further than that in one iteration. For scalar critics alone.

    Attributes:
        value_clip: how far a value may move, in scaled rewards, positive.

    Reference: the implementation beside Schulman et al. 2017 (arXiv 1707.06347). Engstrom et al. 2020
    (arXiv 2005.12729) find that it does not help, Andrychowicz et al. 2020 (arXiv 2006.05990) that it hurts.
    """

    value_clip: Scalar = hyper(0.2)

    def __call__(
        self,
        value: AbstractValue,
        logits: Float[Array, " logits"],
        old: Float[Array, ""],
        target: Float[Array, ""],
    ) -> Float[Array, ""]:
        held = old + jnp.clip(logits - old, -self.value_clip, self.value_clip)
        return jnp.maximum(value.loss(logits, target), value.loss(held, target))

    def fits(self, spec: Any) -> None:
        value = getattr(spec.algorithm, "value", None)
        require(
            isinstance(value, ScalarValue),
            f"ClippedValueLoss holds back a scalar, and the critic's outputs stand for {type(value).__name__}. Choose "
            "algorithm.value=ScalarValue(), or algorithm.value_loss=PlainValueLoss().",
        )

    def validate(self) -> None:
        require(
            self.value_clip > 0,
            f"The clip of the value is {self.value_clip!s}; give a positive one, or PlainValueLoss().",
        )
