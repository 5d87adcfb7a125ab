"""Training: initial state, one chunk, lanes, checkpoints."""

from reppo.training.checkpoints import Checkpoints
from reppo.training.lanes import BatchProgram, LaneStates, lanes_mode
from reppo.training.loop import ChunkReport, TrainState, init, train, train_chunk
from reppo.training.memory import lane_bytes

__all__ = [
    "BatchProgram",
    "Checkpoints",
    "ChunkReport",
    "LaneStates",
    "TrainState",
    "init",
    "lane_bytes",
    "lanes_mode",
    "train",
    "train_chunk",
]
