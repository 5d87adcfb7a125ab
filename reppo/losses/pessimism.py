"""Pessimism: what several critics together say."""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from reppo.component import Component
from reppo.distributions import Action
from reppo.losses.values import AbstractValue


class AbstractPessimism(Component):
    """One value of those that several critics give for the same state and action."""

    @abstractmethod
    def __call__(self, values: Float[Array, " critic"]) -> Float[Array, ""]:
        """The value that counts, within the range of those of the critics."""


@final
class LeastValue(AbstractPessimism):
    """The least: clipped double Q-learning (Fujimoto et al. 2018, arXiv 1802.09477).

    Its gradient is that of the first critic with the least value. (That of `jnp.min` looks for values that equal the
    least, and is not finite where a compiler has computed them twice with other roundings and none does.)
    """

    def __call__(self, values: Float[Array, " critic"]) -> Float[Array, ""]:
        return values[jnp.argmin(values)]


@final
class MeanValue(AbstractPessimism):
    """The mean, without pessimism."""

    def __call__(self, values: Float[Array, " critic"]) -> Float[Array, ""]:
        return jnp.mean(values)


@final
class EnsembleQ(eqx.Module):
    """Critics, what their outputs stand for, and what they say together of a state and an action.

    Attributes:
        critics: a network from (normalized critic observation, action) to outputs `[critic, ...]`.
        value: what decodes the logits of each.
        pessimism: what becomes of their values.
    """

    critics: Any
    value: AbstractValue
    pessimism: AbstractPessimism

    def __call__(self, observation: PyTree[Array], action: Action) -> Float[Array, ""]:
        """The value of an action at one observation."""
        return self.pessimism(self.each(observation, action))

    def each(self, observation: PyTree[Array], action: Action) -> Float[Array, " critic"]:
        """The value that each critic gives."""
        return jax.vmap(self.value.decode)(self.critics(observation, action).logits)
