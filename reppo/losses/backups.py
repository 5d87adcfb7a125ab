"""Backups: what the critics learn of a step, made of its reward and of what the critics say of the next state."""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from reppo.component import Component
from reppo.distributions import Action
from reppo.errors import require
from reppo.losses.objectives import Number
from reppo.losses.pessimism import EnsembleQ
from reppo.losses.values import AbstractValue, TwoHot, two_hot


def project(
    histogram: Float[Array, " bins"], low: Number, high: Number, reward: Number, discount: Number
) -> Float[Array, " bins"]:
    """The histogram of `reward + discount * z`, for z distributed as a histogram, on the same bins: that of C51.

    The mass of each bin is divided between the two bins next to where it comes to lie. What comes to lie outside of
    [low, high] is put at its end; else the mean is `reward + discount * mean`.

    Args:
        histogram: probabilities that sum to 1, of `linspace(low, high, bins)`.
        low: the middle of the first bin.
        high: the middle of the last bin, above `low`.
        reward: what is added.
        discount: factor on what the histogram stands for, at least 0.

    Reference: Bellemare et al. 2017 (arXiv 1707.06887), algorithm 1.
    """
    bins = len(histogram)
    moved = jax.vmap(lambda z: two_hot(reward + discount * z, low, high, bins))(jnp.linspace(low, high, bins))
    return jnp.sum(histogram[:, None] * moved, axis=0)


@final
class BackedUp(eqx.Module):
    """What the critics learn of a step.

    Attributes:
        value: its value, a number.
        histogram: the distribution of what follows it; None where critics learn a number.
    """

    value: Float[Array, ""]
    histogram: Float[Array, " bins"] | None = None


class AbstractBackup(Component):
    """The target of the critics, and their loss against it."""

    @abstractmethod
    def target(
        self, q: EnsembleQ, observation: PyTree[Array], action: Action, bonus: Number, reward: Number, discount: Number
    ) -> BackedUp:
        """What is learned of one step.

        Args:
            q: the target critics.
            observation: the normalized observation after the step.
            action: a unit action there.
            bonus: what is added to its value, such as that of its entropy.
            reward: scaled reward, of one or several steps.
            discount: of what follows it, 0 after a termination.
        """

    @abstractmethod
    def loss(self, value: AbstractValue, logits: Float[Array, " logits"], target: BackedUp) -> Float[Array, ""]:
        """The loss of the outputs of one critic.

        Args:
            value: what the outputs stand for.
            logits: the outputs.
            target: what is learned.
        """


@final
class MeanBackup(AbstractBackup):
    """Critics learn a number: the reward, and the discounted value of what follows."""

    def target(
        self, q: EnsembleQ, observation: PyTree[Array], action: Action, bonus: Number, reward: Number, discount: Number
    ) -> BackedUp:
        return BackedUp(reward + discount * (q(observation, action) + bonus))

    def loss(self, value: AbstractValue, logits: Float[Array, " logits"], target: BackedUp) -> Float[Array, ""]:
        return value.loss(logits, target.value)


@final
class DistributionBackup(AbstractBackup):
    """Critics learn the distribution of returns, by cross-entropy: C51, with any number of critics.

    Each critic's histogram counts as much as its value moves what the critics say together: with `LeastValue` that of
    the least alone, as FastTD3 has it, with `MeanValue` all alike. Bins are those of `TwoHot`.

    References: Bellemare et al. 2017 (arXiv 1707.06887); Seo et al. 2025 (arXiv 2505.22642).
    """

    def target(
        self, q: EnsembleQ, observation: PyTree[Array], action: Action, bonus: Number, reward: Number, discount: Number
    ) -> BackedUp:
        low, high = q.value.support.bounds()  # pyright: ignore[reportAttributeAccessIssue]
        logits = q.critics(observation, action).logits
        value, share = jax.value_and_grad(q.pessimism)(jax.vmap(q.value.decode)(logits))
        mixed = share @ jax.nn.softmax(logits)
        return BackedUp(
            reward + discount * (value + bonus), project(mixed, low, high, reward + discount * bonus, discount)
        )

    def loss(self, value: AbstractValue, logits: Float[Array, " logits"], target: BackedUp) -> Float[Array, ""]:
        return -jnp.sum(target.histogram * jax.nn.log_softmax(logits))  # pyright: ignore[reportOptionalOperand]

    def fits(self, spec: Any) -> None:
        value = getattr(spec.algorithm, "value", None)
        require(
            isinstance(value, TwoHot),
            f"DistributionBackup learns distributions over the bins of TwoHot, and the critics have "
            f"{type(value).__name__}. Choose value=TwoHot(support), or backup=MeanBackup().",
        )
