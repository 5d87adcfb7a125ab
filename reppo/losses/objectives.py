"""What the actor minimizes at one state."""

from abc import abstractmethod
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Bool, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require

Number = Float[Array, ""] | Scalar | float


class AbstractObjective(Component):
    """A per-state objective. The bound on the divergence belongs to it, and the KL multiplier reads it here.

    Attributes:
        kl_bound: the divergence from the old policy up to which the policy is free, in nats; infinite if always.
    """

    kl_bound: AbstractVar[Scalar]

    @abstractmethod
    def __call__(
        self,
        *,
        q: Number,
        log_prob: Number,
        kl: Number,
        temperature: Number,
        kl_multiplier: Number,
        inside: Bool[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        """The objective, to be minimized.

        Args:
            q: value of an action of the new policy, differentiable in that action.
            log_prob: log-density of that action under the new policy.
            kl: divergence of the new policy from the old one.
            temperature: weight of the entropy, a constant here.
            kl_multiplier: weight of the divergence, a constant here.
            inside: the gate's verdict; where None, `kl < kl_bound`.
        """


@final
class ClippedKL(AbstractObjective):
    """`temperature * log_prob - q` within the bound; `kl_multiplier * kl` beyond it.

    Beyond the bound the gradient of Q is dropped, not outweighed: the state's only wish is to return.

    Attributes:
        kl_bound: bound on the divergence, in nats, positive.

    Reference: arXiv 2507.11019, section 3.
    """

    kl_bound: Scalar = hyper(0.1)

    def __call__(
        self,
        *,
        q: Number,
        log_prob: Number,
        kl: Number,
        temperature: Number,
        kl_multiplier: Number,
        inside: Bool[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        free = kl < self.kl_bound if inside is None else inside
        return jnp.where(free, temperature * log_prob - q, kl_multiplier * kl)

    def validate(self) -> None:
        _require_bound(self.kl_bound)


@final
class PenalizedKL(AbstractObjective):
    """`temperature * log_prob - q + kl_multiplier * kl` at every state: the Lagrangian, without a gate.

    An ablation of the paper (arXiv 2507.11019).

    Attributes:
        kl_bound: bound that the multiplier aims for, in nats, positive.
    """

    kl_bound: Scalar = hyper(0.1)

    def __call__(
        self,
        *,
        q: Number,
        log_prob: Number,
        kl: Number,
        temperature: Number,
        kl_multiplier: Number,
        inside: Bool[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        return jnp.asarray(temperature * log_prob - q + kl_multiplier * kl)

    def validate(self) -> None:
        _require_bound(self.kl_bound)


@final
class OutweighedKL(AbstractObjective):
    """`temperature * log_prob - q` at every state, plus `kl_multiplier * kl` beyond the bound.

    As `ClippedKL`, but beyond the bound the gradient of Q is kept, to be outweighed, instead of dropped.

    Attributes:
        kl_bound: bound on the divergence, in nats, positive.
    """

    kl_bound: Scalar = hyper(0.1)

    def __call__(
        self,
        *,
        q: Number,
        log_prob: Number,
        kl: Number,
        temperature: Number,
        kl_multiplier: Number,
        inside: Bool[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        free = kl < self.kl_bound if inside is None else inside
        return temperature * log_prob - q + jnp.where(free, 0.0, kl_multiplier * kl)

    def validate(self) -> None:
        _require_bound(self.kl_bound)


@final
class Unconstrained(AbstractObjective):
    """`temperature * log_prob - q`: the pathwise objective of SAC, free to leave the old policy.

    Source: Haarnoja et al. 2018, arXiv 1801.01290.
    """

    @property
    def kl_bound(self) -> Scalar:
        """No bound."""
        return np.float32(np.inf)

    def __call__(
        self,
        *,
        q: Number,
        log_prob: Number,
        kl: Number,
        temperature: Number,
        kl_multiplier: Number,
        inside: Bool[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        return jnp.asarray(temperature * log_prob - q)


@final
class WithoutEntropy(AbstractObjective):
    """Another objective, at a temperature of 0: only the critic's targets know of entropy then.

    Attributes:
        objective: what is minimized; holds the bound.
    """

    objective: AbstractObjective = ClippedKL()

    @property
    def kl_bound(self) -> Any:
        """That of the objective."""
        return self.objective.kl_bound

    def __call__(
        self,
        *,
        q: Number,
        log_prob: Number,
        kl: Number,
        temperature: Number,
        kl_multiplier: Number,
        inside: Bool[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        return self.objective(
            q=q, log_prob=log_prob, kl=kl, temperature=0.0, kl_multiplier=kl_multiplier, inside=inside
        )


def _require_bound(bound: Scalar) -> None:
    require(bound > 0, f"The KL bound is {bound!s}; give a positive one (0.1 is the published value).")
