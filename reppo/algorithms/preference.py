"""Which of its actions a policy prefers: the one that evaluation takes."""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.algorithms.acting import Acted, ActorPolicy
from reppo.component import Component, static
from reppo.distributions import Action
from reppo.environments import Interface, Observation
from reppo.errors import require
from reppo.rollout import AbstractPolicy

Q = Callable[[PyTree[Array], Action], Float[Array, ""]]
"""The value of a unit action at one normalized observation."""


@final
class GreedyPolicy(AbstractPolicy):
    """Acts as another policy while it collects, and prefers the best of several of its actions by what a critic says.

    Attributes:
        policy: the other one.
        q: the critic, which sees what the policy sees.
        number: how many draws stand beside the policy's mode, at least 1.
    """

    policy: ActorPolicy
    q: Any
    number: int = static()

    def distribution(self, observation: Observation) -> Any:
        """That of the actions at one raw observation."""
        return self.policy.distribution(observation)

    def __call__(
        self, memory: Any, observation: Observation, key: Key[Array, ""], deterministic: bool
    ) -> tuple[Action, Any, Acted]:
        if not deterministic:
            return self.policy(memory, observation, key, deterministic)
        distribution, head = self.policy.distribution(observation), self.policy.head
        draws = jax.vmap(distribution.draw)(jax.random.split(jax.random.key(0), self.number))
        drawn = jax.vmap(lambda one: head.take(distribution, one))(draws)
        actions = jnp.concatenate([distribution.mode()[None], drawn])
        seen = self.policy.normalizer(self.policy.statistics, observation.actor)
        action = actions[jnp.argmax(jax.vmap(lambda action: self.q(seen, action))(actions))]
        return action, memory, Acted(distribution, distribution.draw_of(action))

    def start(self, key: Key[Array, ""]) -> PyTree[Array]:
        return self.policy.start(key)

    def exploiting(self) -> "GreedyPolicy":
        return dataclasses.replace(self, policy=self.policy.exploiting())

    def observe(self, observation: Observation) -> "GreedyPolicy":
        return dataclasses.replace(self, policy=self.policy.observe(observation))


class AbstractPreference(Component):
    """From a policy and its critic to the policy that is evaluated and exported, which collects as the first does."""

    @abstractmethod
    def of(self, policy: ActorPolicy, q: Q) -> ActorPolicy | GreedyPolicy:
        """The policy with its preferred action.

        Args:
            policy: the policy.
            q: its critic.
        """

    def check(self, interface: Interface) -> None:
        """Refuses a task that it is not for.

        Args:
            interface: of the task.

        Raises:
            ConfigurationError: if it is not for it.
        """


@final
class OwnMode(AbstractPreference):
    """The mode of the policy's distribution; the critic is not asked."""

    def of(self, policy: ActorPolicy, q: Q) -> ActorPolicy:
        return policy


@final
class BestOfDraws(AbstractPreference):
    """The best of the mode and several draws, by the critic's values; the random numbers are the same in every state.

    An exported policy then holds the critic too.

    Attributes:
        number: of draws, at least 1.
    """

    number: int = static(16)

    def of(self, policy: ActorPolicy, q: Q) -> GreedyPolicy:
        return GreedyPolicy(policy, q, self.number)

    def check(self, interface: Interface) -> None:
        require(
            interface.observation.critic is None,
            "BestOfDraws asks the critic where the policy acts, and the critic of this task sees more than is known "
            "there. Choose OwnMode().",
        )

    def validate(self) -> None:
        require(self.number >= 1, f"The number of draws to choose from is {self.number}; give at least 1.")
