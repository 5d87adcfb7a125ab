"""What becomes of advantages before the policy learns from them."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from reppo.component import Component


class AbstractAdvantages(Component):
    """A change of advantages, once for a rollout and then for each minibatch."""

    @abstractmethod
    def of_rollout(self, advantages: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
        """Those of all rows, before the first minibatch.

        Args:
            advantages: 0 in rows that do not count, as in what is returned.
            counts: which rows do.
        """

    @abstractmethod
    def of_minibatch(self, advantages: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
        """Those of a minibatch, from what `of_rollout` gave; likewise."""


@final
class PlainAdvantages(AbstractAdvantages):
    """As they are, in scaled rewards."""

    def of_rollout(self, advantages: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
        return advantages

    def of_minibatch(self, advantages: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
        return advantages


@final
class StandardizedMinibatches(AbstractAdvantages):
    """Mean 0 and standard deviation 1 in every minibatch.

    Reference: Huang et al. 2022 (iclr-blog-track.github.io/2022/03/25/ppo-implementation-details).
    Andrychowicz et al. 2020 (arXiv 2006.05990) find little difference.
    """

    def of_rollout(self, advantages: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
        return advantages

    def of_minibatch(self, advantages: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
        return standardized(advantages, counts)


@final
class StandardizedRollouts(AbstractAdvantages):
    """Mean 0 and standard deviation 1 over a whole rollout, so that minibatches keep their differences."""

    def of_rollout(self, advantages: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
        return standardized(advantages, counts)

    def of_minibatch(self, advantages: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
        return advantages


def standardized(x: Float[Array, " rows"], counts: Bool[Array, " rows"]) -> Float[Array, " rows"]:
    """Mean 0 and standard deviation 1 over the rows that count; 0 in the others.

    Args:
        x: of each row.
        counts: which rows do.
    """
    mean, deviation = jnp.mean(x, where=counts), jnp.std(x, where=counts)
    return jnp.where(counts, (x - mean) / (deviation + 1e-8), 0.0)
