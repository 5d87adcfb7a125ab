"""Proximal Policy Optimization (Schulman et al. 2017, arXiv 1707.06347)."""

import dataclasses
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from reppo.algorithms.acting import ActorPolicy, build_actor
from reppo.algorithms.contract import AbstractAlgorithm, AlgorithmState
from reppo.algorithms.learning import (
    CRITIC_WATCHED,
    ActorParts,
    Learner,
    critic_step,
    require_bound,
    require_comparable,
    require_sizes,
)
from reppo.algorithms.sharing import AbstractSharing, NoSharing, joint_learner, joint_step
from reppo.component import Scalar, hyper, slot, static
from reppo.distributions import AbstractHead, NormalHead
from reppo.environments import Interface, Observation
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses import (
    AbstractActorLoss,
    AbstractAdvantages,
    AbstractAuxiliary,
    AbstractMultiplier,
    AbstractValue,
    AbstractValueLoss,
    FixedMultiplier,
    Minibatch,
    NoAuxiliary,
    PlainValueLoss,
    ScalarValue,
    StandardizedMinibatches,
    StateValue,
    SurrogateLoss,
)
from reppo.networks import AbstractActorBuilder, AbstractCriticBuilder, AbstractOffset, Actor, Critic, NoNorm, NoOffset
from reppo.normalization import (
    AbstractNormalizer,
    AbstractRewardScaling,
    NoRewardScaling,
    RunningMeanVariance,
    init_statistics,
    normalize_rollout,
    update_statistics,
)
from reppo.optimization import (
    AbstractAnnealing,
    AbstractBatches,
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    AbstractStepOrder,
    AbstractStop,
    Adam,
    Alternating,
    Epochs,
    NoAnnealing,
    NoClip,
    NoStop,
)
from reppo.rollout import Trajectory, as_rows, map_rows
from reppo.summary import Summary
from reppo.targets import AbstractTargets, AbstractTruncation, OwnFlag, SoftLambda
from reppo.watched import Watched


@final
class PpoStatistics(eqx.Module):
    """What is counted.

    Attributes:
        observations: statistics of observations.
        iterations: updates that were made.
        rewards: statistics of rewards.
    """

    observations: Observation
    iterations: Int[Array, ""]
    rewards: Any = ()


@final
class Progress(eqx.Module):
    """A learner within an iteration.

    Attributes:
        learner: what learns.
        rate: the share of the learning rates that annealing leaves.
        stopped: whether the policy makes no further step; None where it never stops.
    """

    learner: Learner
    rate: Float[Array, ""]
    stopped: Bool[Array, ""] | None


