"""Builders of networks, and what they build: blocks, normalization layers, actor, critic."""

from reppo.networks.activations import AbstractActivation, Relu, Swish, Tanh
from reppo.networks.actor import AbstractActorBuilder, Actor, ActorNetwork
from reppo.networks.blocks import MLP, build_mlp, flatten_observation
from reppo.networks.critic import AbstractCriticBuilder, Critic, CriticNetwork, CriticOutput
from reppo.networks.initializers import AbstractInitializer, LecunNormal, UniformFanIn
from reppo.networks.norms import AbstractNorm, LayerNorm, NoNorm, RMSNorm

__all__ = [
    "MLP",
    "AbstractActivation",
    "AbstractActorBuilder",
    "AbstractCriticBuilder",
    "AbstractInitializer",
    "AbstractNorm",
    "Actor",
    "ActorNetwork",
    "Critic",
    "CriticNetwork",
    "CriticOutput",
    "LayerNorm",
    "LecunNormal",
    "NoNorm",
    "RMSNorm",
    "Relu",
    "Swish",
    "Tanh",
    "UniformFanIn",
    "build_mlp",
    "flatten_observation",
]
