"""Optimizers, minibatches, and the order of the steps that are made with them."""

from reppo.optimization.annealing import AbstractAnnealing, LinearAnnealing, NoAnnealing
from reppo.optimization.batches import AbstractBatches, Epochs, Sampled
from reppo.optimization.optimizers import (
    AbstractClip,
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    Adam,
    AdamW,
    ClipByGlobalNorm,
    NoClip,
    UnitNormRows,
    WithActor,
)
from reppo.optimization.step import gradient_norm, optimizer_step, trainable
from reppo.optimization.step_order import AbstractStepOrder, Alternating, CriticThenActor, Step
from reppo.optimization.stops import AbstractStop, NoStop, TargetKL
from reppo.optimization.target_networks import AbstractTargetNetwork, NoTargetNetwork, Polyak

__all__ = [
    "AbstractAnnealing",
    "AbstractBatches",
    "AbstractClip",
    "AbstractMultiplierOptimizer",
    "AbstractOptimizer",
    "AbstractStepOrder",
    "AbstractStop",
    "AbstractTargetNetwork",
    "Adam",
    "AdamW",
    "Alternating",
    "ClipByGlobalNorm",
    "CriticThenActor",
    "Epochs",
    "LinearAnnealing",
    "NoAnnealing",
    "NoClip",
    "NoStop",
    "NoTargetNetwork",
    "Polyak",
    "Sampled",
    "Step",
    "TargetKL",
    "UnitNormRows",
    "WithActor",
    "gradient_norm",
    "optimizer_step",
    "trainable",
]
