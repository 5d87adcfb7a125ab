"""Optimizers and the schedule of minibatch updates."""

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
from reppo.optimization.schedules import AbstractSchedule, Alternating, CriticThenActor

__all__ = [
    "AbstractClip",
    "AbstractMultiplierOptimizer",
    "AbstractOptimizer",
    "AbstractSchedule",
    "Adam",
    "AdamW",
    "Alternating",
    "ClipByGlobalNorm",
    "CriticThenActor",
    "NoClip",
    "WithActor",
]
