"""TD3 (Fujimoto et al. 2018, arXiv 1802.09477) as FastTD3 has it (Seo et al. 2025, arXiv 2505.22642)."""

import dataclasses
from typing import Any, cast, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from reppo.algorithms.contract import AlgorithmState
from reppo.algorithms.learning import CRITIC_WATCHED, Learner
from reppo.algorithms.off_policy import AbstractOffPolicy, OffPolicyLearner
from reppo.component import Scalar, hyper, slot, static
from reppo.distributions import Action
from reppo.environments import Box, Interface, Observation
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses import (
    AbstractBackup,
    AbstractPessimism,
    AbstractSmoothness,
    AbstractValue,
    BackedUp,
    DistributionBackup,
    LeastValue,
    Minibatch,
    NoSmoothness,
    TwoHot,
)
from reppo.networks import ROWS, AbstractActorBuilder, AbstractCriticBuilder, Actor, Critic, NoNorm, Relu, learning
from reppo.normalization import AbstractNormalizer, RunningMeanVariance, normalize_batch
from reppo.optimization import (
    AbstractOptimizer,
    AbstractTargetNetwork,
    AdamW,
    NoClip,
    Polyak,
    gradient_norm,
    optimizer_step,
    trainable,
)
from reppo.replay import AbstractReplay, Transitions, UniformReplay
from reppo.rollout import AbstractPolicy
from reppo.summary import Summary
from reppo.watched import Watched


@final
class DeterministicPolicy(AbstractPolicy):
    """A policy of one action in each state.

    Attributes:
        actor: the actor network; the tanh of its outputs is the action.
        statistics: statistics of the actor's observations.
        normalizer: how they are applied.
    """

    actor: eqx.Module
    statistics: PyTree
    normalizer: AbstractNormalizer

    def __call__(
        self, memory: Any, observation: Observation, key: Key[Array, ""], deterministic: bool
    ) -> tuple[Action, Any, tuple[()]]:
        return preferred(self.actor, self.normalizer(self.statistics, observation.actor)), memory, ()


