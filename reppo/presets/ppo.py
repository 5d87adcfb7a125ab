"""Presets of PPO."""

from typing import Any

from reppo.algorithms import Ppo
from reppo.distributions import AbstractHead, CategoricalHead, FreeScale, NormalHead, SoftplusScale, TanhNormalHead
from reppo.environments import AbstractEnvironmentSpec
from reppo.losses import ClippedRatio, FixedMultiplier, SurrogateLoss
from reppo.networks import Actor, Critic, NoNorm, Orthogonal, Tanh
from reppo.optimization import Adam, Epochs, NoClip
from reppo.presets.fitting import fitting_normalizer, fitting_trunk, unit_reward_scale
from reppo.spec import Evaluation, Spec


def ppo(environment: AbstractEnvironmentSpec) -> Spec:
    """The settings that MuJoCo Playground publishes for PPO on the control suite: 2048 environments. Made for GPUs.

    They are those of `brax_ppo_config` in `mujoco_playground/config/dm_control_suite_params.py` (Playground 0.2.0), and
    where it is silent the defaults of the trainer that reads it, Brax 0.14: four hidden layers of 32 units for the
    policy, five of 256 for the value, swish; a squashed normal with a softplus for its scale; clip 0.3, no clip of
    gradients. Rewards with a range of 1 are multiplied by 10, as there; those of other tasks are brought to that range.

    What is not reproduced: some tasks have a discount factor of their own there (0.95); advantages are estimated anew
    for each minibatch, over stretches of 30 steps, where this one makes them once over all 480; the statistics of
    observations see a rollout before the policy learns from it; initial weights are uniform, of the same variance.

    References: Zakka et al. 2025, MuJoCo Playground, arXiv 2502.08844; Freeman et al. 2021, Brax, arXiv 2106.13281.
    """
    gamma, trunk = 0.995, fitting_trunk(environment)
    return Spec(
        environment=environment,
        algorithm=Ppo(
            num_environments=2048,
            rollout_length=480,
            gamma=gamma,
            reward_scale=10 * unit_reward_scale(environment, gamma),
            normalizer=fitting_normalizer(environment, epsilon=1e-8),
            actor=Actor(width=32, depth=4, norm=NoNorm(), trunk=trunk),
            head=_head(environment, TanhNormalHead(max_action=1.0, scale=SoftplusScale(0.001))),
            critic=Critic(width=256, encoder_depth=4, head_depth=0, norm=NoNorm(), trunk=trunk),
            actor_loss=SurrogateLoss(surrogate=ClippedRatio(0.3)),
            temperature=FixedMultiplier(0.01),
            batches=Epochs(epochs=16, num_minibatches=32),
            actor_optimizer=Adam(learning_rate=1e-3, clip=NoClip()),
            critic_optimizer=Adam(learning_rate=1e-3, clip=NoClip()),
        ),
        evaluation=Evaluation(interval=2_621_440, episodes=64),
    )


def ppo_small(environment: AbstractEnvironmentSpec) -> Spec:
    """PPO for two CPU cores: as many environments, steps, updates and units as `reppo_small` has.

    The networks are those that are usual for PPO: tanh, orthogonal initial weights, no normalization layers; the policy
    is a normal with a scale that is the same in every state. Discrete actions have a categorical policy, images a
    convolution before both networks and no normalization.

    Reference: Huang et al. 2022 (iclr-blog-track.github.io/2022/03/25/ppo-implementation-details).
    """
    network: dict[str, Any] = {
        "width": 128,
        "norm": NoNorm(),
        "activation": Tanh(),
        "trunk": fitting_trunk(environment),
    }
    return Spec(
        environment=environment,
        algorithm=Ppo(
            num_environments=64,
            rollout_length=32,
            reward_scale=unit_reward_scale(environment),
            normalizer=fitting_normalizer(environment),
            actor=Actor(**network, initializer=Orthogonal(last_gain=0.01)),
            head=_head(environment, NormalHead(scale=FreeScale(1.0))),
            critic=Critic(**network, head_depth=0, initializer=Orthogonal()),
            batches=Epochs(epochs=4, num_minibatches=8),
            actor_optimizer=Adam(learning_rate=1e-3),
            critic_optimizer=Adam(learning_rate=1e-3),
        ),
        evaluation=Evaluation(interval=12_500, episodes=16),
    )


def _head(environment: AbstractEnvironmentSpec, continuous: AbstractHead) -> AbstractHead:
    return CategoricalHead() if environment.discrete else continuous
