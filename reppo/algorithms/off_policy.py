"""What algorithms share that learn from a replay buffer."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Float, Int, Key

from reppo.algorithms.contract import AbstractAlgorithm, AlgorithmState
from reppo.algorithms.learning import Learner, critic_step, require_sizes
from reppo.environments import Interface, Observation
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses import (
    AbstractBackup,
    AbstractPessimism,
    AbstractSmoothness,
    AbstractValue,
    BackedUp,
    EnsembleQ,
    Minibatch,
)
from reppo.networks import AbstractCriticBuilder, Ensemble, build_ensemble
from reppo.normalization import AbstractNormalizer, init_statistics, normalize_batch, update_statistics
from reppo.optimization import AbstractOptimizer, AbstractTargetNetwork
from reppo.replay import AbstractReplay, Transitions
from reppo.rollout import AbstractPolicy, Trajectory
from reppo.summary import Summary, flatten


@final
class OffPolicyLearner(eqx.Module):
    """What learns.

    Attributes:
        trained: actor, critics, multipliers and their optimizers.
        target: the critics that the targets are made with.
    """

    trained: Learner
    target: Any


class AbstractOffPolicy(AbstractAlgorithm):
    """An algorithm that keeps its rollouts, and learns from minibatches of all that is kept.

    Attributes:
        normalizer: normalization of observations, by the statistics at the time of learning.
        critic: builder of each critic network.
        num_critics: critics, each with initial weights of its own, at least 1.
        pessimism: what the critics say together, in targets and to the policy.
        value: what a critic's outputs stand for.
        backup: what the critics learn of a step, and their loss; that of all critics is added up.
        smoothness: what is asked of the critics' slopes.
        target_network: which critics the targets are made with.
        replay: what is kept, and what is drawn of it.
        saves_replay: whether checkpoints hold what is kept. Where not, a run that is continued collects anew before it
            learns on, and its numbers are not those of a run that was never stopped.
        learning_starts: steps, of all environments together, that are kept before the first update, at least 0.
        updates: minibatches an iteration, at least 1. Divided by `steps_per_iteration` it is the ratio of updates to
            data.
        batch_size: rows of each, at least 1.
        return_steps: rewards that are added up before the value of what follows counts, at least 1.
        actor_interval: critic steps for each step of the actor, at least 1; must divide `updates`.
        critic_optimizer: optimizer of the critics.
    """

    gamma: AbstractVar[Any]
    reward_scale: AbstractVar[Any]
    normalizer: AbstractVar[AbstractNormalizer]
    critic: AbstractVar[AbstractCriticBuilder]
    num_critics: AbstractVar[int]
    pessimism: AbstractVar[AbstractPessimism]
    value: AbstractVar[AbstractValue]
    backup: AbstractVar[AbstractBackup]
    smoothness: AbstractVar[AbstractSmoothness]
    target_network: AbstractVar[AbstractTargetNetwork]
    replay: AbstractVar[AbstractReplay]
    saves_replay: AbstractVar[bool]
    learning_starts: AbstractVar[int]
    updates: AbstractVar[int]
    batch_size: AbstractVar[int]
    return_steps: AbstractVar[int]
    actor_interval: AbstractVar[int]
    critic_optimizer: AbstractVar[AbstractOptimizer]

    @property
    def saves_data(self) -> bool:
        """As it was chosen."""
        return self.saves_replay

    @property
    def idle_iterations(self) -> int:
        """Those before there are enough steps to learn from."""
        return max(0, math.ceil(self.learning_starts / self.steps_per_iteration) - 1)

    def update(
        self, state: AlgorithmState, trajectory: Trajectory, key: Key[Array, ""]
    ) -> tuple[AlgorithmState, dict[str, Summary]]:
        """The rollout is kept; then minibatches of all that is, unless that is still too little."""
        statistics = update_statistics(self.normalizer, state.statistics, trajectory.observation)
        data, collected_by = self.replay.add(state.data, trajectory), self.policy(state)
        kept, names = self.replay.size(data), []

        def one(learner: OffPolicyLearner, number: Int[Array, ""]) -> tuple[OffPolicyLearner, Summary]:
            drawn = self.replay.draw(
                data, self.batch_size, self.return_steps, self.gamma, subkey(key, "replay", number)
            )
            learner, metrics = self.step(learner, statistics, drawn, collected_by, number, subkey(key, "step", number))
            names[:] = metrics
            return learner, Summary.together(metrics.values())

        def learn(learner: OffPolicyLearner) -> tuple[OffPolicyLearner, Summary]:
            learner, stacked = jax.lax.scan(one, learner, jnp.arange(self.updates))
            return learner, flatten(stacked)

        def wait(learner: OffPolicyLearner) -> tuple[OffPolicyLearner, Summary]:
            return learner, Summary.together([Summary.none()] * len(names))

        learner, summaries = jax.lax.cond(kept >= self.learning_starts, learn, wait, state.learner)
        metrics = summaries.apart(names) | {"replay/steps": Summary.of(kept.astype(jnp.float32))}
        return AlgorithmState(learner, statistics, data), metrics

    @abstractmethod
    def step(
        self,
        learner: OffPolicyLearner,
        statistics: Observation,
        drawn: Transitions,
        collected_by: AbstractPolicy,
        number: Int[Array, ""],
        key: Key[Array, ""],
    ) -> tuple[OffPolicyLearner, dict[str, Summary]]:
        """One step of the critics, the actor and the target network.

        Args:
            learner: before it.
            statistics: of observations.
            drawn: the transitions to learn from.
            collected_by: the policy that collected the newest rollout.
            number: of the step within the iteration, from 0.
            key: consumed.
        """

    def _build_critics(self, key: Key[Array, ""], interface: Interface) -> Ensemble:
        shapes, action_size = interface.observation.for_critic, interface.action.size
        return build_ensemble(
            self.critic, self.num_critics, subkey(key, "critic"), shapes, action_size, self.value.size
        )

    def _start(self, trained: Learner, interface: Interface) -> AlgorithmState:
        """The state before training: targets are made with the untrained critics, and nothing is kept."""
        return AlgorithmState(
            OffPolicyLearner(trained, target=trained.critic),
            statistics=init_statistics(self.normalizer, interface.observation),
            data=self.replay.init(interface, self.num_environments),
        )

    def _q(self, critics: Any) -> EnsembleQ:
        return EnsembleQ(critics, self.value, self.pessimism)

    def _critic_step(
        self, learner: Learner, batch: Minibatch, key: Key[Array, ""]
    ) -> tuple[Learner, dict[str, Summary]]:
        return critic_step(learner, batch, self._row_losses, self.critic_optimizer.transform(), "q", key)

    def _row_losses(
        self, critics: Any, row: Minibatch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        logits, target = critics(row.observation.for_critic, row.action).logits, BackedUp(row.target, row.histogram)  # pyright: ignore[reportArgumentType]
        losses = jax.vmap(lambda one: self.backup.loss(self.value, one, target))(logits)
        smoothness_loss = self.smoothness(self._q(critics).each, row.observation.for_critic, row.action, key)
        return jnp.sum(losses), smoothness_loss, jnp.mean(jax.vmap(self.value.decode)(logits))

    def _at_intervals(
        self, step: Callable[[Learner], tuple[Learner, dict[str, Summary]]], learner: Learner, number: Int[Array, ""]
    ) -> tuple[Learner, dict[str, Summary]]:
        """The actor's step, where it is its turn."""
        if self.actor_interval == 1:
            return step(learner)
        nothing = dict.fromkeys(eqx.filter_eval_shape(step, learner)[1], Summary.none())
        return jax.lax.cond(number % self.actor_interval == 0, step, lambda learner: (learner, nothing), learner)

    def _minibatch(
        self, statistics: Observation, drawn: Transitions, targets: BackedUp, old: Any = None
    ) -> tuple[Minibatch, dict[str, Summary]]:
        """The transitions with normalized observations and targets, leaves `[rows, ...]`, and metrics of these."""
        batch = Minibatch(
            observation=normalize_batch(self.normalizer, statistics, drawn.observation),
            action=drawn.action,
            old=old,
            target=targets.value,
            histogram=targets.histogram,
            counts=jnp.ones(self.batch_size, bool),
        )
        metrics = {
            "targets/value": Summary.of(targets.value),
            "targets/outside_support": Summary.of(self.value.outside(targets.value)),
        }
        return batch, metrics

    def _require_off_policy(self) -> None:
        """Checks the fields that these algorithms share."""
        require_sizes(self)
        for name in ("num_critics", "updates", "batch_size", "return_steps", "actor_interval"):
            require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; give at least 1.")
        require(
            self.updates % self.actor_interval == 0,
            f"There are {self.updates} updates an iteration, and the actor learns in one of {self.actor_interval}. "
            "Choose an actor_interval that divides them, such as 1.",
        )
        require(self.learning_starts >= 0, f"learning_starts is {self.learning_starts}; give at least 0.")
        self.replay.check(self.num_environments, self.rollout_length, self.learning_starts)
