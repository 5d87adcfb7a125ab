"""Presets of REPPO."""

from reppo.algorithms import Reppo
from reppo.environments import AbstractEnvironmentSpec
from reppo.losses import HLGauss, SupportFromRewards
from reppo.networks import Actor, Critic
from reppo.optimization import Alternating
from reppo.spec import Evaluation, Spec


def reppo(environment: AbstractEnvironmentSpec) -> Spec:
    """The published settings for the control suite ("large"): 1024 environments, 512-unit networks.

    Where published implementations disagree it takes what theory says; the page "REPPO" of the documentation lists
    each choice. Made for GPUs.

    Reference: arXiv 2507.11019, appendix on hyperparameters.
    """
    return Spec(
        environment=environment,
        algorithm=Reppo(value=HLGauss(support=SupportFromRewards())),
        evaluation=Evaluation(interval=2_621_440, episodes=64),
    )


def reppo_small(environment: AbstractEnvironmentSpec) -> Spec:
    """REPPO for two CPU cores: 256 environments, 128-unit networks, rollouts of 32 steps."""
    return Spec(
        environment=environment,
        algorithm=Reppo(
            num_environments=256,
            rollout_length=32,
            actor=Actor(width=128),
            critic=Critic(width=128),
            value=HLGauss(support=SupportFromRewards()),
            schedule=Alternating(epochs=4, num_minibatches=8),
        ),
        evaluation=Evaluation(interval=100_000, episodes=16),
    )
