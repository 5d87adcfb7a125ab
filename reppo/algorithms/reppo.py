"""Relative Entropy Pathwise Policy Optimization (Voelcker et al., arXiv 2507.11019)."""

from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from reppo.algorithms.acting import ActorPolicy, build_actor
from reppo.algorithms.contract import AbstractAlgorithm, AlgorithmState
from reppo.algorithms.exploration import AbstractExploration, OwnDraws
from reppo.algorithms.learning import (
    CRITIC_WATCHED,
    ActorParts,
    Learner,
    critic_step,
    require_bound,
    require_comparable,
    require_sizes,
)
from reppo.algorithms.preference import AbstractPreference, GreedyPolicy, OwnMode
from reppo.component import Scalar, hyper, slot, static
from reppo.distributions import AbstractHead, Action, TanhNormalHead
from reppo.environments import Interface, Observation
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses import (
    AbstractActorLoss,
    AbstractAuxiliary,
    AbstractMultiplier,
    AbstractSmoothness,
    AbstractValue,
    HLGauss,
    LearnedMultiplier,
    Minibatch,
    NoSmoothness,
    PathwiseLoss,
    QFunction,
    SelfPrediction,
)
from reppo.networks import AbstractActorBuilder, AbstractCriticBuilder, AbstractOffset, Actor, Critic, NoOffset
from reppo.normalization import (
    AbstractNormalizer,
    RunningMeanVariance,
    init_statistics,
    normalize_rollout,
    update_statistics,
)
from reppo.optimization import (
    AbstractBatches,
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    AbstractStepOrder,
    Adam,
    Alternating,
    Epochs,
    NoClip,
)
from reppo.rollout import Trajectory, as_rows, map_rows
from reppo.summary import Summary
from reppo.targets import (
    AbstractEntropyBonus,
    AbstractNextValue,
    AbstractTargets,
    AbstractTruncation,
    BonusUntilTermination,
    FreshAction,
    OwnFlag,
    SoftLambda,
    Taken,
)
from reppo.watched import Watched


