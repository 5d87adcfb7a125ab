"""What an untrained critic says: its network's outputs as they come, or moved to a value."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from reppo.component import Component, static
from reppo.errors import require
from reppo.networks.critic import CriticOutput

Start = Callable[[float], Float[Array, " logits"] | None]
"""From a factor to what is added to the outputs that many times, so that they stand for 0; None for nothing."""


class AbstractOffset(Component):
    """Completes a critic network before training."""

    @abstractmethod
    def build(self, critic: eqx.Module, start: Start) -> eqx.Module:
        """The critic to train.

        Args:
            critic: from observation and action to `CriticOutput`.
            start: `AbstractValue.start` of what the critic's outputs stand for.
        """


class OffsetCritic(eqx.Module):
    """A critic whose logits are moved by `scale * offset`, where the offset is trained like any weight.

    Attributes:
        scale: the factor of the offset, positive.
    """

    critic: Any
    offset: Float[Array, " logits"]
    scale: float = eqx.field(static=True)

    def __call__(self, observation: PyTree[Array], action: Float[Array, " action"]) -> CriticOutput:
        """As the critic within, with moved logits."""
        output = self.critic(observation, action)
        logits = output.logits + self.scale * self.offset
        return CriticOutput(logits=logits, embedding=output.embedding, prediction=output.prediction)


@final
class NoOffset(AbstractOffset):
    """The critic as its initial weights make it: about uniform over the bins, so that it starts mid-support."""

    def build(self, critic: eqx.Module, start: Start) -> eqx.Module:
        return critic


@final
class ZeroOffset(AbstractOffset):
    """Logits moved by `scale` times what the value representation starts from, so that the critic is near 0; trainable.

    For `HLGauss` that is the target of value 0, as in the reference implementation; it was off when the published
    curves were made. A `ScalarValue` critic starts near 0 by itself and is left as it is.

    Attributes:
        scale: the factor, in (0, 80]. The offset's gradient has it too, and so its effective learning rate.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    scale: float = static(40.0)

    def build(self, critic: eqx.Module, start: Start) -> eqx.Module:
        offset = start(self.scale)
        return critic if offset is None else OffsetCritic(critic, offset, self.scale)

    def validate(self) -> None:
        _require_scale("offset", self.scale)


@final
class ZeroBias(AbstractOffset):
    """A bias of the logits that begins where `ZeroOffset` does, so that the critic starts near 0.

    Unlike there the factor stands in the parameter's initial value: it learns as fast as any other weight.

    Attributes:
        scale: the factor, in (0, 80].
    """

    scale: float = static(40.0)

    def build(self, critic: eqx.Module, start: Start) -> eqx.Module:
        bias = start(self.scale)
        return critic if bias is None else OffsetCritic(critic, self.scale * bias, 1.0)

    def validate(self) -> None:
        _require_scale("bias", self.scale)


def _require_scale(name: str, scale: float) -> None:
    require(
        0 < scale <= 80,
        f"The scale of the critic's {name} is {scale!r}; give one in (0, 80]. Beyond, every bin but the first has a "
        "probability of 0 in float32, and no gradient of Q reaches the actor.",
    )
