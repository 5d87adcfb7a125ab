"""Builders of networks, and what they build: blocks, normalization layers, actor, critic."""

from reppo.networks.action_places import AbstractActionPlace, ActionAsInput, ActionAsOutput
from reppo.networks.activations import AbstractActivation, Relu, Swish, Tanh
from reppo.networks.actor import AbstractActorBuilder, Actor, ActorNetwork
from reppo.networks.batch_norm import (
    ROWS,
    BatchNorm,
    BatchNormLayer,
    follow_moments,
    learning,
    normalizes_batches,
    without_moments,
)
from reppo.networks.blocks import MLP, build_mlp, flatten_observation
from reppo.networks.critic import (
    AbstractCriticBuilder,
    AbstractEmbedding,
    ActivatedEmbedding,
    Critic,
    CriticNetwork,
    CriticOutput,
    LinearEmbedding,
)
from reppo.networks.ensembles import Ensemble, build_ensemble
from reppo.networks.initializers import AbstractInitializer, LecunNormal, Orthogonal, UniformFanIn
from reppo.networks.layers import AbstractLayers, PlainLayers, ResidualBlocks
from reppo.networks.norms import AbstractNorm, LayerNorm, NoNorm, RMSNorm
from reppo.networks.offset import AbstractOffset, NoOffset, OffsetCritic, ZeroBias, ZeroOffset
from reppo.networks.trunks import AbstractTrunk, Convolution, Flat

__all__ = [
    "MLP",
    "ROWS",
    "AbstractActionPlace",
    "AbstractActivation",
    "AbstractActorBuilder",
    "AbstractCriticBuilder",
    "AbstractEmbedding",
    "AbstractInitializer",
    "AbstractLayers",
    "AbstractNorm",
    "AbstractOffset",
    "AbstractTrunk",
    "ActionAsInput",
    "ActionAsOutput",
    "ActivatedEmbedding",
    "Actor",
    "ActorNetwork",
    "BatchNorm",
    "BatchNormLayer",
    "Convolution",
    "Critic",
    "CriticNetwork",
    "CriticOutput",
    "Ensemble",
    "Flat",
    "LayerNorm",
    "LecunNormal",
    "LinearEmbedding",
    "NoNorm",
    "NoOffset",
    "OffsetCritic",
    "Orthogonal",
    "PlainLayers",
    "RMSNorm",
    "Relu",
    "ResidualBlocks",
    "Swish",
    "Tanh",
    "UniformFanIn",
    "ZeroBias",
    "ZeroOffset",
    "build_ensemble",
    "build_mlp",
    "flatten_observation",
    "follow_moments",
    "learning",
    "normalizes_batches",
    "without_moments",
]
