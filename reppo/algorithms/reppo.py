"""Relative Entropy Pathwise Policy Optimization (Voelcker et al., arXiv 2507.11019)."""

import dataclasses
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Key, PyTree

from reppo.algorithms.contract import AbstractAlgorithm
from reppo.component import Scalar, hyper, slot, static
from reppo.distributions import AbstractHead, TanhNormal, TanhNormalHead
from reppo.environments import AbstractEnvironment, Observation
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses import (
    AbstractActorLoss,
    AbstractAuxiliary,
    AbstractMultiplier,
    AbstractValue,
    ActorBatch,
    FixedMultiplier,
    HLGauss,
    LearnedMultiplier,
    PathwiseLoss,
    SelfPrediction,
)
from reppo.networks import AbstractActorBuilder, AbstractCriticBuilder, AbstractOffset, Actor, Critic, NoOffset
from reppo.normalization import AbstractNormalizer, RunningMeanVariance
from reppo.optimization import (
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    AbstractSchedule,
    Adam,
    Alternating,
    NoClip,
)
from reppo.rollout import AbstractPolicy, Trajectory
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


class Learner(eqx.Module):
    """The part of the state that minibatch updates change.

    Attributes:
        actor: the actor network.
        critic: the critic network.
        temperature: parameter of the temperature; None if it is fixed.
        kl_multiplier: parameter of the KL multiplier; None if it is fixed.
        actor_optimizer: optimizer state of the actor and of both multipliers.
        critic_optimizer: optimizer state of the critic.
    """

    actor: eqx.Module
    critic: eqx.Module
    temperature: Float[Array, ""] | None
    kl_multiplier: Float[Array, ""] | None
    actor_optimizer: PyTree
    critic_optimizer: PyTree


@final
class ReppoState(eqx.Module):
    """All that evolves in REPPO.

    Attributes:
        learner: networks, multipliers and optimizer states.
        actor_statistics: running statistics of the actor's observations, frozen during an iteration.
        critic_statistics: those of the critic's observations; None where it sees what the actor sees.
    """

    learner: Learner
    actor_statistics: PyTree
    critic_statistics: PyTree


class Minibatch(eqx.Module):
    """Rows of a rollout, with what was computed of them before the first update; leaves `[rows, ...]`.

    Attributes:
        actor: what the actor loss reads, the targets among it.
        next_embedding: the critic's embedding of the next state and action.
        reward: scaled reward.
        terminated: whether the step ended its episode for good.
        truncated: whether it ended its episode although it could have gone on.
        counts: whether the critic learns from the row.
    """

    actor: ActorBatch
    next_embedding: Float[Array, "rows embedding"]
    reward: Float[Array, " rows"]
    terminated: Bool[Array, " rows"]
    truncated: Bool[Array, " rows"]
    counts: Bool[Array, " rows"]


class PolicyDistribution(eqx.Module):
    """The policy's distribution when it acted, and what it drew; all of it before the tanh.

    Attributes:
        loc: mean.
        scale: standard deviation.
        drawn: the draw behind the action, before the limit on actions; the mean where the policy took its mode.
    """

    loc: Float[Array, "*batch action"]
    scale: Float[Array, "*batch action"]
    drawn: Float[Array, "*batch action"]


@final
class ReppoPolicy(AbstractPolicy):
    """Normalizes the observation, applies the actor network, samples or takes the mode.

    Attributes:
        actor: the actor network.
        statistics: statistics of the actor's observations.
        normalizer: how they are applied.
        head: turns outputs into a distribution.
        max_action: limit on the magnitude of sampled actions.
    """

    actor: eqx.Module
    statistics: PyTree
    normalizer: AbstractNormalizer
    head: AbstractHead
    max_action: Any

    def __call__(
        self, memory: Any, observation: Observation, key: Key[Array, ""], deterministic: bool
    ) -> tuple[Float[Array, " action"], Any, PolicyDistribution]:
        distribution = self.head(self.actor(self.normalizer(self.statistics, observation.actor)))  # pyright: ignore
        if deterministic:
            drawn, action = distribution.loc, distribution.mode()
        else:
            drawn = distribution.draw(key)
            action = jnp.clip(jnp.tanh(drawn), -self.max_action, self.max_action)
        return action, memory, PolicyDistribution(distribution.loc, distribution.scale, drawn)

    def observe(self, observation: Observation) -> "ReppoPolicy":
        return dataclasses.replace(self, statistics=self.normalizer.observe(self.statistics, observation.actor))


