"""What becomes of advantages before the policy learns from them."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component


class AbstractAdvantages(Component):
    """A change of advantages, once for a rollout and then for each minibatch."""

    @abstractmethod
    def of_rollout(self, advantages: Float[Array, " rows"]) -> Float[Array, " rows"]:
        """Those of all rows, before the first minibatch."""

    @abstractmethod
    def of_minibatch(self, advantages: Float[Array, " rows"]) -> Float[Array, " rows"]:
        """Those of a minibatch, from what `of_rollout` gave."""


@final
class PlainAdvantages(AbstractAdvantages):
    """As they are, in scaled rewards."""

    def of_rollout(self, advantages: Float[Array, " rows"]) -> Float[Array, " rows"]:
        return advantages

    def of_minibatch(self, advantages: Float[Array, " rows"]) -> Float[Array, " rows"]:
        return advantages


@final
class StandardizedMinibatches(AbstractAdvantages):
    """Mean 0 and standard deviation 1 in every minibatch.

    Reference: Huang et al. 2022 (iclr-blog-track.github.io/2022/03/25/ppo-implementation-details).
    Andrychowicz et al. 2020 (arXiv 2006.05990) find little difference.
    """

    def of_rollout(self, advantages: Float[Array, " rows"]) -> Float[Array, " rows"]:
        return advantages

    def of_minibatch(self, advantages: Float[Array, " rows"]) -> Float[Array, " rows"]:
        return _standardized(advantages)


@final
class StandardizedRollouts(AbstractAdvantages):
    """Mean 0 and standard deviation 1 over a whole rollout, so that minibatches keep their differences."""

    def of_rollout(self, advantages: Float[Array, " rows"]) -> Float[Array, " rows"]:
        return _standardized(advantages)

    def of_minibatch(self, advantages: Float[Array, " rows"]) -> Float[Array, " rows"]:
        return advantages


def _standardized(x: Float[Array, " rows"]) -> Float[Array, " rows"]:
    return (x - jnp.mean(x)) / (jnp.std(x) + 1e-8)
