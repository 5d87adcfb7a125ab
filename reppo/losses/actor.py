"""Actor losses: one number for a minibatch, differentiable in the policy alone."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, hyper, static
from reppo.component import Scalar as ScalarLike
from reppo.distributions import TanhNormal, undo_tanh
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses.divergences import MAX_LOG_RATIO, AbstractDivergence, ExactKL
from reppo.losses.gates import AbstractGate, PerState
from reppo.losses.objectives import AbstractObjective, ClippedKL
from reppo.numerics import limit

Policy = Callable[[PyTree[Array]], TanhNormal]
"""From one (normalized) actor observation to the distribution over actions."""
QFunction = Callable[[PyTree[Array], Float[Array, " action"]], Float[Array, ""]]
"""From one (normalized) critic observation and an action to its value."""


class ActorBatch(eqx.Module):
    """What an actor loss may use of a minibatch.

    Attributes:
        actor_observation: normalized observations for the policy, `[batch, ...]`.
        critic_observation: normalized observations for the critic, `[batch, ...]`.
        action: actions taken, `[batch, action]`, in [-1, 1].
        old_loc: mean of the policy that took them, before the tanh.
        old_scale: its standard deviation, likewise.
        target: the critic's targets, `[batch]`.
        drawn: what the policy drew when it took them, before the tanh and the limit on actions, `[batch, action]`; None
            where only the actions are known, whose densities are then those of the actions as they are.
    """

    actor_observation: PyTree[Array]
    critic_observation: PyTree[Array]
    action: Float[Array, "batch action"]
    old_loc: Float[Array, "batch action"]
    old_scale: Float[Array, "batch action"]
    target: Float[Array, " batch"]
    drawn: Float[Array, "batch action"] | None = None


class AbstractActorLoss(Component):
    """A loss of the policy on a minibatch."""

    @property
    @abstractmethod
    def kl_bound(self) -> Any:
        """The divergence that the KL multiplier aims for; infinite if there is none."""

    @abstractmethod
    def __call__(
        self,
        policy: Policy,
        critic: QFunction,
        batch: ActorBatch,
        temperature: Float[Array, ""] | ScalarLike,
        kl_multiplier: Float[Array, ""] | ScalarLike,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
        """The loss and, for every state, at least `entropy`, `kl` and `behind_gate`.

        Args:
            policy: the policy that is differentiated.
            critic: a constant.
            batch: the minibatch; the old policy is in it.
            temperature: weight of the entropy, a constant.
            kl_multiplier: weight of the divergence, a constant.
            key: consumed.
        """


@final
class PathwiseLoss(AbstractActorLoss):
    """The reparameterized gradient through Q: the loss of REPPO.

    Attributes:
        objective: what is minimized at each state; holds the bound.
        kl: the divergence from the old policy.
        gate: which states count as within the bound.

    Reference: arXiv 2507.11019, section 3.
    """

    objective: AbstractObjective = ClippedKL()
    kl: AbstractDivergence = ExactKL()
    gate: AbstractGate = PerState()

    @property
    def kl_bound(self) -> Any:
        """The objective's bound."""
        return self.objective.kl_bound

    def __call__(
        self,
        policy: Policy,
        critic: QFunction,
        batch: ActorBatch,
        temperature: Float[Array, ""] | ScalarLike,
        kl_multiplier: Float[Array, ""] | ScalarLike,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
        def per_state(
            actor_observation: PyTree[Array],
            critic_observation: PyTree[Array],
            old_loc: Float[Array, " action"],
            old_scale: Float[Array, " action"],
            action_key: Key[Array, ""],
            kl_key: Key[Array, ""],
        ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
            distribution = policy(actor_observation)
            action, log_prob = distribution.sample_and_log_prob(action_key)
            q = critic(critic_observation, action)
            return q, log_prob, self.kl(TanhNormal(old_loc, old_scale), distribution, kl_key)

        q, log_prob, kl = _over_states(per_state, batch, key)
        return _gated(self.objective, self.gate, q, log_prob, kl, temperature, kl_multiplier)


@final
class ScoreFunctionLoss(AbstractActorLoss):
    """The score-function gradient of the same objective with the same critic: the paper's central comparison.

    The gradient of `E[temperature * log pi(a|s) - Q(s, a)]` is estimated as
    `E[(temperature * log pi(a|s) - Q(s, a) - baseline) * grad log pi(a|s)]` at several actions of the policy; the
    baseline of each is the mean over the others (leave-one-out), so that the estimate is unbiased. Q is asked for its
    value, never for its gradient. Divergence, gate and objective are those of `PathwiseLoss`.

    Attributes:
        objective: what is minimized at each state; holds the bound.
        kl: the divergence from the old policy.
        gate: which states count as within the bound.
        num_samples: actions at each state, at least 2.

    Reference: arXiv 2507.11019, section 2; Kool et al. 2019 ("Buy 4 REINFORCE samples, get a baseline for free!").
    """

    objective: AbstractObjective = ClippedKL()
    kl: AbstractDivergence = ExactKL()
    gate: AbstractGate = PerState()
    num_samples: int = static(4)

    @property
    def kl_bound(self) -> Any:
        """The objective's bound."""
        return self.objective.kl_bound

    def __call__(
        self,
        policy: Policy,
        critic: QFunction,
        batch: ActorBatch,
        temperature: Float[Array, ""] | ScalarLike,
        kl_multiplier: Float[Array, ""] | ScalarLike,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
        def per_state(
            actor_observation: PyTree[Array],
            critic_observation: PyTree[Array],
            old_loc: Float[Array, " action"],
            old_scale: Float[Array, " action"],
            action_key: Key[Array, ""],
            kl_key: Key[Array, ""],
        ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
            distribution = policy(actor_observation)
            drawn = jax.lax.stop_gradient(jax.vmap(distribution.draw)(jax.random.split(action_key, self.num_samples)))
            log_probs = jax.vmap(distribution.log_prob_of_draw)(drawn)
            q = jax.vmap(lambda u: critic(critic_observation, jnp.tanh(u)))(drawn)
            cost = jax.lax.stop_gradient(temperature * log_probs - q)
            baseline = (jnp.sum(cost) - cost) / (self.num_samples - 1)
            # A number whose value is the mean of q and whose gradient is the estimate, with its sign turned.
            surrogate = jnp.mean(q) - jnp.mean((cost - baseline) * (log_probs - jax.lax.stop_gradient(log_probs)))
            kl = self.kl(TanhNormal(old_loc, old_scale), distribution, kl_key)
            return surrogate, jax.lax.stop_gradient(jnp.mean(log_probs)), kl

        q, log_prob, kl = _over_states(per_state, batch, key)
        return _gated(self.objective, self.gate, q, log_prob, kl, temperature, kl_multiplier)

    def validate(self) -> None:
        require(
            self.num_samples >= 2,
            f"The number of actions of the score-function loss is {self.num_samples}; give at least 2: the baseline of "
            "each is the mean over the others.",
        )


@final
class ClippedSurrogateLoss(AbstractActorLoss):
    """The clipped surrogate of PPO at the actions that were taken, with advantages from the same critic.

    `-min(ratio * A, clip(ratio, 1 - clip, 1 + clip) * A) + temperature * log pi(a'|s)`, where `ratio` is new over old
    density of the action taken, `A = target - mean of Q(s, a')` over fresh actions, standardized over the minibatch,
    and the entropy is that of a fresh action, reparameterized. No bound on the divergence: the clip takes its place.

    Both densities are those of what was drawn, before the tanh and the limit on actions. The log-ratio is held within
    +-20, so that no action overflows however far the policy has moved; beyond that the gradient still leads back, where
    the exponential alone would be infinite or 0.

    Attributes:
        clip: how far the ratio counts, in (0, 1).
        num_samples: fresh actions that estimate the value of a state, at least 1.
        kl: the divergence from the old policy, which is reported only.

    Reference: Schulman et al. 2017 (arXiv 1707.06347).
    """

    clip: ScalarLike = hyper(0.2)
    num_samples: int = static(4)
    kl: AbstractDivergence = ExactKL()

    @property
    def kl_bound(self) -> Any:
        """No bound."""
        return np.float32(np.inf)

    def __call__(
        self,
        policy: Policy,
        critic: QFunction,
        batch: ActorBatch,
        temperature: Float[Array, ""] | ScalarLike,
        kl_multiplier: Float[Array, ""] | ScalarLike,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
        def value(
            actor_observation: PyTree[Array],
            critic_observation: PyTree[Array],
            old_loc: Float[Array, " action"],
            old_scale: Float[Array, " action"],
            action_key: Key[Array, ""],
            kl_key: Key[Array, ""],
        ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
            distribution = policy(actor_observation)
            keys = jax.random.split(action_key, self.num_samples)
            actions, log_probs = jax.vmap(distribution.sample_and_log_prob)(keys)
            q = jax.vmap(lambda action: critic(critic_observation, action))(actions)
            kl = self.kl(TanhNormal(old_loc, old_scale), distribution, kl_key)
            return jax.lax.stop_gradient(jnp.mean(q)), jnp.mean(log_probs), kl

        def log_ratio(
            observation: PyTree[Array],
            drawn: Float[Array, " action"],
            old_loc: Float[Array, " action"],
            old_scale: Float[Array, " action"],
        ) -> Float[Array, ""]:
            return policy(observation).log_ratio(TanhNormal(old_loc, old_scale), drawn)

        values, log_prob, kl = _over_states(value, batch, key)
        advantage = batch.target - values
        advantage = (advantage - jnp.mean(advantage)) / (jnp.std(advantage) + 1e-8)
        drawn = undo_tanh(batch.action) if batch.drawn is None else batch.drawn
        log_ratios = jax.vmap(log_ratio)(batch.actor_observation, drawn, batch.old_loc, batch.old_scale)
        ratio = jnp.exp(limit(log_ratios, -MAX_LOG_RATIO, MAX_LOG_RATIO))
        clipped = jnp.clip(ratio, 1 - self.clip, 1 + self.clip)
        losses = temperature * log_prob - jnp.minimum(ratio * advantage, clipped * advantage)
        metrics = {"entropy": -log_prob, "kl": kl, "behind_gate": jnp.where(ratio == clipped, 0.0, 1.0)}
        return jnp.mean(losses), jax.lax.stop_gradient(metrics)

    def validate(self) -> None:
        require(0 < self.clip < 1, f"The clip of the surrogate is {self.clip!s}; give one between 0 and 1.")
        require(self.num_samples >= 1, f"The number of fresh actions is {self.num_samples}; give at least 1.")


def _over_states(per_state: Callable[..., Any], batch: ActorBatch, key: Key[Array, ""]) -> Any:
    """Maps a function of observations, old policy, and keys for actions and for the divergence over a batch."""
    size = batch.target.shape[0]
    return jax.vmap(per_state)(
        batch.actor_observation,
        batch.critic_observation,
        batch.old_loc,
        batch.old_scale,
        jax.random.split(subkey(key, "action"), size),
        jax.random.split(subkey(key, "kl"), size),
    )


def _gated(
    objective: AbstractObjective,
    gate: AbstractGate,
    q: Float[Array, " batch"],
    log_prob: Float[Array, " batch"],
    kl: Float[Array, " batch"],
    temperature: Float[Array, ""] | ScalarLike,
    kl_multiplier: Float[Array, ""] | ScalarLike,
) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
    """The mean objective over the states, each within the gate or behind it, and the metrics."""
    inside = gate(kl, objective.kl_bound)
    losses = jax.vmap(
        lambda q, log_prob, kl, inside: objective(
            q=q, log_prob=log_prob, kl=kl, temperature=temperature, kl_multiplier=kl_multiplier, inside=inside
        )
    )(q, log_prob, kl, inside)
    metrics = {"entropy": -log_prob, "kl": kl, "behind_gate": 1.0 - inside}
    return jnp.mean(losses), jax.lax.stop_gradient(metrics)
