"""The actor loss of MPO: actions of the old policy, made likelier by what they are worth."""

from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Scalar, hyper, static
from reppo.distributions import AbstractDistribution
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses.actor import AbstractBoundedLoss, Q, gated, over_states
from reppo.losses.divergences import AbstractDivergence, ExactKL
from reppo.losses.gates import AbstractGate, PerState
from reppo.losses.minibatch import Minibatch
from reppo.losses.objectives import AbstractObjective, ClippedKL

_HALVINGS = 24
_SHARPEST, _FLATTEST = 1e-3, 1e3


@final
class WeightedLikelihoodLoss(AbstractBoundedLoss):
    """The weighted maximum likelihood of MPO with the critic of REPPO, within its constraint.

    At each state actions are drawn from the old policy and weighted by `softmax(Q / eta)`; the new policy is fitted to
    them: `sum of weight * log pi(a|s)` takes the place of Q in the objective. Where actions can be enumerated nothing
    is drawn: the weights are `pi_old(a|s) * exp(Q / eta)`, normalized over all of them. Q is asked for its values
    alone.

    `eta` is found for each minibatch: there the weights diverge from the old policy by `weight_bound`, in the mean
    over the states. That is the minimum of MPO's dual function on the minibatch, so nothing is learned, and the size of
    Q does not matter.

    Attributes:
        objective: what is minimized at each state; holds the bound on the policy.
        kl: the divergence from the old policy.
        gate: which states count as within the bound.
        weight_bound: mean divergence of the weights from the old policy, in nats, positive: the greater, the greedier.
        num_samples: actions at each state, at least 2, where they cannot be enumerated.

    Reference: Abdolmaleki et al. 2018 (arXiv 1806.06920), section 3.
    """

    objective: AbstractObjective = ClippedKL()
    kl: AbstractDivergence = ExactKL()
    gate: AbstractGate = PerState()
    weight_bound: Scalar = hyper(0.1)
    num_samples: int = static(16)

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
        ) -> tuple[Array, ...]:
            drawn, log_prior = old.weighted_draws(self.num_samples, subkey(action_key, "old"))
            values = jax.vmap(lambda one: critic(observation, old.action_of(one)))(drawn)
            log_probs = jax.vmap(new.log_prob_of_draw)(drawn)
            return values, log_prior, log_probs, new.entropy(action_key), self.kl(old, new, kl_key)

        values, log_prior, log_probs, entropy, kl = over_states(per_state, new, batch, key)
        weights = jax.lax.stop_gradient(jnp.exp(log_weights(values, log_prior, self.weight_bound)))
        likelihood = jnp.sum(weights * log_probs, axis=1)
        return gated(self.objective, self.gate, likelihood, -entropy, kl, temperature, kl_multiplier)

    def validate(self) -> None:
        require(self.weight_bound > 0, f"The bound on the weights is {self.weight_bound!s}; give a positive one.")
        require(self.num_samples >= 2, f"The number of weighted actions is {self.num_samples}; give at least 2.")


def log_weights(
    values: Float[Array, "states actions"],
    log_prior: Float[Array, "states actions"],
    bound: Float[Array, ""] | Scalar,
) -> Float[Array, "states actions"]:
    """Logs of `prior * exp(value / eta)`, normalized at each state, with the `eta` at which they diverge by the bound.

    `eta` is searched from 0.001 to 1000 times the mean range of the values of a state: where no weights diverge as far
    as that, they are those of the best actions.

    Args:
        values: of the actions of each state.
        log_prior: logs of their weights before, which sum to 1 at each state.
        bound: mean of KL(weights, prior) over the states, in nats.
    """
    values = values - jnp.max(values, axis=1, keepdims=True)
    values = values / jnp.maximum(-jnp.mean(jnp.min(values, axis=1)), 1e-8)

    def at(log_eta: Float[Array, ""]) -> Float[Array, "states actions"]:
        return jax.nn.log_softmax(log_prior + values * jnp.exp(-log_eta), axis=1)

    def halve(_: Array, ends: tuple[Float[Array, ""], Float[Array, ""]]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        middle = (ends[0] + ends[1]) / 2
        made = at(middle)
        too_sharp = jnp.mean(jnp.sum(jnp.exp(made) * (made - log_prior), axis=1)) > bound
        return jnp.where(too_sharp, middle, ends[0]), jnp.where(too_sharp, ends[1], middle)

    ends = (jnp.log(_SHARPEST), jnp.log(_FLATTEST))
    return at(jax.lax.fori_loop(0, _HALVINGS, halve, ends)[1])
