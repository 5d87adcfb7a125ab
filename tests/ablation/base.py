"""Bases that the ablations of the catalog apply to: each of them to one at least."""

import functools

from reppo import environments
from reppo.ablation import Ablation, all_ablations
from reppo.algorithms import Ppo, Reppo
from reppo.distributions import CategoricalHead
from reppo.errors import ConfigurationError
from reppo.losses import ExpectedLoss, HLGauss, LearnedMultiplier, SupportFromRewards
from reppo.networks import ActionAsOutput, Actor, Critic, NoNorm, ZeroOffset
from reppo.optimization import Adam, Epochs, NoClip
from reppo.replay import UniformReplay
from reppo.spec import Evaluation, Spec, validate
from reppo.targets import ExpectedAction
from tests.tiny import tiny_sac, tiny_td3

CATALOG = all_ablations()


def tiny(environment=None, **changes) -> Spec:
    """REPPO so small that it traces and compiles quickly."""
    settings = {
        "num_environments": 16,
        "rollout_length": 8,
        "actor": Actor(width=16, depth=1),
        "critic": Critic(width=16),
        "value": HLGauss(support=SupportFromRewards(), num_bins=21),
        "temperature": LearnedMultiplier(0.1),
        "batches": Epochs(epochs=4, num_minibatches=4),
        "actor_optimizer": Adam(learning_rate=1e-2),
        "critic_optimizer": Adam(learning_rate=1e-2),
        "multiplier_optimizer": Adam(learning_rate=1e-2, clip=NoClip()),
    }
    return Spec(
        environment=environments.probe("BestAction") if environment is None else environment,
        algorithm=Reppo(**(settings | changes)),
        evaluation=Evaluation(interval=128, episodes=4),
    )


BASE = tiny()
PPO = Spec(
    environment=environments.probe("BestAction"),
    algorithm=Ppo(
        num_environments=16,
        rollout_length=8,
        actor=Actor(width=16, depth=1, norm=NoNorm()),
        critic=Critic(width=16, encoder_depth=0, head_depth=0, norm=NoNorm()),
        batches=Epochs(epochs=4, num_minibatches=4),
    ),
    evaluation=Evaluation(interval=128, episodes=4),
)
SAC = Spec(
    environment=environments.probe("BestAction"),
    algorithm=tiny_sac(learning_starts=0, replay=UniformReplay(4096)),
    evaluation=Evaluation(interval=128, episodes=4),
)
TD3 = Spec(
    environment=environments.probe("BestAction"),
    algorithm=tiny_td3(learning_starts=0, return_steps=2, replay=UniformReplay(4096)),
    evaluation=Evaluation(interval=128, episodes=4),
)
CHOICES = tiny(
    environments.probe("DelayedChoice"),
    head=CategoricalHead(0.5),
    critic=Critic(width=16, action=ActionAsOutput()),
    actor_loss=ExpectedLoss(),
    next_value=ExpectedAction(),
)


@functools.cache
def changes(one: Ablation, base: Spec) -> bool:
    """Whether an ablation goes with a base that is not already so."""
    if not one.applies_to(base):
        return False
    try:
        return validate(one.transform(base)) != base
    except ConfigurationError:
        return False


def base_of(name: str) -> Spec:
    """The first base that an entry of the catalog changes."""
    bases = (BASE, tiny(critic_offset=ZeroOffset()), PPO, SAC, TD3, CHOICES)
    return next(base for base in bases if changes(CATALOG[name], base))
