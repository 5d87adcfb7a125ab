"""What the next state is worth under the current policy."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from reppo.component import Component, static
from reppo.distributions import AbstractDistribution, Action, Draw, require_choice, require_pathwise
from reppo.errors import require

Evaluate = Callable[[Action], tuple[Float[Array, ""], Float[Array, " embedding"]]]
"""From an action at the next state to its value and the critic's embedding."""


class NextValue(eqx.Module):
    """An estimate at one next state.

    Attributes:
        value: `V(s')`.
        log_prob: `log pi(a'|s')`, whose negative is the entropy bonus.
        embedding: the critic's embedding of `(s', a')`, what the auxiliary task predicts.
    """

    value: Float[Array, ""]
    log_prob: Float[Array, ""]
    embedding: Float[Array, " embedding"]


class Taken(eqx.Module):
    """What was done at the next state.

    Attributes:
        action: the action that was taken, within the limit on actions.
        drawn: what the policy drew for it, before the limit: where the limit moved the action, its density is that of
            another one.
    """

    action: Float[Array, "*batch action"]
    drawn: Draw


class AbstractNextValue(Component):
    """Estimates the value of one next state."""

    @property
    def on_policy(self) -> bool:
        """Whether it learns from the action that was taken there, which then has to be the policy's own."""
        return False

    @abstractmethod
    def __call__(
        self,
        distribution: AbstractDistribution,
        evaluate: Evaluate,
        taken: Taken,
        continues: Bool[Array, ""],
        key: Key[Array, ""],
    ) -> NextValue:
        """The estimate.

        Args:
            distribution: the policy at the next state; where an action was taken there, the very one that drew it,
                unless it explores by draws of another one, which what is `on_policy` is kept from.
            evaluate: action -> (Q, embedding) at the next state.
            taken: the action that was taken there, and the draw behind it.
            continues: whether that action exists: not where the step ended its episode, nor at the end of the rollout.
            key: consumed.
        """


@final
class FreshAction(AbstractNextValue):
    """`V(s') = mean of Q(s', a')` over actions drawn anew from the policy.

    Attributes:
        num_samples: number of actions, at least 1. The reference draws one; more lower the variance of the target.
            The embedding is that of the first.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    num_samples: int = static(1)

    def __call__(
        self,
        distribution: AbstractDistribution,
        evaluate: Evaluate,
        taken: Taken,
        continues: Bool[Array, ""],
        key: Key[Array, ""],
    ) -> NextValue:
        return _fresh(distribution, evaluate, self.num_samples, key)

    def validate(self) -> None:
        _require_samples(self.num_samples)


@final
class ExpectedAction(AbstractNextValue):
    """`V(s') = sum over a' of pi(a'|s') * Q(s', a')`, exact, where actions are a discrete set; nothing is sampled.

    Log-density and embedding are expectations too.

    Expected Sarsa, with the entropy of SAC for discrete actions (Christodoulou 2019, arXiv 1910.07207).
    """

    def __call__(
        self,
        distribution: AbstractDistribution,
        evaluate: Evaluate,
        taken: Taken,
        continues: Bool[Array, ""],
        key: Key[Array, ""],
    ) -> NextValue:
        def estimate(action: Action, log_prob: Float[Array, ""]) -> NextValue:
            value, embedding = evaluate(action)
            return NextValue(value=value, log_prob=log_prob, embedding=embedding)

        return distribution.expect(estimate, key)

    def fits(self, spec: Any) -> None:
        require_choice(
            spec,
            "ExpectedAction adds up all actions, which cannot be done with",
            "Choose FreshAction(), or CategoricalHead() where the task's actions are a discrete set.",
        )


@final
class TakenAction(AbstractNextValue):
    """`V(s') = Q(s', a')` for the action that was taken next, as in SARSA.

    Value and embedding are those of that action, the log-density is that of what was drawn for it, so that its mean is
    the policy's negative entropy also where actions meet their limit. Where no action was taken, fresh ones serve.

    Attributes:
        num_samples: number of fresh actions where no action was taken, at least 1.
    """

    num_samples: int = static(8)

    @property
    def on_policy(self) -> bool:
        """True: the action that was taken has to be the policy's own."""
        return True

    def __call__(
        self,
        distribution: AbstractDistribution,
        evaluate: Evaluate,
        taken: Taken,
        continues: Bool[Array, ""],
        key: Key[Array, ""],
    ) -> NextValue:
        fresh = _fresh(distribution, evaluate, self.num_samples, key)
        return _followed(evaluate, taken, distribution.log_prob_of_draw(taken.drawn), continues, fresh)

    def validate(self) -> None:
        _require_samples(self.num_samples)


