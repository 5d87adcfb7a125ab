"""Optimizers, minibatches, and the order of the steps that are made with them."""

from reppo.optimization.batches import AbstractBatches, Epochs, Sampled
from reppo.optimization.optimizers import (
    AbstractClip,
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    Adam,
    AdamW,
    ClipByGlobalNorm,
    NoClip,
    WithActor,
)
from reppo.optimization.step import optimizer_step, trainable
from reppo.optimization.step_order import AbstractStepOrder, Alternating, CriticThenActor, Step

__all__ = [
    "AbstractBatches",
    "AbstractClip",
    "AbstractMultiplierOptimizer",
    "AbstractOptimizer",
    "AbstractStepOrder",
    "Adam",
    "AdamW",
    "Alternating",
    "ClipByGlobalNorm",
    "CriticThenActor",
    "Epochs",
    "NoClip",
    "Sampled",
    "Step",
    "WithActor",
    "optimizer_step",
    "trainable",
]
