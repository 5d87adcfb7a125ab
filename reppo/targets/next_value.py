"""What the next state is worth under the current policy."""

from abc import abstractmethod
from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from reppo.component import Component, static
from reppo.distributions import TanhNormal
from reppo.errors import require


class NextValue(eqx.Module):
    """An estimate at one next state.

    Attributes:
        value: `V(s')`.
        log_prob: `log pi(a'|s')`, whose negative is the entropy bonus.
        embedding: the critic's embedding of `(s', a')`, what the auxiliary task predicts.
    """

    value: Float[Array, ""]
    log_prob: Float[Array, ""]
    embedding: Float[Array, " embedding"]


class AbstractNextValue(Component):
    """Estimates the value of one next state."""

    @abstractmethod
    def __call__(
        self,
        distribution: TanhNormal,
        evaluate: Callable[[Float[Array, " action"]], tuple[Float[Array, ""], Float[Array, " embedding"]]],
        key: Key[Array, ""],
    ) -> NextValue:
        """The estimate.

        Args:
            distribution: the policy at the next state.
            evaluate: action -> (Q, embedding) at the next state.
            key: consumed.
        """


@final
class FreshAction(AbstractNextValue):
    """`V(s') = mean of Q(s', a')` over actions drawn anew from the policy.

    Attributes:
        num_samples: number of actions, at least 1. The reference draws one; more lower the variance of the target.
            The embedding is that of the first.
    """

    num_samples: int = static(1)

    def __call__(
        self,
        distribution: TanhNormal,
        evaluate: Callable[[Float[Array, " action"]], tuple[Float[Array, ""], Float[Array, " embedding"]]],
        key: Key[Array, ""],
    ) -> NextValue:
        actions, log_probs = jax.vmap(distribution.sample_and_log_prob)(jax.random.split(key, self.num_samples))
        values, embeddings = jax.vmap(evaluate)(actions)
        return NextValue(value=values.mean(), log_prob=log_probs.mean(), embedding=embeddings[0])

    def validate(self) -> None:
        require(self.num_samples >= 1, f"The number of next actions is {self.num_samples}; give at least 1.")
