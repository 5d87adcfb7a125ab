"""Actor losses from advantages: the surrogates of PPO, with or without a constraint beside the clip."""

import dataclasses
from abc import abstractmethod
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, Scalar, hyper, static
from reppo.distributions import AbstractDistribution
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses.actor import AbstractBoundedLoss, Q, gated, over_states, taken_log_ratios
from reppo.losses.divergences import MAX_LOG_RATIO, AbstractDivergence, ExactKL
from reppo.losses.gates import AbstractGate, PerState
from reppo.losses.minibatch import Minibatch
from reppo.losses.objectives import AbstractObjective, ClippedKL, Unconstrained
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
class SurrogateLoss(AbstractBoundedLoss):
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
    def on_policy(self) -> bool:
        """True: the actions that were taken have to be those of the old policy."""
        return True

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


@final
class LambdaAdvantageLoss(AbstractBoundedLoss):
    """Generalized advantage estimation with the critic of REPPO, within its constraint.

    At each state `gain = ratio * A` takes the place of Q in the objective, where `ratio` is new over old density of the
    action that was taken, and `A = target - mean of Q(s, a)` over actions of the old policy. The target is the
    lambda-return that the critic learns, so that `A` sums up what happened after the action as generalized advantage
    estimation does; it is in the units of Q, and not standardized. Q is asked for its values alone; where actions can
    be enumerated, its mean is exact.

    At the old policy, with a critic that is right, this is in expectation the gradient of `PathwiseLoss`.

    Attributes:
        surrogate: what is gained at each state.
        objective: what is minimized there; holds the bound.
        kl: the divergence from the old policy.
        gate: which states count as within the bound.
        num_samples: actions that estimate the value of a state, at least 1, where they cannot be enumerated.

    Reference: Schulman et al. 2016 (arXiv 1506.02438).
    """

    surrogate: AbstractSurrogate = PlainRatio()
    objective: AbstractObjective = ClippedKL()
    kl: AbstractDivergence = ExactKL()
    gate: AbstractGate = PerState()
    num_samples: int = static(4)

    @property
    def on_policy(self) -> bool:
        """True: the actions that were taken have to be those of the old policy."""
        return True

    def __call__(
        self,
        new: Any,
        critic: Q,
        batch: Minibatch,
        temperature: Float[Array, ""] | Scalar,
        kl_multiplier: Float[Array, ""] | Scalar,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
        def value(old: AbstractDistribution, observation: PyTree[Array], key: Key[Array, ""]) -> Float[Array, ""]:
            drawn, log_weights = old.weighted_draws(self.num_samples, key)
            values = jax.vmap(lambda one: critic(observation, old.action_of(one)))(drawn)
            return jnp.sum(jnp.exp(log_weights) * values)

        keys = jax.random.split(subkey(key, "baseline"), batch.size)
        advantage = batch.target - jax.vmap(value)(batch.old, batch.observation.for_critic, keys)
        if batch.counts is not None:
            advantage = jnp.where(batch.counts, advantage, 0.0)
        batch = dataclasses.replace(batch, advantage=jax.lax.stop_gradient(advantage))
        surrogate = SurrogateLoss(surrogate=self.surrogate, objective=self.objective, kl=self.kl, gate=self.gate)
        return surrogate(new, None, batch, temperature, kl_multiplier, key)

    def validate(self) -> None:
        require(self.num_samples >= 1, f"The number of actions of the baseline is {self.num_samples}; give at least 1.")
