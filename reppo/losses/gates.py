"""Gates: which states of a minibatch follow the Q gradient, and which are pulled back to the old policy."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from reppo.component import Component, Scalar


class AbstractGate(Component):
    """Maps the divergences of a minibatch to a mask."""

    @abstractmethod
    def __call__(self, kl: Float[Array, " batch"], bound: Float[Array, ""] | Scalar) -> Bool[Array, " batch"]:
        """True where the policy is within the bound."""


@final
class PerState(AbstractGate):
    """Each state by its own divergence, as in the paper.

    Source: Voelcker et al., arXiv 2507.11019.
    """

    def __call__(self, kl: Float[Array, " batch"], bound: Float[Array, ""] | Scalar) -> Bool[Array, " batch"]:
        return kl < bound


@final
class PerBatch(AbstractGate):
    """All states by the mean divergence of the minibatch."""

    def __call__(self, kl: Float[Array, " batch"], bound: Float[Array, ""] | Scalar) -> Bool[Array, " batch"]:
        return jnp.broadcast_to(jnp.mean(kl) < bound, kl.shape)


@final
class NoGate(AbstractGate):
    """No state is ever pulled back."""

    def __call__(self, kl: Float[Array, " batch"], bound: Float[Array, ""] | Scalar) -> Bool[Array, " batch"]:
        return jnp.ones_like(kl, bool)
