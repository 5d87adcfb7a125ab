"""The entropy bonus of the next action, which makes rewards soft."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from reppo.component import Component, Scalar


class AbstractEntropyBonus(Component):
    """What a step's reward gains, one step discounted, by the entropy of the policy at the next state."""

    @abstractmethod
    def __call__(
        self, temperature: Float[Array, ""] | Scalar, log_prob: Float[Array, ""], terminated: Bool[Array, ""]
    ) -> Float[Array, ""]:
        """The bonus of one step.

        Args:
            temperature: weight of the entropy, at least 0.
            log_prob: log-density of the next action.
            terminated: whether there is no next state.
        """


@final
class BonusUntilTermination(AbstractEntropyBonus):
    """`-temperature * log pi(a'|s')`, and nothing after a terminated step: there is no next action."""

    def __call__(
        self, temperature: Float[Array, ""] | Scalar, log_prob: Float[Array, ""], terminated: Bool[Array, ""]
    ) -> Float[Array, ""]:
        return jnp.where(terminated, 0.0, -temperature * log_prob)


@final
class BonusAlways(AbstractEntropyBonus):
    """`-temperature * log pi(a'|s')` at every step, also a terminated one, as in the reference implementation.

    Differs from the reference in the state of that action: there it is the first of the next episode, here the one in
    which the episode ended.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    def __call__(
        self, temperature: Float[Array, ""] | Scalar, log_prob: Float[Array, ""], terminated: Bool[Array, ""]
    ) -> Float[Array, ""]:
        return jnp.asarray(-temperature * log_prob)


@final
class NoBonus(AbstractEntropyBonus):
    """None: the critic learns the plain return, while the actor may still be rewarded for entropy."""

    def __call__(
        self, temperature: Float[Array, ""] | Scalar, log_prob: Float[Array, ""], terminated: Bool[Array, ""]
    ) -> Float[Array, ""]:
        return jnp.zeros(())
