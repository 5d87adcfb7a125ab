"""What an untrained critic says: its network's outputs as they come, or moved to a value."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from reppo.component import Component, static
from reppo.errors import require
from reppo.networks.critic import CriticOutput

Encode = Callable[[Float[Array, ""]], Float[Array, " logits"]]


class AbstractOffset(Component):
    """Completes a critic network before training."""

    @abstractmethod
    def build(self, critic: eqx.Module, encode: Encode) -> eqx.Module:
        """The critic to train.

        Args:
            critic: from observation and action to `CriticOutput`.
            encode: what a target of some value looks like, one entry an output of the critic.
        """


class OffsetCritic(eqx.Module):
    """A critic whose logits are moved by `scale * offset`, where the offset is trained like any weight."""

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

    def build(self, critic: eqx.Module, encode: Encode) -> eqx.Module:
        return critic


@final
class ZeroOffset(AbstractOffset):
    """Logits moved by `scale` times the target of value 0, so that the critic starts near 0; trainable.

    So has it the reference implementation; it was off when the published curves were made.

    Attributes:
        scale: the factor, positive. The offset's gradient has it too, and so its effective learning rate.
    """

    scale: float = static(40.0)

    def build(self, critic: eqx.Module, encode: Encode) -> eqx.Module:
        return OffsetCritic(critic, encode(jnp.array(0.0)), self.scale)

    def validate(self) -> None:
        require(self.scale > 0, f"The scale of the critic's offset is {self.scale!r}; give a positive one.")


@final
class ZeroBias(AbstractOffset):
    """A bias of the logits that begins as `scale` times the target of value 0, so that the critic starts near 0.

    Unlike in `ZeroOffset` the factor stands in the parameter's initial value: it learns as fast as any other weight.

    Attributes:
        scale: the factor, positive.
    """

    scale: float = static(40.0)

    def build(self, critic: eqx.Module, encode: Encode) -> eqx.Module:
        return OffsetCritic(critic, self.scale * encode(jnp.array(0.0)), 1.0)

    def validate(self) -> None:
        require(self.scale > 0, f"The scale of the critic's bias is {self.scale!r}; give a positive one.")