@final
class Reppo(AbstractAlgorithm):
    """REPPO: on-policy Q-learning with soft TD(lambda) targets, and pathwise policy gradients within a KL ball.

    One iteration, after the rollout: make the targets with the networks that collected it; then, for minibatches in
    the order of the schedule, a critic step and an actor step. Voelcker et al. 2025, arXiv 2507.11019.

    Attributes:
        num_environments: environments that run in parallel.
        rollout_length: steps that each takes between two updates.
        gamma: discount factor, in [0, 1].
        reward_scale: factor on rewards in everything that is learned, positive; reported returns are unscaled.
        entropy_target: entropy that the temperature aims for, per action dimension, in nats.
        max_action: limit on the actions that are taken, in (0, 1]. Densities are those of what was drawn before it.
        normalizer: normalization of observations.
        actor: builder of the actor network.
        head: distribution that the actor's outputs stand for.
        critic: builder of the critic network.
        critic_offset: what moves the outputs of the untrained critic.
        value: what the critic's outputs stand for, and their loss.
        auxiliary: auxiliary task of the critic.
        next_value: estimate of the next state's value.
        entropy_bonus: what the entropy at the next state adds to the reward.
        truncation: how truncated steps enter the targets and the critic's loss.
        targets: how rewards and values become the critic's targets.
        actor_loss: loss of the actor.
        temperature: weight of the entropy.
        kl_multiplier: weight of the KL constraint.
        schedule: order of the updates.
        actor_optimizer: optimizer of the actor.
        critic_optimizer: optimizer of the critic.
        multiplier_optimizer: optimizer of temperature and KL multiplier. An optimizer of their own has a clip of its
            own, so that the policy's gradient does not slow them.
    """

    num_environments: int = static(1024)
    rollout_length: int = static(128)
    gamma: Scalar = hyper(0.99)
    reward_scale: Scalar = hyper(1.0)
    entropy_target: Scalar = hyper(-0.5)
    max_action: Scalar = hyper(0.999)
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
    schedule: AbstractSchedule = Alternating()
    actor_optimizer: AbstractOptimizer = Adam()
    critic_optimizer: AbstractOptimizer = Adam()
    multiplier_optimizer: AbstractMultiplierOptimizer = Adam(clip=NoClip())
    critic_offset: AbstractOffset = slot(NoOffset(), added=True)
    entropy_bonus: AbstractEntropyBonus = slot(BonusUntilTermination(), added=True)
    truncation: AbstractTruncation = slot(OwnFlag(), added=True)

    def init(self, key: Key[Array, ""], environment: AbstractEnvironment) -> ReppoState:
        """Networks, multipliers and optimizers before training."""
        shapes = environment.observation_shapes()
        action_size = environment.action_space.size
        actor = self.actor.build(subkey(key, "actor"), shapes.actor, self.head.size(action_size))
        critic = self.critic.build(
            subkey(key, "critic"),
            shapes.for_critic,
            action_size,
            self.value.size,
            self.auxiliary.size(self.critic.embedding_size),
        )
        critic = self.critic_offset.build(critic, self.value.start)
        multipliers: Any = (self.temperature.init(), self.kl_multiplier.init())
        learner = Learner(
            actor=actor,
            critic=critic,
            temperature=multipliers[0],
            kl_multiplier=multipliers[1],
            actor_optimizer=self._actor_transform().init((_parameters(actor), multipliers)),
            critic_optimizer=self.critic_optimizer.transform().init(_parameters(critic)),
        )
        return ReppoState(
            learner=learner,
            actor_statistics=self.normalizer.init(shapes.actor),
            critic_statistics=None if shapes.critic is None else self.normalizer.init(shapes.critic),
        )

    def policy(self, state: ReppoState) -> ReppoPolicy:
        """The policy of the current actor, with its observation statistics."""
        return ReppoPolicy(state.learner.actor, state.actor_statistics, self.normalizer, self.head, self.max_action)

    def memory(self, key: Key[Array, ""]) -> tuple[()]:
        """Nothing: the policy is memoryless."""
        return ()

    def causes(self) -> tuple[str, ...]:
        """Targets, critic, actor: the actor's step never reaches the critic's within an iteration."""
        critic = ("q", "auxiliary_loss", "loss", "gradient_norm", "explained_variance")
        actor = ("temperature", "kl_multiplier", "entropy", "kl", "loss", "gradient_norm")
        return ("targets/value", *(f"critic/{name}" for name in critic), *(f"actor/{name}" for name in actor))

    def watched(self) -> tuple[Watched, ...]:
        """The constraints of the actor and their multipliers, then what the critic can follow, and how well it does."""
        return (
            Watched("actor/kl", "KL(old, new), nats", logarithmic=True, limit="kl_bound"),
            Watched("actor/behind_gate", "states behind the KL gate"),
            Watched("actor/entropy", "entropy, nats"),
            Watched("actor/temperature", "temperature", logarithmic=True),
            Watched("actor/kl_multiplier", "KL multiplier", logarithmic=True),
            Watched(
                "targets/outside_support",
                "targets outside the support",
                warn_above=0.01,
                warning="Value targets lay outside the support, where the critic cannot follow them",
            ),
            Watched("critic/explained_variance", "explained variance"),
            Watched("critic/gradient_norm", "critic gradient norm", logarithmic=True),
        )

    def update(
        self, state: ReppoState, trajectory: Trajectory, key: Key[Array, ""]
    ) -> tuple[ReppoState, dict[str, Summary]]:
        """Targets once, with the networks that collected the rollout; then minibatches; then the statistics."""
        data, metrics = self._prepare(state, trajectory, subkey(key, "targets"))
        learner, update_metrics = self.schedule.run(
            state.learner, data, self._critic_step, self._actor_step, subkey(key, "schedule")
        )
        new_state = ReppoState(
            learner=learner,
            actor_statistics=self.normalizer.update(state.actor_statistics, trajectory.observation.actor),
            critic_statistics=(
                None
                if trajectory.observation.critic is None
                else self.normalizer.update(state.critic_statistics, trajectory.observation.critic)
            ),
        )
        return new_state, metrics | update_metrics

    def _prepare(
        self, state: ReppoState, trajectory: Trajectory, key: Key[Array, ""]
    ) -> tuple[Minibatch, dict[str, Summary]]:
        """The rollout as rows, with normalized observations, targets and next embeddings."""
        learner = state.learner
        temperature = self.temperature.value(learner.temperature)
        reward = self.reward_scale * trajectory.reward
        time, environments = reward.shape
        observation, following = self._normalize(state, trajectory)
        ended = trajectory.terminated | trajectory.truncated

        def next_value(observation: Observation, taken: Taken, continues: Bool[Array, ""], key: Key[Array, ""]) -> Any:
            def evaluate(action: Float[Array, " action"]) -> tuple[Float[Array, ""], Float[Array, " embedding"]]:
                output = learner.critic(observation.for_critic, action)  # pyright: ignore[reportCallIssue]
                return self.value.decode(output.logits), output.embedding

            distribution = self._distribution(learner.actor, observation.actor)
            return self.next_value(distribution, evaluate, taken, continues, key)

        keys = jax.random.split(key, (time, environments))
        taken = jax.tree.map(lambda x: jnp.roll(x, -1, axis=0), Taken(trajectory.action, trajectory.extras.drawn))
        continues = (~ended).at[-1].set(False)
        estimate = jax.vmap(jax.vmap(next_value))(following, taken, continues, keys)
        bonus = jax.vmap(jax.vmap(lambda log_prob, terminated: self.entropy_bonus(temperature, log_prob, terminated)))(
            estimate.log_prob, trajectory.terminated
        )
        cuts = jax.vmap(self.truncation, in_axes=1, out_axes=1)(trajectory.terminated, trajectory.truncated)
        targets = jax.vmap(self.targets, in_axes=(1, 1, 1, 1, None), out_axes=1)(
            reward + self.gamma * bonus, estimate.value, cuts.terminated, cuts.truncated, self.gamma
        )
        data = Minibatch(
            actor=ActorBatch(
                actor_observation=_rows(observation.actor),
                critic_observation=_rows(observation.for_critic),
                action=_rows(trajectory.action),
                old_loc=_rows(trajectory.extras.loc),
                old_scale=_rows(trajectory.extras.scale),
                target=_rows(targets),
                drawn=_rows(trajectory.extras.drawn),
            ),
            next_embedding=_rows(estimate.embedding),
            reward=_rows(reward),
            terminated=_rows(trajectory.terminated),
            truncated=_rows(trajectory.truncated),
            counts=_rows(cuts.counts),
        )
        metrics = {
            "targets/value": Summary.of(data.actor.target, where=data.counts),
            "targets/outside_support": Summary.of(self.value.outside(data.actor.target), where=data.counts),
            "observations/far": Summary.of(self.normalizer.far(state.actor_statistics, trajectory.observation.actor)),
        }
        return data, metrics

    def _critic_step(
        self, learner: Learner, batch: Minibatch, key: Key[Array, ""]
    ) -> tuple[Learner, dict[str, Summary]]:
        """One gradient step of the critic towards the targets."""
        target = batch.actor.target

        def loss(critic: Any) -> tuple[Float[Array, ""], tuple[Array, Array, Array]]:
            def per_row(row: Minibatch) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
                output = critic(row.actor.critic_observation, row.actor.action)
                value_loss = self.value.loss(output.logits, row.actor.target)
                auxiliary_loss = self.auxiliary.loss(
                    output.prediction, row.next_embedding, row.reward, row.terminated, row.truncated
                )
                return value_loss, auxiliary_loss, self.value.decode(output.logits)

            value_loss, auxiliary_loss, q = jax.vmap(per_row)(batch)
            return jnp.mean(jnp.where(batch.counts, value_loss + auxiliary_loss, 0.0)), (value_loss, auxiliary_loss, q)

        gradient, (value_loss, auxiliary_loss, q) = eqx.filter_grad(loss, has_aux=True)(learner.critic)
        critic, optimizer = _apply(
            self.critic_optimizer.transform(), gradient, learner.critic_optimizer, learner.critic
        )
        metrics = {
            "critic/loss": Summary.of(value_loss.mean()),
            "critic/auxiliary_loss": Summary.of(auxiliary_loss.mean()),
            "critic/q": Summary.of(q.mean()),
            "critic/explained_variance": Summary.of(1 - jnp.var(target - q) / (jnp.var(target) + 1e-8)),
            "critic/gradient_norm": Summary.of(optax.tree.norm(gradient)),
        }
        return dataclasses.replace(learner, critic=critic, critic_optimizer=optimizer), metrics

    def _actor_step(
        self, learner: Learner, batch: Minibatch, key: Key[Array, ""]
    ) -> tuple[Learner, dict[str, Summary]]:
        """One gradient step of the actor, and one of the multipliers by what the actor's loss saw."""
        temperature = self.temperature.value(learner.temperature)
        kl_multiplier = self.kl_multiplier.value(learner.kl_multiplier)

        def q(observation: PyTree[Array], action: Float[Array, " action"]) -> Float[Array, ""]:
            return self.value.decode(learner.critic(observation, action).logits)  # pyright: ignore[reportCallIssue]

        def loss(actor: Any) -> tuple[Float[Array, ""], dict[str, Float[Array, " rows"]]]:
            policy = lambda observation: self._distribution(actor, observation)
            return self.actor_loss(policy, q, batch.actor, temperature, kl_multiplier, key)

        (value, seen), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(learner.actor)
        entropy, kl = seen["entropy"].mean(), seen["kl"].mean()
        entropy_slack = entropy - self.entropy_target * batch.actor.action.shape[-1]
        kl_slack = self.actor_loss.kl_bound - kl

        def multiplier_loss(parameters: Any) -> Float[Array, ""]:
            return self.temperature.loss(parameters[0], entropy_slack) + self.kl_multiplier.loss(
                parameters[1], kl_slack
            )

        multipliers = (learner.temperature, learner.kl_multiplier)
        (actor, multipliers), optimizer = _apply(
            self._actor_transform(),
            (gradient, jax.grad(multiplier_loss)(multipliers)),
            learner.actor_optimizer,
            (learner.actor, multipliers),
        )
        metrics = {
            "actor/loss": Summary.of(value),
            "actor/entropy": Summary.of(entropy),
            "actor/kl": Summary.of(kl),
            "actor/behind_gate": Summary.of(seen["behind_gate"].mean()),
            "actor/gradient_norm": Summary.of(optax.tree.norm(gradient)),
            "actor/temperature": Summary.of(jnp.asarray(temperature)),
            "actor/kl_multiplier": Summary.of(jnp.asarray(kl_multiplier)),
        }
        learner = dataclasses.replace(
            learner,
            actor=actor,
            actor_optimizer=optimizer,
            temperature=multipliers[0],
            kl_multiplier=multipliers[1],
        )
        return learner, metrics

    def _actor_transform(self) -> optax.GradientTransformation:
        """What moves the pair of the actor's parameters and the multipliers."""
        return self.multiplier_optimizer.beside(self.actor_optimizer.transform())

    def _distribution(self, actor: Any, observation: PyTree[Array]) -> TanhNormal:
        """The policy at one normalized observation."""
        return self.head(actor(observation))

    def _normalize(self, state: ReppoState, trajectory: Trajectory) -> tuple[Observation, Observation]:
        """Observations and true next observations of a rollout, normalized, leaves `[time, environment, ...]`."""
        now, following = trajectory.observation, trajectory.final_observation
        actor = self.normalizer.rollout(state.actor_statistics, now.actor, following.actor)
        if now.critic is None:
            return Observation(actor[0]), Observation(actor[1])
        critic = self.normalizer.rollout(state.critic_statistics, now.critic, following.critic)
        return Observation(actor[0], critic[0]), Observation(actor[1], critic[1])

    def validate(self) -> None:
        require(self.num_environments >= 1, f"num_environments is {self.num_environments}; give at least 1.")
        require(self.rollout_length >= 1, f"rollout_length is {self.rollout_length}; give at least 1.")
        require(0 <= self.gamma <= 1, f"gamma is {self.gamma!s}; give one in [0, 1].")
        require(self.reward_scale > 0, f"reward_scale is {self.reward_scale!s}; give a positive one.")
        require(0 < self.max_action <= 1, f"max_action is {self.max_action!s}; give one in (0, 1].")
        rows, minibatches = self.steps_per_iteration, self.schedule.num_minibatches
        require(
            rows % minibatches == 0,
            f"A rollout has {self.num_environments} x {self.rollout_length} = {rows} rows, which {minibatches} "
            "minibatches do not divide. Choose a number of minibatches that does.",
        )
        bounded = bool(np.isfinite(self.actor_loss.kl_bound))
        require(
            bounded or isinstance(self.kl_multiplier, FixedMultiplier),
            "The KL multiplier is learned, but the actor's objective has no bound for it to aim at. "
            "Set algorithm.kl_multiplier=FixedMultiplier(0).",
        )


def _parameters(module: Any) -> Any:
    """The trainable part of a network."""
    return eqx.filter(module, eqx.is_inexact_array)


def _apply(transform: optax.GradientTransformation, gradient: Any, state: Any, module: Any) -> tuple[Any, Any]:
    """One optimizer step: the new module and optimizer state."""
    updates, state = transform.update(gradient, state, _parameters(module))
    return eqx.apply_updates(module, updates), state


def _rows(tree: PyTree[Array]) -> PyTree[Array]:
    """`[time, environment, ...]` to `[rows, ...]`."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)
