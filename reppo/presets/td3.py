"""Presets of FastTD3."""

from reppo.algorithms import Td3
from reppo.environments import AbstractEnvironmentSpec
from reppo.losses import FixedSupport, SupportFromRewards, TwoHot
from reppo.networks import Actor, Critic, NoNorm, Orthogonal, Relu, UniformFanIn
from reppo.optimization import AdamW, NoClip, Polyak
from reppo.presets.fitting import fitting_normalizer, fitting_trunk, unit_reward_scale
from reppo.replay import UniformReplay
from reppo.spec import Evaluation, Spec


def fast_td3(environment: AbstractEnvironmentSpec) -> Spec:
    """The settings that the authors of FastTD3 give for CheetahRun, and for most tasks of the control suite with it.

    They are those of `CheetahRunArgs` and its parents in `fast_td3/hyperparams.py` of
    [younggyoseo/FastTD3](https://github.com/younggyoseo/FastTD3/tree/070415e): 1024 environments, two minibatches of
    32 768 for each of their steps, critics of 101 bins from -500 to 500, three rewards before they are asked, a
    discount of 0.97. Made for GPUs: the buffer has room for 10 240 steps of each environment. Actions in a box alone.

    What is not reproduced: there two minibatches follow each step, here 16 follow every eight; layers become narrower
    there, from 1024 to 256 units in the critics and from 512 to 128 in the actor, and here the actor has 256 and the
    critics 512 throughout; the actor's last weights are normal there and orthogonal here, both of a scale of 0.01;
    products of matrices are in bfloat16 there.

    Reference: Seo et al. 2025, arXiv 2505.22642.
    """
    network = {"norm": NoNorm(), "activation": Relu(), "trunk": fitting_trunk(environment)}
    decaying = AdamW(learning_rate=3e-4, weight_decay=0.1, clip=NoClip())
    return Spec(
        environment=environment,
        algorithm=Td3(
            num_environments=1024,
            rollout_length=8,
            gamma=0.97,
            normalizer=fitting_normalizer(environment),
            actor=Actor(**network, width=256, depth=3, initializer=Orthogonal(last_gain=0.01)),
            least_noise=0.1,
            most_noise=0.4,
            target_noise=0.1,
            critic=Critic(**network, width=512, encoder_depth=2, head_depth=0, initializer=UniformFanIn()),
            value=TwoHot(support=FixedSupport(-500.0, 500.0), num_bins=101),
            target_network=Polyak(0.1),
            replay=UniformReplay(capacity=1024 * 10_240),
            learning_starts=1024 * 10,
            updates=16,
            batch_size=32_768,
            return_steps=3,
            actor_optimizer=decaying,
            critic_optimizer=decaying,
        ),
        evaluation=Evaluation(interval=500_000, episodes=64),
    )


def fast_td3_small(environment: AbstractEnvironmentSpec) -> Spec:
    """FastTD3 for two CPU cores: the environments, networks, buffer and updates of `sac_small`.

    The support of the critics is that of the task's returns.
    """
    network = {"width": 128, "norm": NoNorm(), "activation": Relu(), "trunk": fitting_trunk(environment)}
    decaying = AdamW(learning_rate=1e-3, weight_decay=0.1, clip=NoClip())
    return Spec(
        environment=environment,
        algorithm=Td3(
            num_environments=64,
            rollout_length=4,
            reward_scale=unit_reward_scale(environment),
            normalizer=fitting_normalizer(environment),
            actor=Actor(**network, depth=2, initializer=Orthogonal(last_gain=0.01)),
            least_noise=0.1,
            most_noise=0.4,
            target_noise=0.1,
            critic=Critic(**network, head_depth=0),
            value=TwoHot(support=SupportFromRewards(), num_bins=101),
            target_network=Polyak(0.05),
            replay=UniformReplay(capacity=200_000),
            learning_starts=2048,
            updates=32,
            batch_size=256,
            return_steps=3,
            actor_optimizer=decaying,
            critic_optimizer=decaying,
        ),
        evaluation=Evaluation(interval=12_500, episodes=16),
    )
