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
from reppo.optimization.schedules import AbstractSchedule, Alternating, CriticThenActor, Step
from reppo.optimization.step import optimizer_step, trainable

__all__ = [
    "AbstractBatches",
    "AbstractClip",
    "AbstractMultiplierOptimizer",
    "AbstractOptimizer",
    "AbstractSchedule",
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
