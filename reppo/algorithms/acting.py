"""Acting from an actor network."""

import dataclasses
from typing import Any, final

import equinox as eqx
from jaxtyping import Array, Key, PyTree

from reppo.distributions import AbstractDistribution, AbstractHead, Action, Draw
from reppo.environments import Observation
from reppo.normalization import AbstractNormalizer
from reppo.rollout import AbstractPolicy


@final
class Acted(eqx.Module):
    """What acting leaves for the update.

    Attributes:
        distribution: the policy's distribution when it acted.
        drawn: the draw behind the action.
    """

    distribution: AbstractDistribution
    drawn: Draw


@final
class ActorPolicy(AbstractPolicy):
    """Normalizes the observation, applies the actor network, samples or takes the mode.

    Attributes:
        actor: the actor network.
        statistics: statistics of the actor's observations.
        normalizer: how they are applied.
        head: turns outputs into a distribution, and draws into what is done.
    """

    actor: eqx.Module
    statistics: PyTree
    normalizer: AbstractNormalizer
    head: AbstractHead

    def __call__(
        self, memory: Any, observation: Observation, key: Key[Array, ""], deterministic: bool
    ) -> tuple[Action, Any, Acted]:
        distribution = self.head(self.actor(self.normalizer(self.statistics, observation.actor)))  # pyright: ignore
        if deterministic:
            action = distribution.mode()
            return action, memory, Acted(distribution, distribution.draw_of(action))
        drawn = distribution.draw(key)
        return self.head.take(distribution, drawn), memory, Acted(distribution, drawn)

    def observe(self, observation: Observation) -> "ActorPolicy":
        return dataclasses.replace(self, statistics=self.normalizer.observe(self.statistics, observation.actor))
