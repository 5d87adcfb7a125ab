"""Presets of SAC."""

from typing import Any

from reppo.algorithms import Sac
from reppo.distributions import AbstractHead, CategoricalHead, TanhNormalHead
from reppo.environments import AbstractEnvironmentSpec
from reppo.losses import ExpectedLoss, LearnedMultiplier, PathwiseLoss, Unconstrained
from reppo.networks import (
    ActivatedEmbedding,
    Actor,
    Critic,
    LayerNorm,
    NoNorm,
    Relu,
)
from reppo.optimization import Adam, NoClip, Polyak
from reppo.presets.fitting import fitting_normalizer, fitting_place, fitting_trunk, unit_reward_scale
from reppo.replay import UniformReplay
from reppo.spec import Evaluation, Spec


def sac(environment: AbstractEnvironmentSpec) -> Spec:
    """The settings that MuJoCo Playground publishes for SAC on the control suite: 128 environments. Made for GPUs.

    They are those of `brax_sac_config` in `mujoco_playground/config/dm_control_suite_params.py` (Playground 0.2.0), and
    where it is silent the defaults of the trainer that reads it, Brax 0.14: two hidden layers of 256 units with relu,
    both normalized in the critics, a temperature that begins at 1 and has a learning rate of its own, an aim for the
    entropy of -0.5 nats an action dimension. Eight minibatches of 512 for each step of all environments.

    What is not reproduced: there eight minibatches follow each step, here 64 follow every eight; the policy and the
    temperature there learn from the critics before their step; truncated steps are left out of the critics' loss there,
    and here followed by the value of the true next observation; layers are normalized after the relu there, here before
    it; the least standard deviation is 0.001, that of a softplus; initial weights are uniform, of the same variance;
    actions are repeated four times in PendulumSwingUp.

    References: Zakka et al. 2025, MuJoCo Playground, arXiv 2502.08844; Freeman et al. 2021, Brax, arXiv 2106.13281.
    """
    trunk, fast = fitting_trunk(environment), Adam(learning_rate=1e-3, clip=NoClip())
    head = TanhNormalHead(max_action=1.0, entropy_target=-0.5)
    return Spec(
        environment=environment,
        algorithm=Sac(
            num_environments=128,
            rollout_length=8,
            reward_scale=unit_reward_scale(environment),
            normalizer=fitting_normalizer(environment, epsilon=1e-8),
            actor=Actor(width=256, depth=2, norm=NoNorm(), activation=Relu(), trunk=trunk),
            critic=Critic(
                width=256,
                head_depth=0,
                norm=LayerNorm(),
                activation=Relu(),
                embedding=ActivatedEmbedding(),
                trunk=trunk,
                action=fitting_place(environment),
            ),
            replay=UniformReplay(capacity=4_194_304),
            learning_starts=8192,
            updates=64,
            batch_size=512,
            actor_optimizer=fast,
            critic_optimizer=fast,
            **_fitting_policy(environment, head),
        ),
        evaluation=Evaluation(interval=500_000, episodes=64),
    )


def sac_small(environment: AbstractEnvironmentSpec) -> Spec:
    """SAC for two CPU cores: as many environments and units as `reppo_small` has, an update for every eight steps.

    The published update for every step of one environment (arXiv 1812.05905) would take hours where the others take
    minutes. The target network follows twice as fast as there, and the temperature begins low, since a short run has
    few updates.
    """
    network: dict[str, Any] = {
        "width": 128,
        "norm": NoNorm(),
        "activation": Relu(),
        "trunk": fitting_trunk(environment),
    }
    fast = Adam(learning_rate=1e-3, clip=NoClip())
    return Spec(
        environment=environment,
        algorithm=Sac(
            num_environments=64,
            rollout_length=4,
            reward_scale=unit_reward_scale(environment),
            normalizer=fitting_normalizer(environment),
            actor=Actor(**network, depth=2),
            critic=Critic(**network, head_depth=0, action=fitting_place(environment)),
            target_network=Polyak(0.01),
            replay=UniformReplay(capacity=200_000),
            learning_starts=2048,
            updates=32,
            batch_size=256,
            temperature=LearnedMultiplier(0.1),
            actor_optimizer=fast,
            critic_optimizer=fast,
            multiplier_optimizer=fast,
            **_fitting_policy(environment, TanhNormalHead(max_action=1.0, entropy_target=-1.0)),
        ),
        evaluation=Evaluation(interval=12_500, episodes=16),
    )


def _fitting_policy(environment: AbstractEnvironmentSpec, continuous: AbstractHead) -> dict[str, Any]:
    """Head and loss; where actions are a set, the exact expectation over them (Christodoulou 2019, arXiv 1910.07207).

    There the temperature aims for half of the entropy of the uniform policy, as that of `reppo_small`.
    """
    free = Unconstrained()  # pyright: ignore[reportCallIssue]
    if not environment.discrete:
        return {"head": continuous, "actor_loss": PathwiseLoss(objective=free)}
    return {"head": CategoricalHead(entropy_target=0.5), "actor_loss": ExpectedLoss(objective=free)}
