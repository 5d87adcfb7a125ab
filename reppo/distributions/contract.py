"""What every distribution over actions offers, for one state. Batched by `vmap`."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.errors import ConfigurationError

Action = Float[Array, " action"]
"""A unit action: within [-1, 1] in a box, a one-hot vector in a discrete space (see `reppo.environments`)."""
Draw = PyTree[Array]
"""What stands behind an action: for a squashed normal the sample before the tanh, for a choice its number."""

T = TypeVar("T")


class AbstractDistribution(eqx.Module):
    """A policy's distribution over the actions of one state.

    What is asked later of a sampled action is asked of the draw behind it, which says more: squashed to float32, or
    moved by a limit, an action is no longer what was drawn. Where only the action is known, `draw_of` gives the nearest
    draw.
    """

    @abstractmethod
    def draw(self, key: Key[Array, ""]) -> Draw:
        """A sample, before it becomes an action; differentiable in the parameters where the distribution allows it."""

    @abstractmethod
    def action_of(self, drawn: Draw) -> Action:
        """The action that a draw stands for."""

    @abstractmethod
    def draw_of(self, action: Action) -> Draw:
        """The draw behind an action, or the nearest where that is not defined."""

    @abstractmethod
    def log_prob_of_draw(self, drawn: Draw) -> Float[Array, ""]:
        """Log-density (or log-probability) of the action of a draw, in nats, summed over action dimensions."""

    @abstractmethod
    def log_ratio(self, other: Any, drawn: Draw) -> Float[Array, ""]:
        """Log of this density over the other's at the action of a draw; exactly 0 between equal distributions."""

    @abstractmethod
    def kl(self, other: Any) -> Float[Array, ""]:
        """KL(self, other), exact, in nats, summed over action dimensions."""

    @abstractmethod
    def entropy(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """The entropy, in nats: exact where it is known, without use of the key; else estimated from one sample."""

    @abstractmethod
    def mode(self) -> Action:
        """The preferred action, by which evaluation acts."""

    @abstractmethod
    def expect(self, f: Callable[[Action, Float[Array, ""]], T], key: Key[Array, ""]) -> T:
        """The mean of `f(action, log_prob)`, a tree of arrays, over the distribution.

        Exact where actions can be enumerated, without use of the key; else estimated from one sample, through which the
        gradient flows if the sample is differentiable.
        """

    def widened(self, factor: Float[Array, ""] | float) -> Any:
        """The same with a standard deviation so many times as great, for distributions that have one.

        Args:
            factor: positive.

        Raises:
            ConfigurationError: if it has none.
        """
        raise ConfigurationError(
            f"{type(self).__name__} has no standard deviation to widen. Give it a method widened(factor), or explore "
            "by OwnDraws()."
        )

    def weighted_draws(self, number: int, key: Key[Array, ""]) -> tuple[Draw, Float[Array, " draws"]]:
        """Draws that stand for the distribution, leaves `[draws, ...]`, and the logs of their weights, which sum to 1.

        All that there are, with their log-probabilities, where actions can be enumerated, without use of number and
        key; else samples, all of one weight. No gradient flows through them.

        Args:
            number: how many samples, at least 1.
            key: consumed.
        """
        drawn = jax.lax.stop_gradient(jax.vmap(self.draw)(jax.random.split(key, number)))
        return drawn, jnp.full(number, -jnp.log(number))

    def sample(self, key: Key[Array, ""]) -> Action:
        """Draws an action."""
        return self.action_of(self.draw(key))

    def sample_and_log_prob(self, key: Key[Array, ""]) -> tuple[Action, Float[Array, ""]]:
        """Draws an action and gives its log-density, which never passes through the inverse of a squashing."""
        drawn = self.draw(key)
        return self.action_of(drawn), self.log_prob_of_draw(drawn)

    def log_prob(self, action: Action) -> Float[Array, ""]:
        """Log-density of an action that is known without its draw, in nats, summed over action dimensions."""
        return self.log_prob_of_draw(self.draw_of(action))
