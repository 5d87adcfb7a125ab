"""Acting from an actor network."""

import dataclasses
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.algorithms.exploration import AbstractExploration, OwnDraws
from reppo.distributions import AbstractDistribution, AbstractHead, Action, Draw
from reppo.environments import Interface, Observation
from reppo.networks import AbstractActorBuilder
from reppo.normalization import AbstractNormalizer
from reppo.rollout import AbstractPolicy


@final
class Acted(eqx.Module):
    """What acting leaves for the update.

    Attributes:
        distribution: the policy's distribution when it acted.
        drawn: the draw behind the action.
        weight: of the action in traces, in (0, 1]; None where the policy itself drew (see `AbstractExploration`).
    """

    distribution: AbstractDistribution
    drawn: Draw
    weight: Float[Array, "*batch"] | None = None


@final
class ActorPolicy(AbstractPolicy):
    """Normalizes the observation, applies the actor network, samples or takes the mode.

    Attributes:
        actor: the actor network.
        statistics: statistics of the actor's observations.
        normalizer: how they are applied.
        head: turns outputs into a distribution, and draws into what is done.
        exploration: what it draws from while it collects.
    """

    actor: eqx.Module
    statistics: PyTree
    normalizer: AbstractNormalizer
    head: AbstractHead
    exploration: AbstractExploration = OwnDraws()

    def distribution(self, observation: Observation) -> Any:
        """That of the actions at one raw observation."""
        return self.head(self.actor(self.normalizer(self.statistics, observation.actor)))  # pyright: ignore

    def __call__(
        self, memory: Any, observation: Observation, key: Key[Array, ""], deterministic: bool
    ) -> tuple[Action, Any, Acted]:
        distribution = self.distribution(observation)
        if deterministic:
            action = distribution.mode()
            return action, memory, Acted(distribution, distribution.draw_of(action))
        drawn, weight = self.exploration.draw(distribution, memory, key)
        return self.head.take(distribution, drawn), memory, Acted(distribution, drawn, weight)

    def start(self, key: Key[Array, ""]) -> PyTree[Array]:
        return self.exploration.start(key)

    def exploiting(self) -> "ActorPolicy":
        return dataclasses.replace(self, exploration=OwnDraws())

    def observe(self, observation: Observation) -> "ActorPolicy":
        return dataclasses.replace(self, statistics=self.normalizer.observe(self.statistics, observation.actor))


class WithFreeOutputs(eqx.Module):
    """An actor network, and outputs beside it that are the same in every state.

    Attributes:
        network: from an observation to the first outputs.
        free: the last outputs, which are learned.
    """

    network: Any
    free: Float[Array, " free"]

    def __call__(self, observation: PyTree[Array]) -> Float[Array, " outputs"]:
        """All outputs for one normalized observation."""
        return jnp.concatenate([self.network(observation), self.free])


def build_actor(builder: AbstractActorBuilder, head: AbstractHead, key: Key[Array, ""], interface: Interface) -> Any:
    """The network whose outputs a head turns into a distribution.

    Args:
        builder: of the network.
        head: says how many outputs there are, and which of them are parameters of their own.
        key: consumed.
        interface: the shapes of observations and the space of actions.

    Raises:
        ConfigurationError: if the head is not for such actions.
    """
    size, free = head.size(interface.action), head.free(interface.action)
    if free is None:
        return builder.build(key, interface.observation.actor, size)
    return WithFreeOutputs(builder.build(key, interface.observation.actor, size - free.size), free)
