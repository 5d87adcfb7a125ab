"""Presets of REPPO."""

from typing import Any

from reppo.algorithms import Reppo
from reppo.distributions import CategoricalHead, TanhNormalHead
from reppo.environments import AbstractEnvironmentSpec
from reppo.losses import (
    ExpectedLoss,
    FixedSupport,
    HLGauss,
    LearnedMultiplier,
    MismatchedKL,
    PathwiseLoss,
    SelfPrediction,
    SupportFromRewards,
)
from reppo.networks import (
    ActivatedEmbedding,
    Actor,
    Critic,
    LayerNorm,
    ZeroOffset,
)
from reppo.normalization import PerStepStatistics, RunningMeanVariance
from reppo.optimization import Adam, Epochs, NoClip, WithActor
from reppo.presets.fitting import (
    fitting_normalizer,
    fitting_place,
    fitting_support,
    fitting_trunk,
    unit_reward_scale,
)
from reppo.spec import Evaluation, Spec
from reppo.targets import BonusAlways, ExpectedAction, FreshValueClippedBonus, MaskedFlag, ShiftedFlag


def fitting_parts(environment: AbstractEnvironmentSpec, width: int) -> dict[str, Any]:
    """The slots of `Reppo` that follow from what a task's actions and observations are, others than its defaults.

    Where actions are a discrete set: a categorical policy, whose expectations over actions are exact, in the actor's
    loss as in the next state's value, and a critic that values all actions at once. The temperature aims for half of
    the entropy of the uniform policy. So have it, but for the next state's value, later versions of the reference
    implementation (github.com/cvoelcker/reppo). Where an image is observed, a convolution stands before both networks,
    and pixels are not normalized.

    Args:
        environment: the task.
        width: units of the hidden layers of both networks.
    """
    trunk = fitting_trunk(environment)
    parts: dict[str, Any] = {
        "normalizer": fitting_normalizer(environment),
        "actor": Actor(width, trunk=trunk),
        "critic": Critic(width, trunk=trunk, action=fitting_place(environment)),
    }
    if environment.discrete:
        parts["head"] = CategoricalHead(entropy_target=0.5)
        parts["actor_loss"] = ExpectedLoss()
        parts["next_value"] = ExpectedAction()
    return parts


def reppo(environment: AbstractEnvironmentSpec) -> Spec:
    """The published settings for the control suite ("large"): 1024 environments, 512-unit networks.

    Where published implementations disagree it takes what theory says; the page "REPPO" of the documentation lists
    each choice. Made for GPUs. Discrete actions and images change what they have to: the page "Discrete actions".

    Reference: arXiv 2507.11019, appendix on hyperparameters.
    """
    return Spec(
        environment=environment,
        algorithm=Reppo(
            reward_scale=unit_reward_scale(environment),
            value=HLGauss(support=fitting_support(environment)),
            **fitting_parts(environment, width=512),
        ),
        evaluation=Evaluation(interval=2_621_440, episodes=64),
    )


def reppo_humanoid(environment: AbstractEnvironmentSpec) -> Spec:
    """The published settings for the G1 and T1 humanoids: a wider critic, discount 0.97, support -10..10.

    As `reppo` apart from that. The published runs had no random pushes, which is a setting of the task:
    `environments.playground("G1JoystickFlatTerrain", config={"push_config": {"enable": False}})`. The actor sees the
    robot's own observation, the critic the privileged one, as the environment gives them.

    Reference: arXiv 2507.11019, appendix on hyperparameters.
    """
    return Spec(
        environment=environment,
        algorithm=Reppo(
            gamma=0.97,
            critic=Critic(width=1024),
            value=HLGauss(support=FixedSupport(-10.0, 10.0)),
            batches=Epochs(epochs=8, num_minibatches=16),
        ),
        evaluation=Evaluation(interval=2_621_440, episodes=64),
    )


