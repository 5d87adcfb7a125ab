"""Optimizers and the schedule of minibatch updates."""

from reppo.optimization.optimizers import AbstractClip, AbstractOptimizer, Adam, ClipByGlobalNorm, NoClip
from reppo.optimization.schedules import AbstractSchedule, Alternating

__all__ = [
    "AbstractClip",
    "AbstractOptimizer",
    "AbstractSchedule",
    "Adam",
    "Alternating",
    "ClipByGlobalNorm",
    "NoClip",
]
