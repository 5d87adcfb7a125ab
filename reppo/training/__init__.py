"""Training: the steps of a run, alone and in lanes of compiled programs; checkpoints."""

from reppo.training.checkpoints import Checkpoints
from reppo.training.kinds import KINDS, make_program
from reppo.training.lanes import BatchProgram, LaneStates, lanes_mode
from reppo.training.loop import ChunkReport, TrainState, init, train_chunk
from reppo.training.memory import lane_bytes
from reppo.training.programs import AbstractProgram, LaneView

__all__ = [
    "KINDS",
    "AbstractProgram",
    "BatchProgram",
    "Checkpoints",
    "ChunkReport",
    "LaneStates",
    "LaneView",
    "TrainState",
    "init",
    "lane_bytes",
    "lanes_mode",
    "make_program",
    "train_chunk",
]
