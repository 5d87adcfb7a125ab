"""Actor losses from advantages: the surrogates of PPO, with or without a constraint beside the clip."""

from abc import abstractmethod
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, Scalar, hyper
from reppo.distributions import AbstractDistribution
from reppo.errors import require
from reppo.losses.actor import AbstractActorLoss, gated, over_states, taken_log_ratios
from reppo.losses.divergences import MAX_LOG_RATIO, AbstractDivergence, ExactKL
from reppo.losses.gates import AbstractGate, PerState
from reppo.losses.minibatch import Minibatch
from reppo.losses.objectives import AbstractObjective, Unconstrained
from reppo.numerics import limit


class AbstractSurrogate(Component):
    """What the policy gains at one state, from the action that was taken there."""

    @abstractmethod
    def __call__(self, log_ratio: Float[Array, ""], advantage: Float[Array, ""]) -> Float[Array, ""]:
        """The gain, which is maximized.

        Args:
            log_ratio: log of the new density of the action over the old one: what is differentiated.
            advantage: how much better the action was than the policy.
        """


@final
class PlainRatio(AbstractSurrogate):
    """`ratio * advantage`: the policy gradient with importance weights, wherever the policy has gone.

    The log-ratio is held within +-20, so that no action overflows; beyond, the gradient still leads back.

    Reference: Schulman et al. 2017 (arXiv 1707.06347), equation 6.
    """

    def __call__(self, log_ratio: Float[Array, ""], advantage: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.exp(limit(log_ratio, -MAX_LOG_RATIO, MAX_LOG_RATIO)) * advantage


@final
class ClippedRatio(AbstractSurrogate):
    """`min(ratio * advantage, clip(ratio) * advantage)`, with the ratio clipped to 1 +- `ratio_clip`.

    Nothing is won by going further. What would be lost counts in full, so that the gradient leads back from where the
    policy went wrong. The log-ratio is held within +-20 as in `PlainRatio`.

    Attributes:
        ratio_clip: how far from 1 a ratio counts, in (0, 1).

    Reference: Schulman et al. 2017 (arXiv 1707.06347), equation 7.
    """

    ratio_clip: Scalar = hyper(0.2)

    def __call__(self, log_ratio: Float[Array, ""], advantage: Float[Array, ""]) -> Float[Array, ""]:
        ratio = jnp.exp(limit(log_ratio, -MAX_LOG_RATIO, MAX_LOG_RATIO))
        return jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - self.ratio_clip, 1 + self.ratio_clip) * advantage)

    def validate(self) -> None:
        require(0 < self.ratio_clip < 1, f"The clip of the ratio is {self.ratio_clip!s}; give one between 0 and 1.")


@final
class SurrogateLoss(AbstractActorLoss):
    """The loss of PPO: at each state `temperature * -entropy - gain`, the gain being that of the action taken there.

    Advantages are those of the minibatch, made before. Objective, divergence and gate are those of `PathwiseLoss`, with
    the gain in the place of Q: `Unconstrained` is PPO; with `PlainRatio` and `ClippedKL` the constraint of REPPO takes
    the place of the clip.

    Attributes:
        surrogate: what is gained at each state.
        objective: what is minimized there; holds the bound, if there is one.
        kl: the divergence from the old policy; reported, and what the objective may bound.
        gate: which states count as within the bound.

    Reference: Schulman et al. 2017 (arXiv 1707.06347), equation 9.
    """

    surrogate: AbstractSurrogate = ClippedRatio()
    objective: AbstractObjective = Unconstrained()  # pyright: ignore[reportCallIssue]
    kl: AbstractDivergence = ExactKL()
    gate: AbstractGate = PerState()

    @property
    def asks_q(self) -> bool:
        """False: it learns from advantages."""
        return False

    @property
    def kl_bound(self) -> Any:
        """The objective's bound."""
        return self.objective.kl_bound

    def __call__(
        self,
        new: Any,
        critic: Any,
        batch: Minibatch,
        temperature: Float[Array, ""] | Scalar,
        kl_multiplier: Float[Array, ""] | Scalar,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
        def per_state(
            new: AbstractDistribution,
            old: AbstractDistribution,
            observation: PyTree[Array],
            action_key: Key[Array, ""],
            kl_key: Key[Array, ""],
        ) -> tuple[Float[Array, ""], Float[Array, ""]]:
            return new.entropy(action_key), self.kl(old, new, kl_key)

        log_ratios = taken_log_ratios(new, batch)
        gains = jax.vmap(self.surrogate)(log_ratios, batch.advantage)
        entropy, kl = over_states(per_state, new, batch, key)
        loss, metrics = gated(self.objective, self.gate, gains, -entropy, kl, temperature, kl_multiplier)
        cut = gains < jax.vmap(PlainRatio())(log_ratios, batch.advantage)
        return loss, metrics | {"clipped": jax.lax.stop_gradient(1.0 * cut)}
