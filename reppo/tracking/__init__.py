"""Watching a sweep: the host loop sends events, trackers show or store them. Imports no JAX."""

from reppo.tracking.console import Console
from reppo.tracking.events import (
    BatchFailed,
    BatchStarted,
    ChunkFinished,
    Compiling,
    Event,
    Kept,
    LaneReport,
    LaneStart,
    Noticed,
    RunFinished,
    SweepEnded,
    SweepFinished,
    SweepStarted,
    Working,
)
from reppo.tracking.jsonlines import JsonLines
from reppo.tracking.tensorboard import TensorBoard
from reppo.tracking.tracker import AbstractTracker, Composite, NoTracker
from reppo.tracking.wandb import Wandb

__all__ = [
    "AbstractTracker",
    "BatchFailed",
    "BatchStarted",
    "ChunkFinished",
    "Compiling",
    "Composite",
    "Console",
    "Event",
    "JsonLines",
    "Kept",
    "LaneReport",
    "LaneStart",
    "NoTracker",
    "Noticed",
    "RunFinished",
    "SweepEnded",
    "SweepFinished",
    "SweepStarted",
    "TensorBoard",
    "Wandb",
    "Working",
]
