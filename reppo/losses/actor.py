"""Actor losses: one number for a minibatch, differentiable in the policy alone."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, Scalar, hyper, static
from reppo.distributions import AbstractDistribution, Action, require_choice, require_pathwise
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses.advantages import standardized
from reppo.losses.divergences import MAX_LOG_RATIO, AbstractDivergence, ExactKL
from reppo.losses.gates import AbstractGate, PerState
from reppo.losses.minibatch import Minibatch
from reppo.losses.objectives import AbstractObjective, ClippedKL
from reppo.numerics import limit

Q = Callable[[PyTree[Array], Action], Float[Array, ""]]
"""From one (normalized) critic observation and an action to its value."""

QOfState = Callable[[Action], Float[Array, ""]]
"""From an action at one state to its value."""


class AbstractActorLoss(Component):
    """A loss of the policy on a minibatch."""

    @property
    def asks_q(self) -> bool:
        """Whether it asks a critic for the values of actions; if not, the minibatch has to hold advantages."""
        return True

    @property
    def on_policy(self) -> bool:
        """Whether it learns from the actions that were taken, which then have to be those of the old policy."""
        return False

    @property
    @abstractmethod
    def kl_bound(self) -> Any:
        """The divergence that the KL multiplier aims for; infinite if there is none."""

    @abstractmethod
    def __call__(
        self,
        new: Any,
        critic: Any,
        batch: Minibatch,
        temperature: Float[Array, ""] | Scalar,
        kl_multiplier: Float[Array, ""] | Scalar,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
        """The loss and, for every state, at least `entropy`, `kl` and `behind_gate`.

        Args:
            new: the policy's distributions at the minibatch's observations, leaves `[batch, ...]`: what is
                differentiated.
            critic: a constant; None where there is no critic of actions (see `asks_q`).
            batch: the minibatch; the old distributions are in it.
            temperature: weight of the entropy, a constant.
            kl_multiplier: weight of the divergence, a constant.
            key: consumed.
        """


class AbstractBoundedLoss(AbstractActorLoss):
    """An objective within a bound on the divergence from the old policy.

    Attributes:
        objective: what is minimized at each state; holds the bound.
        kl: the divergence from the old policy.
        gate: which states count as within the bound.
    """

    objective: AbstractVar[AbstractObjective]
    kl: AbstractVar[AbstractDivergence]
    gate: AbstractVar[AbstractGate]

    @property
    def kl_bound(self) -> Any:
        """The objective's bound."""
        return self.objective.kl_bound