@final
class TakenActionClippedBonus(AbstractNextValue):
    """`TakenAction` with the log-density of the action as it was taken, after the limit on actions.

    So has it a later version of the reference implementation. Where the policy saturates, this density is no sample of
    its entropy: with a mean of 6, a standard deviation of 0.2 and actions up to 0.999, `-log pi` is 53.6 in each action
    dimension, where the policy's entropy is -10.8.

    Attributes:
        num_samples: number of fresh actions where no action was taken, at least 1.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    num_samples: int = static(8)

    @property
    def on_policy(self) -> bool:
        """True: the action that was taken has to be the policy's own."""
        return True

    def __call__(
        self,
        distribution: AbstractDistribution,
        evaluate: Evaluate,
        taken: Taken,
        continues: Bool[Array, ""],
        key: Key[Array, ""],
    ) -> NextValue:
        fresh = _fresh(distribution, evaluate, self.num_samples, key)
        return _followed(evaluate, taken, distribution.log_prob(taken.action), continues, fresh)

    def fits(self, spec: Any) -> None:
        reason = "TakenActionClippedBonus takes densities after the limit on actions, which means nothing for"
        require_pathwise(spec, reason, "Choose TakenAction().")

    def validate(self) -> None:
        _require_samples(self.num_samples)


@final
class FreshValueTakenBonus(AbstractNextValue):
    """The value of fresh actions, with the log-density of what was drawn for the action that was taken next.

    Where no action was taken, the log-density is the mean of the fresh ones.

    Attributes:
        num_samples: number of fresh actions, at least 1.
    """

    num_samples: int = static(1)

    @property
    def on_policy(self) -> bool:
        """True: the action that was taken has to be the policy's own."""
        return True

    def __call__(
        self,
        distribution: AbstractDistribution,
        evaluate: Evaluate,
        taken: Taken,
        continues: Bool[Array, ""],
        key: Key[Array, ""],
    ) -> NextValue:
        fresh = _fresh(distribution, evaluate, self.num_samples, key)
        log_prob = jnp.where(continues, distribution.log_prob_of_draw(taken.drawn), fresh.log_prob)
        return NextValue(value=fresh.value, log_prob=log_prob, embedding=fresh.embedding)

    def validate(self) -> None:
        _require_samples(self.num_samples)


@final
class FreshValueClippedBonus(AbstractNextValue):
    """`FreshValueTakenBonus` with the log-density of the action as it was taken, after the limit on actions.

    So has it the reference's single-file version, with 64 samples; no sample of the entropy where the policy saturates,
    see `TakenActionClippedBonus`. Differs from it where no action was taken: there it is the density of one fresh
    action, clipped too.

    Attributes:
        num_samples: number of fresh actions, at least 1.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    num_samples: int = static(1)

    @property
    def on_policy(self) -> bool:
        """True: the action that was taken has to be the policy's own."""
        return True

    def __call__(
        self,
        distribution: AbstractDistribution,
        evaluate: Evaluate,
        taken: Taken,
        continues: Bool[Array, ""],
        key: Key[Array, ""],
    ) -> NextValue:
        fresh = _fresh(distribution, evaluate, self.num_samples, key)
        log_prob = jnp.where(continues, distribution.log_prob(taken.action), fresh.log_prob)
        return NextValue(value=fresh.value, log_prob=log_prob, embedding=fresh.embedding)

    def fits(self, spec: Any) -> None:
        reason = "FreshValueClippedBonus takes densities after the limit on actions, which means nothing for"
        require_pathwise(spec, reason, "Choose FreshValueTakenBonus().")

    def validate(self) -> None:
        _require_samples(self.num_samples)


@final
class ModeAction(AbstractNextValue):
    """`V(s') = Q(s', tanh(mean))`: the value of acting as evaluation does; the entropy bonus is that of a fresh action.

    The target policy of TD3 (Fujimoto et al. 2018, arXiv 1802.09477), without its noise.
    """

    def __call__(
        self,
        distribution: AbstractDistribution,
        evaluate: Evaluate,
        taken: Taken,
        continues: Bool[Array, ""],
        key: Key[Array, ""],
    ) -> NextValue:
        value, embedding = evaluate(distribution.mode())
        _, log_prob = distribution.sample_and_log_prob(key)
        return NextValue(value=value, log_prob=log_prob, embedding=embedding)


def _fresh(distribution: AbstractDistribution, evaluate: Evaluate, num_samples: int, key: Key[Array, ""]) -> NextValue:
    """Means over fresh actions; the embedding of the first."""
    actions, log_probs = jax.vmap(distribution.sample_and_log_prob)(jax.random.split(key, num_samples))
    values, embeddings = jax.vmap(evaluate)(actions)
    return NextValue(value=values.mean(), log_prob=log_probs.mean(), embedding=embeddings[0])


def _followed(
    evaluate: Evaluate, taken: Taken, log_prob: Float[Array, ""], continues: Bool[Array, ""], fresh: NextValue
) -> NextValue:
    """The estimate of the action that was taken, with this log-density; the fresh one where none was."""
    value, embedding = evaluate(taken.action)
    followed = NextValue(value=value, log_prob=log_prob, embedding=embedding)
    return jax.tree.map(lambda a, b: jnp.where(continues, a, b), followed, fresh)


def _require_samples(num_samples: int) -> None:
    require(num_samples >= 1, f"The number of next actions is {num_samples}; give at least 1.")
