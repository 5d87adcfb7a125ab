"""Specs small enough to compile quickly, shared by the tests."""

import equinox as eqx
import jax.numpy as jnp

from reppo import environments
from reppo.algorithms import Ppo, Reppo, Sac, Td3
from reppo.losses import FixedSupport, HLGauss, LearnedMultiplier, TwoHot
from reppo.networks import Actor, Critic, NoNorm
from reppo.optimization import Adam, Epochs, NoClip, Polyak
from reppo.replay import UniformReplay
from reppo.spec import Evaluation, Spec, resolve
from reppo.sweep import pace
from reppo.training import ChunkReport, TrainState, init, train_chunk
from reppo.training.plan import evaluation_points


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


def tiny_ppo(**changes) -> Ppo:
    settings = {
        "num_environments": 16,
        "rollout_length": 8,
        "actor": Actor(width=16, depth=1, norm=NoNorm()),
        "critic": Critic(width=16, encoder_depth=0, head_depth=0, norm=NoNorm()),
        "batches": Epochs(epochs=2, num_minibatches=2),
        "actor_optimizer": Adam(learning_rate=1e-2),
        "critic_optimizer": Adam(learning_rate=1e-2),
    }
    return Ppo(**(settings | changes))


def tiny_sac(**changes) -> Sac:
    settings = {
        "num_environments": 16,
        "rollout_length": 8,
        "actor": Actor(width=16, depth=1, norm=NoNorm()),
        "critic": Critic(width=16, encoder_depth=0, head_depth=0, norm=NoNorm()),
        "target_network": Polyak(0.1),
        "replay": UniformReplay(1024),
        "learning_starts": 256,
        "updates": 16,
        "batch_size": 64,
        "temperature": LearnedMultiplier(0.1),
        "actor_optimizer": Adam(learning_rate=1e-2),
        "critic_optimizer": Adam(learning_rate=1e-2),
    }
    return Sac(**(settings | changes))


def tiny_td3(**changes) -> Td3:
    shared = tiny_sac()
    settings = {
        name: getattr(shared, name)
        for name in (
            "num_environments",
            "rollout_length",
            "actor",
            "critic",
            "target_network",
            "replay",
            "learning_starts",
            "updates",
            "batch_size",
            "actor_optimizer",
            "critic_optimizer",
        )
    }
    return Td3(**(settings | {"value": TwoHot(FixedSupport(-2.0, 2.0), num_bins=21)} | changes))


def tiny_spec(probe: str = "BestAction", algorithm=None, **changes) -> Spec:
    return Spec(
        environment=environments.probe(probe),
        algorithm=tiny_reppo(**changes) if algorithm is None else algorithm,
        evaluation=Evaluation(interval=256, episodes=4),
    )


def tiny_preset(environment) -> Spec:
    return Spec(environment=environment, algorithm=tiny_reppo(), evaluation=Evaluation(interval=256, episodes=4))


def train_alone(spec: Spec, seed: int, steps: int) -> tuple[TrainState, list[ChunkReport]]:
    """The final state of a run that no program of lanes trains, and a report of every evaluation."""
    spec = resolve(spec)
    state, reports, done = eqx.filter_jit(init)(spec, seed), [], 0
    chunk = eqx.filter_jit(train_chunk)
    for point in evaluation_points(spec, steps):
        state, report = chunk(spec, state, jnp.array(point - done))
        reports.append(report)
        done = point
    return state, reports


def save_at_every_iteration(patch):
    """Every iteration is followed by a checkpoint, between evaluations and at them."""
    for name, value in {"PIECE_SECONDS": 0.0, "SAVE_SECONDS": -1.0, "MOST_SAVE_SECONDS": -1.0}.items():
        patch.setattr(pace, name, value)
