"""The categorical distribution, over a discrete set of actions."""

from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from reppo.distributions.contract import AbstractDistribution


@final
class Categorical(AbstractDistribution):
    """Probabilities `softmax(logits)` of n actions, for one state. An action is a one-hot vector, its draw the number.

    Attributes:
        logits: unnormalized log-probabilities, finite.
    """

    logits: Float[Array, " choice"]

    @property
    def log_probs(self) -> Float[Array, " choice"]:
        """The log-probability of each action, in nats."""
        return jax.nn.log_softmax(self.logits)

    def draw(self, key: Key[Array, ""]) -> Int[Array, ""]:
        """Draws the number of an action, from 0 to n-1; no gradient flows through it."""
        return jax.random.categorical(key, self.logits)

    def action_of(self, drawn: Int[Array, ""]) -> Float[Array, " choice"]:
        """The one-hot vector."""
        return jax.nn.one_hot(drawn, self.logits.shape[-1])

    def draw_of(self, action: Float[Array, " choice"]) -> Int[Array, ""]:
        """The number of a one-hot vector."""
        return jnp.argmax(action)

    def log_prob_of_draw(self, drawn: Int[Array, ""]) -> Float[Array, ""]:
        """Log-probability of an action, at most 0."""
        return self.log_probs[drawn]

    def log_ratio(self, other: "Categorical", drawn: Int[Array, ""]) -> Float[Array, ""]:
        """Log of this probability over the other's."""
        return self.log_probs[drawn] - other.log_probs[drawn]

    def kl(self, other: "Categorical") -> Float[Array, ""]:
        """KL(self, other), exact."""
        return jnp.sum(jnp.exp(self.log_probs) * (self.log_probs - other.log_probs))

    def entropy(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """The entropy, exact, in [0, log n]."""
        return -jnp.sum(jnp.exp(self.log_probs) * self.log_probs)

    def weighted_draws(self, number: int, key: Key[Array, ""]) -> tuple[Int[Array, " choice"], Float[Array, " choice"]]:
        """The numbers of all actions, and their log-probabilities."""
        return jnp.arange(self.logits.shape[-1]), jax.lax.stop_gradient(self.log_probs)

    def mode(self) -> Float[Array, " choice"]:
        """The most probable action, the first of equals."""
        return self.action_of(jnp.argmax(self.logits))

    def expect(self, f: Callable[[Float[Array, " choice"], Float[Array, ""]], Any], key: Key[Array, ""]) -> Any:
        """The mean of `f(action, log_prob)`, exact: the sum over all actions, differentiable in the logits."""
        values = jax.vmap(f)(jnp.eye(self.logits.shape[-1]), self.log_probs)
        return jax.tree.map(lambda value: jnp.tensordot(jnp.exp(self.log_probs), value, axes=1), values)
