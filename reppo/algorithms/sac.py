"""Soft Actor-Critic (Haarnoja et al. 2018, arXiv 1801.01290 and 1812.05905)."""

import math
from typing import Any, cast, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from reppo.algorithms.acting import ActorPolicy, build_actor
from reppo.algorithms.contract import AbstractAlgorithm, AlgorithmState
from reppo.algorithms.learning import CRITIC_WATCHED, ActorParts, Learner, critic_step, require_sizes
from reppo.component import Scalar, hyper, static
from reppo.distributions import AbstractHead, TanhNormalHead
from reppo.environments import Interface, Observation
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses import (
    AbstractActorLoss,
    AbstractMultiplier,
    AbstractPessimism,
    AbstractValue,
    EnsembleQ,
    FixedMultiplier,
    LearnedMultiplier,
    LeastValue,
    Minibatch,
    PathwiseLoss,
    ScalarValue,
    Unconstrained,
)
from reppo.networks import AbstractActorBuilder, AbstractCriticBuilder, Actor, Critic, NoNorm, Relu, build_ensemble
from reppo.normalization import (
    AbstractNormalizer,
    RunningMeanVariance,
    init_statistics,
    normalize_batch,
    update_statistics,
)
from reppo.optimization import (
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    AbstractTargetNetwork,
    Adam,
    NoClip,
    Polyak,
)
from reppo.replay import AbstractReplay, Transitions, UniformReplay
from reppo.rollout import Trajectory
from reppo.summary import Summary, flatten
from reppo.watched import Watched


@final
class SacLearner(eqx.Module):
    """What learns.

    Attributes:
        trained: actor, critics, multipliers and their optimizers.
        target: the critics that the targets are made with.
    """

    trained: Learner
    target: Any


