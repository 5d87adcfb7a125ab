"""Stops: when the policy makes no further step in an iteration."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require


class AbstractStop(Component):
    """Decides before each step of the policy whether it and all later ones of the iteration are left out."""

    @abstractmethod
    def init(self) -> Bool[Array, ""] | None:
        """Whether the policy has stopped, at the start of an iteration; None where it never does."""

    @abstractmethod
    def __call__(self, kl: Float[Array, ""]) -> Bool[Array, ""]:
        """Whether to stop.

        Args:
            kl: the mean divergence from the policy that collected, over the minibatch that is at hand.
        """


@final
class NoStop(AbstractStop):
    """Every step is made."""

    def init(self) -> None:
        return None

    def __call__(self, kl: Float[Array, ""]) -> Bool[Array, ""]:
        return jnp.zeros((), bool)


@final
class TargetKL(AbstractStop):
    """No further step of the policy once its divergence is above a target; the critic goes on.

    Attributes:
        target_kl: the divergence, in nats, positive. Implementations write it as 1.5 times a target of 0.01.

    Reference: Achiam 2018, Spinning Up in Deep Reinforcement Learning.
    """

    target_kl: Scalar = hyper(0.015)

    def init(self) -> Bool[Array, ""]:
        return jnp.zeros((), bool)

    def __call__(self, kl: Float[Array, ""]) -> Bool[Array, ""]:
        return kl > self.target_kl

    def validate(self) -> None:
        require(
            self.target_kl > 0, f"The target of the KL is {self.target_kl!s} nats; give a positive one, or NoStop()."
        )