class AbstractConstrainedLoss(AbstractBoundedLoss):
    """REPPO's objective within the bound; what is particular is how a state's value is estimated."""

    @abstractmethod
    def at_state(
        self, new: AbstractDistribution, q: QOfState, temperature: Float[Array, ""] | Scalar, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """The value of the policy at one state, differentiable in it, and its log-density: minus its entropy.

        Args:
            new: the policy there.
            q: the value of an action there, a constant.
            temperature: weight of the entropy, a constant.
            key: consumed.
        """

    def __call__(
        self,
        new: Any,
        critic: Q,
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
        ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
            q, log_prob = self.at_state(new, lambda action: critic(observation, action), temperature, action_key)
            return q, log_prob, self.kl(old, new, kl_key)

        q, log_prob, kl = over_states(per_state, new, batch, key)
        return gated(self.objective, self.gate, q, log_prob, kl, temperature, kl_multiplier)


@final
class PathwiseLoss(AbstractConstrainedLoss):
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

    def at_state(
        self, new: AbstractDistribution, q: QOfState, temperature: Float[Array, ""] | Scalar, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        action, log_prob = new.sample_and_log_prob(key)
        return q(action), log_prob

    def fits(self, spec: Any) -> None:
        require_pathwise(
            spec,
            "The pathwise gradient goes through a sampled action, and no gradient goes through",
            "Choose TanhNormalHead(), or a loss that asks Q for its value alone, such as ExpectedLoss().",
        )


@final
class ExpectedLoss(AbstractConstrainedLoss):
    """The objective of REPPO in expectation over all actions, where they are a discrete set.

    `sum over a of pi(a|s) * (temperature * log pi(a|s) - Q(s, a))` within the bound, exact as its gradient: nothing is
    sampled, and Q is asked for its values alone. Divergence, gate and objective are those of `PathwiseLoss`.

    Attributes:
        objective: what is minimized at each state; holds the bound.
        kl: the divergence from the old policy.
        gate: which states count as within the bound.

    References: Christodoulou 2019 (arXiv 1910.07207); for REPPO, later versions of the reference implementation
    (github.com/cvoelcker/reppo).
    """

    objective: AbstractObjective = ClippedKL()
    kl: AbstractDivergence = ExactKL()
    gate: AbstractGate = PerState()

    def at_state(
        self, new: AbstractDistribution, q: QOfState, temperature: Float[Array, ""] | Scalar, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        both = lambda action, log_prob: (q(action), log_prob)
        return new.expect(both, key)

    def fits(self, spec: Any) -> None:
        require_choice(
            spec,
            "ExpectedLoss adds up all actions, which cannot be done with",
            "Choose PathwiseLoss(), or CategoricalHead() where the task's actions are a discrete set.",
        )


@final
class ScoreFunctionLoss(AbstractConstrainedLoss):
    """The score-function gradient of the same objective with the same critic: the paper's central comparison.

    The gradients of `E[log pi(a|s)]` and of `E[Q(s, a)]`, which the objective weighs, are estimated as
    `E[(log pi(a|s) - baseline) * grad log pi(a|s)]` and `E[(Q(s, a) - baseline) * grad log pi(a|s)]` at several actions
    of the policy; the baseline of each is the mean over the others (leave-one-out), so that the estimate is unbiased. Q
    is asked for its value, never for its gradient. Divergence, gate and objective are those of `PathwiseLoss`.

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

    def at_state(
        self, new: AbstractDistribution, q: QOfState, temperature: Float[Array, ""] | Scalar, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        drawn = jax.lax.stop_gradient(jax.vmap(new.draw)(jax.random.split(key, self.num_samples)))
        log_probs = jax.vmap(new.log_prob_of_draw)(drawn)
        values = jax.vmap(lambda one: q(new.action_of(one)))(drawn)

        def surrogate(costs: Float[Array, " samples"]) -> Float[Array, ""]:
            """A number whose value is the mean of the costs and whose gradient is the estimate."""
            costs = jax.lax.stop_gradient(costs)
            baseline = (jnp.sum(costs) - costs) / (self.num_samples - 1)
            return jnp.mean(costs) + jnp.mean((costs - baseline) * (log_probs - jax.lax.stop_gradient(log_probs)))

        return surrogate(values), surrogate(log_probs)

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
    density of the action taken, `A = target - mean of Q(s, a')` over fresh actions, standardized over those rows of the
    minibatch that the critic learns from and 0 in the others, and the entropy is that of the fresh actions,
    reparameterized; where actions can be enumerated both means are exact. No bound on the divergence: the clip takes
    its place.

    Both densities are those of what was drawn, before the tanh and the limit on actions. The log-ratio is held within
    +-20, so that no action overflows however far the policy has moved; beyond that the gradient still leads back, where
    the exponential alone would be infinite or 0.

    Attributes:
        clip: how far the ratio counts, in (0, 1).
        num_samples: fresh actions that estimate the value of a state, at least 1.
        kl: the divergence from the old policy, which is reported only.

    Reference: Schulman et al. 2017 (arXiv 1707.06347).
    """

    clip: Scalar = hyper(0.2)
    num_samples: int = static(4)
    kl: AbstractDivergence = ExactKL()

    @property
    def on_policy(self) -> bool:
        """True: the actions that were taken have to be those of the old policy."""
        return True

    @property
    def kl_bound(self) -> Any:
        """No bound."""
        return np.float32(np.inf)

    def __call__(
        self,
        new: Any,
        critic: Q,
        batch: Minibatch,
        temperature: Float[Array, ""] | Scalar,
        kl_multiplier: Float[Array, ""] | Scalar,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
        def value(
            new: AbstractDistribution,
            old: AbstractDistribution,
            observation: PyTree[Array],
            action_key: Key[Array, ""],
            kl_key: Key[Array, ""],
        ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
            keys = jax.random.split(action_key, self.num_samples)
            both = lambda action, log_prob: (critic(observation, action), log_prob)
            q, log_probs = jax.vmap(lambda action_key: new.expect(both, action_key))(keys)
            return jax.lax.stop_gradient(jnp.mean(q)), jnp.mean(log_probs), self.kl(old, new, kl_key)

        values, log_prob, kl = over_states(value, new, batch, key)
        counts = jnp.ones(batch.size, bool) if batch.counts is None else batch.counts
        advantage = standardized(batch.target - values, counts)
        ratio = jnp.exp(limit(taken_log_ratios(new, batch), -MAX_LOG_RATIO, MAX_LOG_RATIO))
        clipped = jnp.clip(ratio, 1 - self.clip, 1 + self.clip)
        losses = temperature * log_prob - jnp.minimum(ratio * advantage, clipped * advantage)
        metrics = {"entropy": -log_prob, "kl": kl, "behind_gate": jnp.where(ratio == clipped, 0.0, 1.0)}
        return jnp.mean(losses), jax.lax.stop_gradient(metrics)

    def validate(self) -> None:
        require(0 < self.clip < 1, f"The clip of the surrogate is {self.clip!s}; give one between 0 and 1.")
        require(self.num_samples >= 1, f"The number of fresh actions is {self.num_samples}; give at least 1.")


def over_states(per_state: Callable[..., Any], new: Any, batch: Minibatch, key: Key[Array, ""]) -> Any:
    """Maps a function of new and old distribution, observation, and keys for actions and divergence over a batch.

    Args:
        per_state: of one state; observation is that of the critic.
        new: the new distributions, leaves `[batch, ...]`.
        batch: the minibatch.
        key: consumed.
    """
    return jax.vmap(per_state)(
        new,
        batch.old,
        batch.observation.for_critic,
        jax.random.split(subkey(key, "action"), batch.size),
        jax.random.split(subkey(key, "kl"), batch.size),
    )


def taken_log_ratios(new: Any, batch: Minibatch) -> Float[Array, " batch"]:
    """Log of the new density over the old one at what was drawn, for every row of a minibatch.

    Args:
        new: the new distributions, leaves `[batch, ...]`.
        batch: the minibatch; where it has no draws, those behind its actions.
    """
    drawn = batch.drawn
    if drawn is None:
        drawn = jax.vmap(lambda old, action: old.draw_of(action))(batch.old, batch.action)
    return jax.vmap(lambda new, old, drawn: new.log_ratio(old, drawn))(new, batch.old, drawn)


def gated(
    objective: AbstractObjective,
    gate: AbstractGate,
    q: Float[Array, " batch"],
    log_prob: Float[Array, " batch"],
    kl: Float[Array, " batch"],
    temperature: Float[Array, ""] | Scalar,
    kl_multiplier: Float[Array, ""] | Scalar,
) -> tuple[Float[Array, ""], dict[str, Float[Array, " batch"]]]:
    """The mean objective over the states, each within the gate or behind it, and the metrics.

    Args:
        objective: what is minimized at each state.
        gate: which states count as within its bound.
        q: what is maximized there.
        log_prob: minus the entropy there, or a sample of it.
        kl: the divergence from the old policy there.
        temperature: weight of the entropy.
        kl_multiplier: weight of the divergence.
    """
    inside = gate(kl, objective.kl_bound)
    losses = jax.vmap(
        lambda q, log_prob, kl, inside: objective(
            q=q, log_prob=log_prob, kl=kl, temperature=temperature, kl_multiplier=kl_multiplier, inside=inside
        )
    )(q, log_prob, kl, inside)
    metrics = {"entropy": -log_prob, "kl": kl, "behind_gate": 1.0 - inside}
    return jnp.mean(losses), jax.lax.stop_gradient(metrics)