def reppo_reference(environment: AbstractEnvironmentSpec) -> Spec:
    """The official JAX implementation, `src/jaxrl/reppo.py` of github.com/cvoelcker/reppo at commit a7ab85b.

    That commit holds a second one with other settings, which is `reppo_single_file`.

    Each difference from `reppo` is an ablation of the catalog: policy/floor, kl/mismatched,
    entropy/bonus_at_termination, optimizer/shared_multipliers, critic/zero_offset, targets/shifted_truncation and
    observations/per_step, which applied to `reppo` give this preset.

    What is not reproduced: random keys shared between the policy's sample, the samples of the KL and all minibatches
    of an epoch; restarts from one stored state an environment; rewards that are not scaled on tasks whose range is not
    1 long; the entropy bonus of the first state of the next episode where one terminated (here, of its last state).
    """
    return Spec(
        environment=environment,
        algorithm=Reppo(
            reward_scale=unit_reward_scale(environment),
            normalizer=PerStepStatistics(RunningMeanVariance(epsilon=1e-2)),
            head=TanhNormalHead(floor=0.1),
            value=HLGauss(support=SupportFromRewards()),
            critic_offset=ZeroOffset(40.0),
            entropy_bonus=BonusAlways(),
            truncation=ShiftedFlag(),
            actor_loss=PathwiseLoss(kl=MismatchedKL(16)),
            multiplier_optimizer=WithActor(),
        ),
        evaluation=Evaluation(interval=2_621_440, episodes=64),
    )


def reppo_single_file(environment: AbstractEnvironmentSpec) -> Spec:
    """The official single-file implementation, `src/reppo_mj_playground.py` of github.com/cvoelcker/reppo at a7ab85b.

    1024 environments x 32 steps, 32 minibatches, 4 epochs, and other choices than `reppo_reference` in the networks,
    the KL estimate, the value of the next state and the statistics. Each difference from `reppo` is an ablation of the
    catalog, listed on the page "REPPO" of the documentation; applied to `reppo` they give this preset.

    What is not reproduced: random keys shared within an epoch; restarts from one stored state an environment; rewards
    that are not scaled on tasks whose range is not 1 long; after a termination, the log-density of the first action of
    the next episode (here, of fresh actions); gradients that are not finite, which there are set to 0 or +-1.
    """
    return Spec(
        environment=environment,
        algorithm=Reppo(
            rollout_length=32,
            reward_scale=unit_reward_scale(environment),
            normalizer=RunningMeanVariance(epsilon=1e-8),
            actor=Actor(depth=3, norm=LayerNorm()),
            head=TanhNormalHead(floor=1e-6),
            critic=Critic(encoder_depth=2, norm=LayerNorm(), embedding=ActivatedEmbedding()),
            critic_offset=ZeroOffset(40.0),
            value=HLGauss(support=SupportFromRewards()),
            auxiliary=SelfPrediction(weight=0.0),
            next_value=FreshValueClippedBonus(64),
            entropy_bonus=BonusAlways(),
            truncation=MaskedFlag(),
            actor_loss=PathwiseLoss(kl=MismatchedKL(4)),
            temperature=LearnedMultiplier(0.001),
            batches=Epochs(epochs=4, num_minibatches=32),
            multiplier_optimizer=WithActor(),
        ),
        evaluation=Evaluation(interval=2_621_440, episodes=64),
    )


def reppo_small(environment: AbstractEnvironmentSpec) -> Spec:
    """REPPO for two CPU cores: 64 environments, 128-unit networks, rollouts of 32 steps.

    Minibatches have 256 rows instead of 2048, so that the same data give four times as many updates as in the
    reference's settings at less cost; narrow networks bear higher learning rates, the critic's twice the actor's. The
    critic has 51 bins and starts at the value 0 instead of the middle of its support, as later versions of the
    reference implementation do: the short runs of a CPU would otherwise spend much of their budget unlearning that
    start.

    Discrete actions and images change what they have to: the page "Discrete actions" of the documentation. Logits bear
    no more than the published learning rate, and a KL multiplier that begins at 1: else policies leave the bound faster
    than the multiplier learns to hold them.
    """
    return Spec(
        environment=environment,
        algorithm=Reppo(
            num_environments=64,
            rollout_length=32,
            reward_scale=unit_reward_scale(environment),
            value=HLGauss(support=fitting_support(environment), num_bins=51),
            critic_offset=ZeroOffset(),
            batches=Epochs(epochs=4, num_minibatches=8),
            kl_multiplier=LearnedMultiplier(1.0 if environment.discrete else 0.01),
            actor_optimizer=Adam(learning_rate=3e-4 if environment.discrete else 1e-3),
            critic_optimizer=Adam(learning_rate=2e-3),
            multiplier_optimizer=Adam(learning_rate=1e-3, clip=NoClip()),
            **fitting_parts(environment, width=128),
        ),
        evaluation=Evaluation(interval=12_500, episodes=16),
    )
