"""Soft Actor-Critic (Haarnoja et al. 2018, arXiv 1801.01290 and 1812.05905)."""

from typing import Any, cast, final

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from reppo.algorithms.acting import ActorPolicy, build_actor
from reppo.algorithms.contract import AlgorithmState
from reppo.algorithms.learning import CRITIC_WATCHED, ActorParts, require_bound, require_comparable
from reppo.algorithms.off_policy import AbstractOffPolicy, OffPolicyLearner
from reppo.algorithms.preference import AbstractPreference, GreedyPolicy, OwnMode
from reppo.component import Scalar, hyper, slot, static
from reppo.distributions import AbstractHead, TanhNormalHead
from reppo.environments import Interface, Observation
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses import (
    AbstractActorLoss,
    AbstractBackup,
    AbstractMultiplier,
    AbstractPessimism,
    AbstractSmoothness,
    AbstractValue,
    BackedUp,
    FixedMultiplier,
    LearnedMultiplier,
    LeastValue,
    MeanBackup,
    Minibatch,
    NoSmoothness,
    PathwiseLoss,
    ScalarValue,
    Unconstrained,
)
from reppo.networks import AbstractActorBuilder, AbstractCriticBuilder, Actor, Critic, NoNorm, Relu
from reppo.normalization import (
    AbstractNormalizer,
    RunningMeanVariance,
    normalize_batch,
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
from reppo.summary import Summary
from reppo.watched import Watched


@final
class Sac(AbstractOffPolicy):
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
        actor_loss: loss of the actor. Its old policy is the one that collected the newest rollout.
        preference: which action is taken in evaluation.
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
    backup: AbstractBackup = slot(MeanBackup(), added=True)
    smoothness: AbstractSmoothness = slot(NoSmoothness(), added=True)
    preference: AbstractPreference = slot(OwnMode(), added=True)
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

    def init(self, key: Key[Array, ""], interface: Interface) -> AlgorithmState:
        """Networks, multipliers, optimizers and an empty buffer."""
        self.preference.check(interface)
        actor = build_actor(self.actor, self.head, subkey(key, "actor"), interface)
        critics = self._build_critics(key, interface)
        trained = self._actor_parts().init(actor, critics, self.critic_optimizer.transform())
        return self._start(trained, interface)

    def policy(self, state: AlgorithmState) -> ActorPolicy | GreedyPolicy:
        """The policy of the current actor, with its observation statistics."""
        trained = state.learner.trained
        policy = ActorPolicy(trained.actor, state.statistics.actor, self.normalizer, self.head)
        return self.preference.of(policy, self._q(trained.critic))

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

    def step(
        self,
        learner: OffPolicyLearner,
        statistics: Observation,
        drawn: Transitions,
        collected_by: ActorPolicy | GreedyPolicy,
        number: Int[Array, ""],
        key: Key[Array, ""],
    ) -> tuple[OffPolicyLearner, dict[str, Summary]]:
        """A step of the critics, of the target network, of the actor and the temperature."""
        batch, metrics = self.prepare(learner, statistics, drawn, collected_by, subkey(key, "targets"))
        trained, critic_metrics = self._critic_step(learner.trained, batch, subkey(key, "critic"))
        target = self.target_network.follow(learner.target, trained.critic)
        improve = lambda trained: self._actor_parts().step(
            trained, self._q(trained.critic), batch, subkey(key, "actor")
        )
        trained, actor_metrics = self._at_intervals(improve, trained, number)
        return OffPolicyLearner(trained, target), metrics | critic_metrics | actor_metrics

    def prepare(
        self,
        learner: OffPolicyLearner,
        statistics: Observation,
        drawn: Transitions,
        collected_by: ActorPolicy | GreedyPolicy,
        key: Key[Array, ""],
    ) -> tuple[Minibatch, dict[str, Summary]]:
        """The transitions with normalized observations and targets; arguments as for `step`."""
        following = normalize_batch(self.normalizer, statistics, drawn.next_observation)
        temperature = self.temperature.value(learner.trained.temperature)
        q, actor = self._q(learner.target), cast(Any, learner.trained.actor)

        def target(following: Observation, reward: Any, discount: Any, key: Key[Array, ""]) -> BackedUp:
            soft = lambda action, log_prob: self.backup.target(
                q, following.for_critic, action, -temperature * log_prob, reward, discount
            )
            return self.head(actor(following.actor)).expect(soft, key)

        keys = jax.random.split(key, self.batch_size)
        targets = jax.vmap(target)(following, self.reward_scale * drawn.reward, drawn.discount, keys)
        return self._minibatch(statistics, drawn, targets, jax.vmap(collected_by.distribution)(drawn.observation))

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
        require_bound(self)
        if np.isfinite(self.actor_loss.kl_bound):
            require_comparable(self)
        self._require_off_policy()
