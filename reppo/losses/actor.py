"""Actor losses: one number for a minibatch, differentiable in the policy alone."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component
from reppo.component import Scalar as ScalarLike
from reppo.distributions import TanhNormal
from reppo.keys import subkey
from reppo.losses.divergences import AbstractDivergence, ExactKL
from reppo.losses.gates import AbstractGate, PerState
from reppo.losses.objectives import AbstractObjective, ClippedKL

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
    """

    actor_observation: PyTree[Array]
    critic_observation: PyTree[Array]
    action: Float[Array, "batch action"]
    old_loc: Float[Array, "batch action"]
    old_scale: Float[Array, "batch action"]
    target: Float[Array, " batch"]


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

        size = batch.target.shape[0]
        q, log_prob, kl = jax.vmap(per_state)(
            batch.actor_observation,
            batch.critic_observation,
            batch.old_loc,
            batch.old_scale,
            jax.random.split(subkey(key, "action"), size),
            jax.random.split(subkey(key, "kl"), size),
        )
        inside = self.gate(kl, self.kl_bound)
        losses = jax.vmap(
            lambda q, log_prob, kl, inside: self.objective(
                q=q, log_prob=log_prob, kl=kl, temperature=temperature, kl_multiplier=kl_multiplier, inside=inside
            )
        )(q, log_prob, kl, inside)
        metrics = {"entropy": -log_prob, "kl": kl, "behind_gate": 1.0 - inside}
        return jnp.mean(losses), jax.lax.stop_gradient(metrics)
