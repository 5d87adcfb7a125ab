"""A base that every ablation of the catalog applies to."""

from reppo import environments
from reppo.ablation import all_ablations
from reppo.algorithms import Reppo
from reppo.losses import HLGauss, LearnedMultiplier, SupportFromRewards
from reppo.networks import Actor, Critic
from reppo.optimization import Adam, Epochs, NoClip
from reppo.spec import Evaluation, Spec

CATALOG = all_ablations()


def tiny(environment=None, **changes) -> Spec:
    """A base that every ablation of the catalog applies to, and that traces and compiles quickly."""
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