@final
class Reppo(AbstractAlgorithm):
    """REPPO: on-policy Q-learning with soft TD(lambda) targets, and pathwise policy gradients within a KL ball.

    One iteration, after the rollout: make the targets with the networks that collected it; then, for minibatches in
    the chosen order, a critic step and an actor step. Voelcker et al. 2025, arXiv 2507.11019.

    Attributes:
        num_environments: environments that run in parallel, at least 1.
        rollout_length: steps that each takes between two updates, at least 1.
        gamma: discount factor, in [0, 1].
        reward_scale: factor on rewards in everything that is learned, positive; reported returns are unscaled.
        normalizer: normalization of observations.
        actor: builder of the actor network.
        head: distribution that the actor's outputs stand for, the limit on actions, and the entropy to aim for.
        critic: builder of the critic network.
        critic_offset: what moves the outputs of the untrained critic.
        value: what the critic's outputs stand for, and their loss.
        auxiliary: auxiliary task of the critic.
        smoothness: what is asked of the critic's slopes.
        next_value: estimate of the next state's value.
        entropy_bonus: what the entropy at the next state adds to the reward.
        truncation: how truncated steps enter the targets and the critic's loss.
        targets: how rewards and values become the critic's targets.
        actor_loss: loss of the actor.
        preference: which action is taken in evaluation.
        exploration: what actions are drawn from while they are collected.
        temperature: weight of the entropy.
        kl_multiplier: weight of the KL constraint.
        batches: which rows of the rollout each update sees.
        step_order: in what order critic and actor are updated.
        actor_optimizer: optimizer of the actor.
        critic_optimizer: optimizer of the critic.
        multiplier_optimizer: optimizer of temperature and KL multiplier. An optimizer of their own has a clip of its
            own, so that the policy's gradient does not slow them.
    """

    num_environments: int = static(1024)
    rollout_length: int = static(128)
    gamma: Scalar = hyper(0.99)
    reward_scale: Scalar = hyper(1.0)
    normalizer: AbstractNormalizer = RunningMeanVariance()
    actor: AbstractActorBuilder = Actor()
    head: AbstractHead = TanhNormalHead()
    critic: AbstractCriticBuilder = Critic()
    value: AbstractValue = HLGauss()
    auxiliary: AbstractAuxiliary = SelfPrediction()
    next_value: AbstractNextValue = FreshAction()
    targets: AbstractTargets = SoftLambda()
    actor_loss: AbstractActorLoss = PathwiseLoss()
    temperature: AbstractMultiplier = LearnedMultiplier()
    kl_multiplier: AbstractMultiplier = LearnedMultiplier()
    batches: AbstractBatches = Epochs()
    step_order: AbstractStepOrder = Alternating()
    actor_optimizer: AbstractOptimizer = Adam()
    critic_optimizer: AbstractOptimizer = Adam()
    multiplier_optimizer: AbstractMultiplierOptimizer = Adam(clip=NoClip())
    critic_offset: AbstractOffset = slot(NoOffset(), added=True)
    entropy_bonus: AbstractEntropyBonus = slot(BonusUntilTermination(), added=True)
    truncation: AbstractTruncation = slot(OwnFlag(), added=True)
    smoothness: AbstractSmoothness = slot(NoSmoothness(), added=True)
    preference: AbstractPreference = slot(OwnMode(), added=True)
    exploration: AbstractExploration = slot(OwnDraws(), added=True)

    def init(self, key: Key[Array, ""], interface: Interface) -> AlgorithmState:
        """Networks, multipliers and optimizers before training."""
        self.preference.check(interface)
        shapes, action_size = interface.observation, interface.action.size
        actor = build_actor(self.actor, self.head, subkey(key, "actor"), interface)
        critic = self.critic.build(
            subkey(key, "critic"),
            shapes.for_critic,
            action_size,
            self.value.size,
            self.auxiliary.size(self.critic.embedding_size),
        )
        critic = self.critic_offset.build(critic, self.value.start)
        learner = self._actor_parts().init(actor, critic, self.critic_optimizer.transform())
        return AlgorithmState(learner, statistics=init_statistics(self.normalizer, shapes))

    def policy(self, state: AlgorithmState) -> ActorPolicy | GreedyPolicy:
        """The policy of the current actor, with its observation statistics."""
        actor, statistics = state.learner.actor, state.statistics.actor
        policy = ActorPolicy(actor, statistics, self.normalizer, self.head, self.exploration)
        return self.preference.of(policy, QFunction(state.learner.critic, self.value))

    def causes(self) -> tuple[str, ...]:
        """Targets, critic, actor: the actor's step never reaches the critic's within an iteration."""
        critic = ("q", "auxiliary_loss", "loss", "gradient_norm", "explained_variance")
        actor = ("temperature", "kl_multiplier", "entropy", "kl", "loss", "gradient_norm")
        return ("targets/value", *(f"critic/{name}" for name in critic), *(f"actor/{name}" for name in actor))

    def watched(self) -> tuple[Watched, ...]:
        """The constraints of the actor and their multipliers, then what the critic can follow, and how well it does."""
        return (
            Watched("actor/kl", "KL(old, new), nats", logarithmic=True, limit="kl_bound"),
            Watched("actor/behind_gate", "states behind the KL gate", needs="kl_bound"),
            Watched("actor/entropy", "entropy, nats"),
            Watched("actor/temperature", "temperature", logarithmic=True),
            Watched("actor/kl_multiplier", "KL multiplier", logarithmic=True, needs="kl_bound"),
            *CRITIC_WATCHED,
        )

    def update(
        self, state: AlgorithmState, trajectory: Trajectory, key: Key[Array, ""]
    ) -> tuple[AlgorithmState, dict[str, Summary]]:
        """Targets once, with the networks that collected the rollout; then minibatches; then the statistics."""
        data, metrics = self.prepare(state, trajectory, subkey(key, "targets"))
        updates_key = subkey(key, "schedule")
        learner, update_metrics = self.step_order.run(
            state.learner,
            data,
            self.batches.indices(data.size, updates_key),
            {"critic": self.critic_step, "actor": self.actor_step},
            updates_key,
        )
        statistics = update_statistics(self.normalizer, state.statistics, trajectory.observation)
        return AlgorithmState(learner, statistics), metrics | update_metrics

    def prepare(
        self, state: AlgorithmState, trajectory: Trajectory, key: Key[Array, ""]
    ) -> tuple[Minibatch, dict[str, Summary]]:
        """The rollout as rows, with normalized observations, targets and next embeddings."""
        learner, q = state.learner, QFunction(state.learner.critic, self.value)
        temperature = self.temperature.value(learner.temperature)
        reward = self.reward_scale * trajectory.reward
        time, environments = reward.shape
        observation, following = normalize_rollout(
            self.normalizer, state.statistics, trajectory.observation, trajectory.final_observation
        )
        ended = trajectory.terminated | trajectory.truncated

        def next_value(observation: Observation, taken: Taken, continues: Bool[Array, ""], key: Key[Array, ""]) -> Any:
            def evaluate(action: Action) -> tuple[Float[Array, ""], Float[Array, " embedding"]]:
                value, output = q.with_output(observation.for_critic, action)
                return value, output.embedding

            return self.next_value(self.head(learner.actor(observation.actor)), evaluate, taken, continues, key)

        keys = jax.random.split(key, (time, environments))
        taken = jax.tree.map(lambda x: jnp.roll(x, -1, axis=0), Taken(trajectory.action, trajectory.extras.drawn))
        continues = (~ended).at[-1].set(False)
        estimate = map_rows(next_value, following, taken, continues, keys)
        cuts = jax.vmap(self.truncation, in_axes=1, out_axes=1)(trajectory.terminated, trajectory.truncated)
        worthless = trajectory.terminated | (cuts.terminated & ~cuts.truncated)  # what follows, with its entropy
        bonus = jax.vmap(jax.vmap(lambda log_prob, terminated: self.entropy_bonus(temperature, log_prob, terminated)))(
            estimate.log_prob, worthless
        )
        weight = trajectory.extras.weight
        traces = () if weight is None else (jnp.roll(weight, -1, axis=0),)  # of the action at the next state
        targets = jax.vmap(self.targets, in_axes=(1, 1, 1, 1, None, *[1] * len(traces)), out_axes=1)(
            reward + self.gamma * bonus, estimate.value, cuts.terminated, cuts.truncated, self.gamma, *traces
        )
        rows = {
            "observation": observation,
            "action": trajectory.action,
            "drawn": trajectory.extras.drawn,
            "old": trajectory.extras.distribution,
            "target": targets,
            "reward": reward,
            "terminated": trajectory.terminated,
            "truncated": trajectory.truncated,
            "counts": cuts.counts,
            "next_embedding": estimate.embedding,
        }
        data = Minibatch(**as_rows(rows))
        metrics = {
            "targets/value": Summary.of(data.target, where=data.counts),
            "targets/outside_support": Summary.of(self.value.outside(data.target), where=data.counts),
            "observations/far": Summary.of(self.normalizer.far(state.statistics.actor, trajectory.observation.actor)),
        }
        if weight is not None:
            metrics["targets/trace_weight"] = Summary.of(weight)
        return data, metrics

    def critic_step(
        self, learner: Learner, batch: Minibatch, key: Key[Array, ""]
    ) -> tuple[Learner, dict[str, Summary]]:
        """One gradient step of the critic towards the targets."""

        def row_losses(
            critic: Any, row: Minibatch, key: Key[Array, ""]
        ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
            q = QFunction(critic, self.value)
            value, output = q.with_output(row.observation.for_critic, row.action)
            value_loss = self.value.loss(output.logits, row.target)
            auxiliary_loss = self.auxiliary.loss(
                output.prediction, row.next_embedding, row.reward, row.terminated, row.truncated
            )
            smoothness_loss = self.smoothness(lambda *seen: q(*seen)[None], row.observation.for_critic, row.action, key)
            return value_loss, auxiliary_loss + smoothness_loss, value

        return critic_step(learner, batch, row_losses, self.critic_optimizer.transform(), "q", key)

    def actor_step(self, learner: Learner, batch: Minibatch, key: Key[Array, ""]) -> tuple[Learner, dict[str, Summary]]:
        """One gradient step of the actor, and one of the multipliers by what the actor's loss saw."""
        return self._actor_parts().step(learner, QFunction(learner.critic, self.value), batch, key)

    def _actor_parts(self) -> ActorParts:
        transform = self.multiplier_optimizer.beside(self.actor_optimizer.transform())
        return ActorParts(self.head, self.actor_loss, self.temperature, self.kl_multiplier, transform)

    def validate(self) -> None:
        require(
            self.actor_loss.asks_q,
            f"{type(self.actor_loss).__name__} learns from advantages, and REPPO makes none: its critic is one of "
            "actions. Choose a loss that asks it, such as ClippedSurrogateLoss(), or the algorithm Ppo.",
        )
        require_sizes(self)
        require_bound(self)
        require_comparable(self)
        self.batches.check(self.steps_per_iteration)
