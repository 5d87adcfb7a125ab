"""Specs small enough to compile quickly, shared by the tests."""

from reppo import environments
from reppo.algorithms import Reppo
from reppo.losses import FixedSupport, HLGauss
from reppo.networks import Actor, Critic
from reppo.optimization import Adam, Epochs, NoClip
from reppo.spec import Evaluation, Spec
from reppo.sweep import pace


def tiny_reppo(**changes) -> Reppo:
    settings = {
        "num_environments": 16,
        "rollout_length": 8,
        "actor": Actor(width=16, depth=1),
        "critic": Critic(width=16),
        "value": HLGauss(support=FixedSupport(-5.0, 5.0), num_bins=21),
        "batches": Epochs(epochs=2, num_minibatches=2),
        "actor_optimizer": Adam(learning_rate=3e-3),
        "critic_optimizer": Adam(learning_rate=3e-3),
        "multiplier_optimizer": Adam(learning_rate=3e-3, clip=NoClip()),
    }
    return Reppo(**(settings | changes))


def tiny_spec(probe: str = "BestAction", algorithm=None, **changes) -> Spec:
    return Spec(
        environment=environments.probe(probe),
        algorithm=tiny_reppo(**changes) if algorithm is None else algorithm,
        evaluation=Evaluation(interval=256, episodes=4),
    )


def tiny_preset(environment) -> Spec:
    return Spec(environment=environment, algorithm=tiny_reppo(), evaluation=Evaluation(interval=256, episodes=4))


def save_at_every_iteration(patch):
    """Every iteration is followed by a checkpoint, between evaluations and at them."""
    for name, value in {"PIECE_SECONDS": 0.0, "SAVE_SECONDS": -1.0, "MOST_SAVE_SECONDS": -1.0}.items():
        patch.setattr(pace, name, value)