@final
class Sac(AbstractAlgorithm):
    """SAC: soft Q-learning off-policy, from a replay buffer, with pathwise policy gradients.

    One iteration: keep the rollout; then, for minibatches drawn from all that is kept, a step of the critics towards
    `r + gamma * (Q_target(s', a') - temperature * log pi(a'|s'))`, a step of the actor and of the temperature, and one
    of the target network. Haarnoja et al. 2018, arXiv 1801.01290; the learned temperature: arXiv 1812.05905.

    Slots that `Reppo` has too take the same components. Two differences from other implementations: until learning
    begins, the untrained policy acts, not a uniform one; and with several `return_steps` the entropies between them do
    not count.

    Attributes:
        num_environments: environments that run in parallel, at least 1.
        rollout_length: steps that each takes between two updates, at least 1.
        gamma: discount factor, in [0, 1].
        reward_scale: factor on rewards in everything that is learned, positive; reported returns are unscaled.
        normalizer: normalization of observations, by the statistics at the time of learning.
        actor: builder of the actor network.
        head: distribution that the actor's outputs stand for, the limit on actions, and the entropy to aim for.
        critic: builder of each critic network.
        num_critics: critics, each with initial weights of its own, at least 1.
        pessimism: what the critics say together, in targets and to the policy.
        value: what a critic's outputs stand for, and their loss; that of all critics is added up.
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
        actor_loss: loss of the actor. Its old policy is the one that collected the newest rollout.
        temperature: weight of the entropy.
        kl_multiplier: weight of a KL constraint, if the actor's loss has one.
        actor_optimizer: optimizer of the actor.
        critic_optimizer: optimizer of the critics.
        multiplier_optimizer: optimizer of temperature and KL multiplier, where they are learned.
    """

    num_environments: int = static(128)
    rollout_length: int = static(8)
    gamma: Scalar = hyper(0.99)
    reward_scale: Scalar = hyper(1.0)
    normalizer: AbstractNormalizer = RunningMeanVariance()
    actor: AbstractActorBuilder = Actor(width=256, depth=2, norm=NoNorm(), activation=Relu())
    head: AbstractHead = TanhNormalHead(max_action=1.0, entropy_target=-1.0)
    critic: AbstractCriticBuilder = Critic(width=256, head_depth=0, norm=NoNorm(), activation=Relu())
    num_critics: int = static(2)
    pessimism: AbstractPessimism = LeastValue()
    value: AbstractValue = ScalarValue()
    target_network: AbstractTargetNetwork = Polyak()
    replay: AbstractReplay = UniformReplay()
    saves_replay: bool = static(True)
    learning_starts: int = static(8192)
    updates: int = static(64)
    batch_size: int = static(512)
    return_steps: int = static(1)
    actor_interval: int = static(1)
    actor_loss: AbstractActorLoss = PathwiseLoss(objective=Unconstrained())  # pyright: ignore[reportCallIssue]
    temperature: AbstractMultiplier = LearnedMultiplier(1.0)
    kl_multiplier: AbstractMultiplier = FixedMultiplier(0.0)
    actor_optimizer: AbstractOptimizer = Adam(clip=NoClip())
    critic_optimizer: AbstractOptimizer = Adam(clip=NoClip())
    multiplier_optimizer: AbstractMultiplierOptimizer = Adam(clip=NoClip())

    @property
    def saves_data(self) -> bool:
        """As it was chosen."""
        return self.saves_replay

    @property
    def idle_iterations(self) -> int:
        """Those before there are enough steps to learn from."""
        return max(0, math.ceil(self.learning_starts / self.steps_per_iteration) - 1)

    def init(self, key: Key[Array, ""], interface: Interface) -> AlgorithmState:
        """Networks, multipliers, optimizers and an empty buffer."""
        shapes, action_size = interface.observation, interface.action.size
        actor = build_actor(self.actor, self.head, subkey(key, "actor"), interface)
        critics = build_ensemble(
            self.critic, self.num_critics, subkey(key, "critic"), shapes.for_critic, action_size, self.value.size
        )
        trained = self._actor_parts().init(actor, critics, self.critic_optimizer.transform())
        return AlgorithmState(
            SacLearner(trained, target=critics),
            statistics=init_statistics(self.normalizer, shapes),
            data=self.replay.init(interface, self.num_environments),
        )

    def policy(self, state: AlgorithmState) -> ActorPolicy:
        """The policy of the current actor, with its observation statistics."""
        return ActorPolicy(state.learner.trained.actor, state.statistics.actor, self.normalizer, self.head)

    def causes(self) -> tuple[str, ...]:
        """Targets, critics, actor."""
        critic = ("q", "loss", "gradient_norm", "explained_variance")
        actor = ("temperature", "kl_multiplier", "entropy", "kl", "loss", "gradient_norm")
        return ("targets/value", *(f"critic/{name}" for name in critic), *(f"actor/{name}" for name in actor))

    def watched(self) -> tuple[Watched, ...]:
        """How free the policy is, then what the critics can follow, and how well they do."""
        return (
            Watched("actor/entropy", "entropy, nats"),
            Watched("actor/temperature", "temperature", logarithmic=True),
            Watched("actor/kl", "KL(old, new), nats", logarithmic=True, limit="kl_bound"),
            *CRITIC_WATCHED,
            Watched("replay/steps", "steps in the buffer"),
        )

    def update(
        self, state: AlgorithmState, trajectory: Trajectory, key: Key[Array, ""]
    ) -> tuple[AlgorithmState, dict[str, Summary]]:
        """The rollout is kept; then minibatches of all that is, unless that is still too little."""
        statistics = update_statistics(self.normalizer, state.statistics, trajectory.observation)
        data, collected_by = self.replay.add(state.data, trajectory), self.policy(state)
        kept, names = self.replay.size(data), []

        def one(learner: SacLearner, number: Int[Array, ""]) -> tuple[SacLearner, Summary]:
            drawn = self.replay.draw(
                data, self.batch_size, self.return_steps, self.gamma, subkey(key, "replay", number)
            )
            learner, metrics = self.step(learner, statistics, drawn, collected_by, number, subkey(key, "step", number))
            names[:] = metrics
            return learner, Summary.together(metrics.values())

        def learn(learner: SacLearner) -> tuple[SacLearner, Summary]:
            learner, stacked = jax.lax.scan(one, learner, jnp.arange(self.updates))
            return learner, flatten(stacked)

        def wait(learner: SacLearner) -> tuple[SacLearner, Summary]:
            return learner, Summary.together([Summary.none()] * len(names))

        learner, summaries = jax.lax.cond(kept >= self.learning_starts, learn, wait, state.learner)
        metrics = summaries.apart(names) | {"replay/steps": Summary.of(kept.astype(jnp.float32))}
        return AlgorithmState(learner, statistics, data), metrics

    def step(
        self,
        learner: SacLearner,
        statistics: Observation,
        drawn: Transitions,
        collected_by: ActorPolicy,
        number: Int[Array, ""],
        key: Key[Array, ""],
    ) -> tuple[SacLearner, dict[str, Summary]]:
        """One step of the critics, the actor and the target network.

        Args:
            learner: before it.
            statistics: of observations.
            drawn: the transitions to learn from.
            collected_by: the policy that collected the newest rollout.
            number: of the step within the iteration, from 0.
            key: consumed.
        """
        batch, metrics = self.prepare(learner, statistics, drawn, collected_by, subkey(key, "targets"))
        trained, critic_metrics = critic_step(
            learner.trained, batch, self._row_losses, self.critic_optimizer.transform(), says="q"
        )
        target = self.target_network.follow(learner.target, trained.critic)
        trained, actor_metrics = self._actor_step(trained, batch, number, subkey(key, "actor"))
        return SacLearner(trained, target), metrics | critic_metrics | actor_metrics

    def prepare(
        self,
        learner: SacLearner,
        statistics: Observation,
        drawn: Transitions,
        collected_by: ActorPolicy,
        key: Key[Array, ""],
    ) -> tuple[Minibatch, dict[str, Summary]]:
        """The transitions with normalized observations and targets; arguments as for `step`."""
        observation = normalize_batch(self.normalizer, statistics, drawn.observation)
        following = normalize_batch(self.normalizer, statistics, drawn.next_observation)
        temperature = self.temperature.value(learner.trained.temperature)
        q, actor = EnsembleQ(learner.target, self.value, self.pessimism), cast(Any, learner.trained.actor)

        def value(following: Observation, key: Key[Array, ""]) -> Any:
            soft = lambda action, log_prob: q(following.for_critic, action) - temperature * log_prob
            return self.head(actor(following.actor)).expect(soft, key)

        next_value = jax.vmap(value)(following, jax.random.split(key, self.batch_size))
        target = self.reward_scale * drawn.reward + drawn.discount * next_value
        batch = Minibatch(
            observation=observation,
            action=drawn.action,
            old=jax.vmap(collected_by.distribution)(drawn.observation),
            target=target,
            counts=jnp.ones(self.batch_size, bool),
        )
        metrics = {
            "targets/value": Summary.of(target),
            "targets/outside_support": Summary.of(self.value.outside(target)),
        }
        return batch, metrics

    def _row_losses(self, critics: Any, row: Minibatch) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        logits = critics(row.observation.for_critic, row.action).logits
        losses = jax.vmap(lambda one: self.value.loss(one, row.target))(logits)
        return jnp.sum(losses), jnp.zeros(()), jnp.mean(jax.vmap(self.value.decode)(logits))

    def _actor_step(
        self, learner: Learner, batch: Minibatch, number: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[Learner, dict[str, Summary]]:
        def step(learner: Learner) -> tuple[Learner, dict[str, Summary]]:
            q = EnsembleQ(learner.critic, self.value, self.pessimism)
            return self._actor_parts().step(learner, q, batch, key)

        if self.actor_interval == 1:
            return step(learner)
        nothing = dict.fromkeys(eqx.filter_eval_shape(step, learner)[1], Summary.none())
        return jax.lax.cond(number % self.actor_interval == 0, step, lambda learner: (learner, nothing), learner)

    def _actor_parts(self) -> ActorParts:
        transform = self.multiplier_optimizer.beside(self.actor_optimizer.transform())
        return ActorParts(self.head, self.actor_loss, self.temperature, self.kl_multiplier, transform)

    def validate(self) -> None:
        require(
            self.actor_loss.asks_q and not self.actor_loss.on_policy,
            f"{type(self.actor_loss).__name__} asks how good the actions were that its old policy took, and those "
            "in the replay buffer are of many policies. Choose a loss that asks the critics of fresh actions, such as "
            "PathwiseLoss(objective=Unconstrained()).",
        )
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