@final
class NoisyPolicy(AbstractPolicy):
    """A deterministic policy, and noise on its actions while it collects, whose strength is drawn for each episode.

    Attributes:
        actor: the actor network; the tanh of its outputs is the action.
        statistics: statistics of the actor's observations.
        normalizer: how they are applied.
        least_noise: least standard deviation of the noise.
        most_noise: greatest.
    """

    actor: eqx.Module
    statistics: PyTree
    normalizer: AbstractNormalizer
    least_noise: Scalar | Float[Array, ""]
    most_noise: Scalar | Float[Array, ""]

    def __call__(
        self, memory: Any, observation: Observation, key: Key[Array, ""], deterministic: bool
    ) -> tuple[Action, Any, tuple[()]]:
        action, _, _ = self.exploiting()((), observation, key, True)
        if deterministic:
            return action, memory, ()
        noise = memory * jax.random.normal(key, action.shape)
        return jnp.clip(action + noise, -1.0, 1.0), memory, ()

    def start(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """The standard deviation of the noise in an episode, drawn uniformly."""
        return jax.random.uniform(key, (), minval=self.least_noise, maxval=self.most_noise)

    def exploiting(self) -> DeterministicPolicy:
        return DeterministicPolicy(self.actor, self.statistics, self.normalizer)

    def observe(self, observation: Observation) -> "NoisyPolicy":
        return dataclasses.replace(self, statistics=self.normalizer.observe(self.statistics, observation.actor))


def preferred(actor: Any, observation: PyTree[Array]) -> Action:
    """The unit action of a deterministic policy.

    Args:
        actor: the actor network.
        observation: one normalized observation.
    """
    return jnp.tanh(actor(observation))


@final
class Td3(AbstractOffPolicy):
    """TD3 from parallel environments: Q-learning off-policy, from a replay buffer, with deterministic policy gradients.

    One iteration: keep the rollout; then, for minibatches drawn from all that is kept, a step of the critics towards
    what follows the policy's action at the next state, with a little noise on it, now and then a step of the actor
    along the gradient of the critics, and one of the target network. Fujimoto et al. 2018, arXiv 1802.09477; parallel
    environments, each with a noise of its own, and critics of distributions: Seo et al. 2025, arXiv 2505.22642, from
    which it also has that targets are made with the policy as it is, without a target policy.

    Slots that `Sac` has too take the same components. Two differences from other implementations: until learning
    begins, the untrained policy acts with its noise; and what lies outside of the bounds is clipped to them before it
    is kept.

    Attributes:
        num_environments: environments that run in parallel, at least 1.
        rollout_length: steps that each takes between two updates, at least 1.
        gamma: discount factor, in [0, 1].
        reward_scale: factor on rewards in everything that is learned, positive; reported returns are unscaled.
        normalizer: normalization of observations, by the statistics at the time of learning.
        actor: builder of the actor network; the tanh of its outputs is the action.
        least_noise: least standard deviation of the noise on actions that are collected, at least 0, where actions are
            in [-1, 1]. Each episode has one of its own, drawn uniformly.
        most_noise: greatest, at least `least_noise`.
        target_noise: standard deviation of the noise on the actions of targets, at least 0.
        target_noise_clip: the most that this noise is, at least 0.
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
        actor_optimizer: optimizer of the actor.
        critic_optimizer: optimizer of the critics.
    """

    num_environments: int = static(1024)
    rollout_length: int = static(8)
    gamma: Scalar = hyper(0.99)
    reward_scale: Scalar = hyper(1.0)
    normalizer: AbstractNormalizer = RunningMeanVariance()
    actor: AbstractActorBuilder = Actor(width=512, depth=3, norm=NoNorm(), activation=Relu())
    least_noise: Scalar = hyper(0.001)
    most_noise: Scalar = hyper(0.4)
    target_noise: Scalar = hyper(0.001)
    target_noise_clip: Scalar = hyper(0.5)
    critic: AbstractCriticBuilder = Critic(width=1024, encoder_depth=2, head_depth=0, norm=NoNorm(), activation=Relu())
    num_critics: int = static(2)
    pessimism: AbstractPessimism = LeastValue()
    value: AbstractValue = TwoHot(num_bins=101)
    backup: AbstractBackup = slot(DistributionBackup())
    smoothness: AbstractSmoothness = slot(NoSmoothness(), added=True)
    target_network: AbstractTargetNetwork = Polyak(0.1)
    replay: AbstractReplay = UniformReplay()
    saves_replay: bool = static(True)
    learning_starts: int = static(10_240)
    updates: int = static(16)
    batch_size: int = static(32_768)
    return_steps: int = static(1)
    actor_interval: int = static(2)
    actor_optimizer: AbstractOptimizer = AdamW(weight_decay=0.1, clip=NoClip())
    critic_optimizer: AbstractOptimizer = AdamW(weight_decay=0.1, clip=NoClip())

    def init(self, key: Key[Array, ""], interface: Interface) -> AlgorithmState:
        """Networks, optimizers and an empty buffer."""
        require(isinstance(interface.action, Box), _FOR_BOXES.format(interface.action))
        actor = self.actor.build(subkey(key, "actor"), interface.observation.actor, interface.action.size)
        critics = self._build_critics(key, interface)
        trained = Learner(
            actor=actor,
            critic=critics,
            temperature=None,
            kl_multiplier=None,
            actor_optimizer=self.actor_optimizer.transform().init(trainable(actor)),
            critic_optimizer=self.critic_optimizer.transform().init(trainable(critics)),
        )
        return self._start(trained, interface)

    def policy(self, state: AlgorithmState) -> NoisyPolicy:
        """The policy of the current actor, with its observation statistics and its noise."""
        actor, statistics = state.learner.trained.actor, state.statistics.actor
        return NoisyPolicy(actor, statistics, self.normalizer, self.least_noise, self.most_noise)

    def causes(self) -> tuple[str, ...]:
        """Targets, critics, actor."""
        critic = ("q", "loss", "gradient_norm", "explained_variance")
        actor = ("saturated", "loss", "gradient_norm")
        return ("targets/value", *(f"critic/{name}" for name in critic), *(f"actor/{name}" for name in actor))

    def watched(self) -> tuple[Watched, ...]:
        """Whether the policy can still move, then what the critics can follow, and how well they do."""
        return (
            Watched("actor/saturated", "share of actions at a bound"),
            *CRITIC_WATCHED,
            Watched("replay/steps", "steps in the buffer"),
        )

    def step(
        self,
        learner: OffPolicyLearner,
        statistics: Observation,
        drawn: Transitions,
        collected_by: AbstractPolicy,
        number: Int[Array, ""],
        key: Key[Array, ""],
    ) -> tuple[OffPolicyLearner, dict[str, Summary]]:
        """A step of the critics, of the target network and, at intervals, of the actor."""
        batch, metrics = self.prepare(learner, statistics, drawn, subkey(key, "targets"))
        trained, critic_metrics = self._critic_step(learner.trained, batch, subkey(key, "critic"))
        target = self.target_network.follow(learner.target, trained.critic)
        trained, actor_metrics = self._at_intervals(lambda it: self._improve(it, batch), trained, number)
        return OffPolicyLearner(trained, target), metrics | critic_metrics | actor_metrics

    def prepare(
        self, learner: OffPolicyLearner, statistics: Observation, drawn: Transitions, key: Key[Array, ""]
    ) -> tuple[Minibatch, dict[str, Summary]]:
        """The transitions with normalized observations and targets; arguments as for `step`."""
        following = normalize_batch(self.normalizer, statistics, drawn.next_observation)
        noise = self.target_noise * jax.random.normal(key, drawn.action.shape)
        noise = jnp.clip(noise, -self.target_noise_clip, self.target_noise_clip)
        q = self._q(learner.target)

        def target(following: Observation, noise: Any, reward: Any, discount: Any) -> BackedUp:
            action = jnp.clip(preferred(learner.trained.actor, following.actor) + noise, -1.0, 1.0)
            return self.backup.target(q, following.for_critic, action, 0.0, reward, discount)

        targets = jax.vmap(target)(following, noise, self.reward_scale * drawn.reward, drawn.discount)
        return self._minibatch(statistics, drawn, targets)

    def _improve(self, learner: Learner, batch: Minibatch) -> tuple[Learner, dict[str, Summary]]:
        """A step of the actor along the gradient of the critics at its own actions."""
        q = self._q(learner.critic)

        def loss(actor: Any) -> tuple[Float[Array, ""], Float[Array, "rows action"]]:
            actor = learning(actor)
            actions = jax.vmap(lambda seen: preferred(actor, seen), axis_name=ROWS)(batch.observation.actor)
            return -jnp.mean(jax.vmap(q)(batch.observation.for_critic, actions)), actions

        (value, actions), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(cast(Any, learner.actor))
        actor, optimizer = optimizer_step(
            self.actor_optimizer.transform(), gradient, learner.actor_optimizer, learner.actor
        )
        metrics = {
            "actor/loss": Summary.of(value),
            "actor/saturated": Summary.of(jnp.mean(jnp.abs(actions) > 0.99, dtype=jnp.float32)),
            "actor/gradient_norm": Summary.of(gradient_norm(gradient)),
        }
        return dataclasses.replace(learner, actor=actor, actor_optimizer=optimizer), metrics

    def validate(self) -> None:
        self._require_off_policy()
        require(self.least_noise >= 0, f"least_noise is {self.least_noise!s}; give at least 0.")
        require(
            self.most_noise >= self.least_noise,
            f"most_noise is {self.most_noise!s}; give at least least_noise, which is {self.least_noise!s}.",
        )
        for name in ("target_noise", "target_noise_clip"):
            require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)!s}; give at least 0.")

    def fits(self, spec: Any) -> None:
        require(spec.environment.discrete is not True, _FOR_BOXES.format(f"a discrete set, in {spec.environment.name}"))


_FOR_BOXES = (
    "Td3 follows the gradient of Q in the action, and is for actions in a box; those here are {}. Choose Sac, whose "
    "targets and policy are exact for a set of actions, as presets.sac_small chooses by the task."
)