@final
class Ppo(AbstractAlgorithm):
    """PPO: the policy gradient from advantages, several epochs on one rollout, held back by a clip of the ratio.

    One iteration, after the rollout: estimate the advantages with the value function that collected it; then, for
    minibatches in the chosen order, a critic step and an actor step. Schulman et al. 2017, arXiv 1707.06347; for the
    details, Huang et al. 2022 (iclr-blog-track.github.io/2022/03/25/ppo-implementation-details) and Andrychowicz et al.
    2020 (arXiv 2006.05990).

    Slots that `Reppo` has too take the same components. Unless `sharing` says otherwise actor and critic have no layer
    in common, and an optimizer each: under Adam that is one optimizer of both, but for a clip of gradients, which then
    is of each network's own.

    Attributes:
        num_environments: environments that run in parallel, at least 1.
        rollout_length: steps that each takes between two updates, at least 1.
        gamma: discount factor, in [0, 1].
        reward_scale: factor on rewards in everything that is learned, positive; reported returns are unscaled.
        reward_scaling: a further factor, by the rewards that were collected.
        normalizer: normalization of observations.
        actor: builder of the actor network.
        head: distribution that the actor's outputs stand for.
        critic: builder of the critic network, which is one of states: its actions have length 0.
        critic_offset: what moves the outputs of the untrained critic.
        value: what the critic's outputs stand for, and their loss.
        value_loss: what the critic minimizes.
        auxiliary: auxiliary task of the critic.
        truncation: how truncated steps enter the advantages and the critic's loss.
        targets: how rewards and values become the critic's targets. The advantage is the target minus the value: with
            lambda-returns this is generalized advantage estimation (Schulman et al. 2016, arXiv 1506.02438).
        advantages: what becomes of advantages before the policy learns from them.
        actor_loss: loss of the actor.
        temperature: weight of the entropy.
        kl_multiplier: weight of a KL constraint, if the actor's loss has one.
        batches: which rows of the rollout each update sees.
        step_order: in what order critic and actor are updated.
        stop: when the policy makes no further step in an iteration.
        annealing: how the learning rates of both networks fall.
        actor_optimizer: optimizer of the actor.
        critic_optimizer: optimizer of the critic.
        multiplier_optimizer: optimizer of temperature and KL multiplier, where they are learned.
        sharing: which layers actor and critic have in common.
    """

    num_environments: int = static(1024)
    rollout_length: int = static(32)
    gamma: Scalar = hyper(0.99)
    reward_scale: Scalar = hyper(1.0)
    normalizer: AbstractNormalizer = RunningMeanVariance()
    actor: AbstractActorBuilder = Actor(norm=NoNorm())
    head: AbstractHead = NormalHead()
    critic: AbstractCriticBuilder = Critic(head_depth=0, norm=NoNorm())
    critic_offset: AbstractOffset = NoOffset()
    value: AbstractValue = ScalarValue()
    value_loss: AbstractValueLoss = PlainValueLoss()
    auxiliary: AbstractAuxiliary = NoAuxiliary()
    truncation: AbstractTruncation = OwnFlag()
    targets: AbstractTargets = SoftLambda()
    advantages: AbstractAdvantages = StandardizedMinibatches()
    actor_loss: AbstractActorLoss = SurrogateLoss()
    temperature: AbstractMultiplier = FixedMultiplier(0.0)
    kl_multiplier: AbstractMultiplier = FixedMultiplier(0.0)
    batches: AbstractBatches = Epochs(epochs=4, num_minibatches=32)
    step_order: AbstractStepOrder = Alternating()
    stop: AbstractStop = NoStop()
    annealing: AbstractAnnealing = NoAnnealing()
    actor_optimizer: AbstractOptimizer = Adam()
    critic_optimizer: AbstractOptimizer = Adam()
    multiplier_optimizer: AbstractMultiplierOptimizer = Adam(clip=NoClip())
    reward_scaling: AbstractRewardScaling = slot(NoRewardScaling(), added=True)
    sharing: AbstractSharing = slot(NoSharing(), added=True)  # pyright: ignore[reportCallIssue]

    def init(self, key: Key[Array, ""], interface: Interface) -> AlgorithmState:
        """Networks, multipliers and optimizers before training."""
        shapes = interface.observation
        actor = build_actor(self.actor, self.head, subkey(key, "actor"), interface)
        prediction_size = self.auxiliary.size(self.critic.embedding_size)
        critic = self.critic.build(subkey(key, "critic"), shapes.for_critic, 0, self.value.size, prediction_size)
        critic = self.critic_offset.build(critic, self.value.start)
        rate = jnp.ones(())
        parts = self._actor_parts(rate)
        if self.sharing.jointly:
            learner = joint_learner(self.sharing, parts, actor, critic)
        else:
            learner = parts.init(actor, critic, self._critic_transform(rate))
        statistics = PpoStatistics(
            init_statistics(self.normalizer, shapes),
            iterations=jnp.zeros((), jnp.int32),
            rewards=self.reward_scaling.init(self.num_environments),
        )
        return AlgorithmState(learner, statistics)

    def policy(self, state: AlgorithmState) -> ActorPolicy:
        """The policy of the current actor, with its observation statistics."""
        return ActorPolicy(state.learner.actor, state.statistics.observations.actor, self.normalizer, self.head)

    def causes(self) -> tuple[str, ...]:
        """Targets and advantages, critic, actor: the actor's step never reaches the critic's within an iteration."""
        critic = ("value", "auxiliary_loss", "loss", "gradient_norm", "explained_variance")
        actor = ("temperature", "kl_multiplier", "entropy", "kl", "loss", "gradient_norm")
        made = ("targets/value", "targets/advantage")
        return (*made, *(f"critic/{name}" for name in critic), *(f"actor/{name}" for name in actor))

    def watched(self) -> tuple[Watched, ...]:
        """How far and how freely the policy moves, then what the critic can follow, and how well it does."""
        return (
            Watched("actor/kl", "KL(old, new), nats", logarithmic=True, limit="kl_bound"),
            Watched("actor/clipped", "ratios cut off", needs="ratio_clip"),
            Watched("actor/stopped", "steps of the policy left out", needs="target_kl"),
            Watched("actor/behind_gate", "states behind the KL gate", needs="kl_bound"),
            Watched("actor/entropy", "entropy, nats"),
            *CRITIC_WATCHED,
        )

    def update(
        self, state: AlgorithmState, trajectory: Trajectory, key: Key[Array, ""]
    ) -> tuple[AlgorithmState, dict[str, Summary]]:
        """Advantages once, with the networks that collected the rollout; then minibatches; then the statistics."""
        ended = trajectory.terminated | trajectory.truncated
        rewards = self.reward_scaling.update(
            state.statistics.rewards, self.reward_scale * trajectory.reward, ended, self.gamma
        )
        state = dataclasses.replace(state, statistics=dataclasses.replace(state.statistics, rewards=rewards))
        data, metrics = self.prepare(state, trajectory)
        updates_key = subkey(key, "schedule")
        done = jnp.float32(self.steps_per_iteration) * state.statistics.iterations
        start = Progress(state.learner, rate=self.annealing(done), stopped=self.stop.init())
        steps = {"critic": self.critic_step, "actor": self.actor_step}
        if self.sharing.jointly:
            steps = {"joint": self.joint_step}
        progress, update_metrics = self.step_order.run(
            start,
            data,
            self.batches.indices(data.size, updates_key),
            steps,
            updates_key,
        )
        observations = update_statistics(self.normalizer, state.statistics.observations, trajectory.observation)
        statistics = PpoStatistics(observations, state.statistics.iterations + 1, rewards)
        metrics |= update_metrics | {"optimizer/rate": Summary.of(start.rate)}
        return AlgorithmState(progress.learner, statistics), metrics

    def prepare(self, state: AlgorithmState, trajectory: Trajectory) -> tuple[Minibatch, dict[str, Summary]]:
        """The rollout as rows, with normalized observations, values, targets and advantages."""
        statistics, v = state.statistics.observations, StateValue(state.learner.critic, self.value)
        factor = self.reward_scaling.factor(state.statistics.rewards)
        reward = factor * self.reward_scale * trajectory.reward
        observation, following = normalize_rollout(
            self.normalizer, statistics, trajectory.observation, trajectory.final_observation
        )
        of_row = lambda one: v.with_output(one.for_critic)
        (value, _), (next_value, output) = map_rows(of_row, observation), map_rows(of_row, following)
        cuts = jax.vmap(self.truncation, in_axes=1, out_axes=1)(trajectory.terminated, trajectory.truncated)
        target = jax.vmap(self.targets, in_axes=(1, 1, 1, 1, None), out_axes=1)(
            reward, next_value, cuts.terminated, cuts.truncated, self.gamma
        )
        rows = {
            "observation": observation,
            "action": trajectory.action,
            "drawn": trajectory.extras.drawn,
            "old": trajectory.extras.distribution,
            "target": target,
            "advantage": jnp.where(cuts.counts, target - value, 0.0),
            "value": value,
            "reward": reward,
            "terminated": trajectory.terminated,
            "truncated": trajectory.truncated,
            "counts": cuts.counts,
            "next_embedding": output.embedding,
        }
        data = Minibatch(**as_rows(rows))
        metrics = {
            "targets/value": Summary.of(data.target, where=data.counts),
            "targets/advantage": Summary.of(data.advantage, where=data.counts),
            "targets/reward_factor": Summary.of(factor),
            "targets/outside_support": Summary.of(self.value.outside(data.target), where=data.counts),
            "observations/far": Summary.of(self.normalizer.far(statistics.actor, trajectory.observation.actor)),
        }
        return dataclasses.replace(data, advantage=self.advantages.of_rollout(data.advantage, data.counts)), metrics

    def critic_step(
        self, progress: Progress, batch: Minibatch, key: Key[Array, ""]
    ) -> tuple[Progress, dict[str, Summary]]:
        """One gradient step of the critic towards the targets."""
        transform = self._critic_transform(progress.rate)
        learner, metrics = critic_step(progress.learner, batch, self._row_losses, transform, "value", key)
        return dataclasses.replace(progress, learner=learner), metrics

    def actor_step(
        self, progress: Progress, batch: Minibatch, key: Key[Array, ""]
    ) -> tuple[Progress, dict[str, Summary]]:
        """One gradient step of the actor and of the multipliers, unless the policy has stopped."""
        parts = self._actor_parts(progress.rate)
        return self._unless_stopped(progress, batch, lambda learner, batch: parts.step(learner, None, batch, key))

    def joint_step(
        self, progress: Progress, batch: Minibatch, key: Key[Array, ""]
    ) -> tuple[Progress, dict[str, Summary]]:
        """One gradient step of both networks and of the multipliers, unless the policy has stopped."""

        def step(learner: Learner, batch: Minibatch) -> tuple[Learner, dict[str, Summary]]:
            parts = self._actor_parts(progress.rate)
            return joint_step(self.sharing, parts, learner, batch, self._row_losses, "value", key)

        return self._unless_stopped(progress, batch, step)

    def _unless_stopped(
        self,
        progress: Progress,
        batch: Minibatch,
        step: Callable[[Learner, Minibatch], tuple[Learner, dict[str, Summary]]],
    ) -> tuple[Progress, dict[str, Summary]]:
        before, stopped = progress.learner, progress.stopped
        batch = dataclasses.replace(batch, advantage=self.advantages.of_minibatch(batch.advantage, batch.counts))
        after, metrics = step(before, batch)
        if stopped is not None:
            stopped |= self.stop(metrics["actor/kl"].mean)
            after = jax.tree.map(lambda a, b: jnp.where(stopped, b, a) if eqx.is_array(a) else a, after, before)
        metrics["actor/stopped"] = Summary.of(jnp.zeros(()) if stopped is None else 1.0 * stopped)
        return dataclasses.replace(progress, learner=after, stopped=stopped), metrics

    def _row_losses(
        self, critic: Any, row: Minibatch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        value, output = StateValue(critic, self.value).with_output(row.observation.for_critic)
        value_loss = self.value_loss(self.value, output.logits, row.value, row.target)
        auxiliary_loss = self.auxiliary.loss(
            output.prediction, row.next_embedding, row.reward, row.terminated, row.truncated
        )
        return value_loss, auxiliary_loss, value

    def _actor_parts(self, rate: Float[Array, ""]) -> ActorParts:
        transform = self.multiplier_optimizer.beside(self.actor_optimizer.annealed(rate))
        return ActorParts(self.head, self.actor_loss, self.temperature, self.kl_multiplier, transform)

    def _critic_transform(self, rate: Float[Array, ""]) -> optax.GradientTransformation:
        return self.critic_optimizer.annealed(rate)

    def validate(self) -> None:
        require(
            not self.actor_loss.asks_q,
            f"{type(self.actor_loss).__name__} asks a critic for the values of actions, and that of PPO knows only "
            "those of states. Choose SurrogateLoss(), or the algorithm Reppo.",
        )
        require_sizes(self)
        require_bound(self)
        require_comparable(self)
        self.batches.check(self.steps_per_iteration)
