"""Watching a sweep: the host loop sends events, trackers show or store them. Imports no JAX."""

from reppo.tracking.console import Console as Console
from reppo.tracking.events import BatchFailed as BatchFailed
from reppo.tracking.events import BatchStarted as BatchStarted
from reppo.tracking.events import ChunkFinished as ChunkFinished
from reppo.tracking.events import Compiling as Compiling
from reppo.tracking.events import Event as Event
from reppo.tracking.events import LaneReport as LaneReport
from reppo.tracking.events import LaneStart as LaneStart
from reppo.tracking.events import Noticed as Noticed
from reppo.tracking.events import RunFinished as RunFinished
from reppo.tracking.events import SweepEnded as SweepEnded
from reppo.tracking.events import SweepFinished as SweepFinished
from reppo.tracking.events import SweepStarted as SweepStarted
from reppo.tracking.jsonlines import JsonLines as JsonLines
from reppo.tracking.tensorboard import TensorBoard as TensorBoard
from reppo.tracking.tracker import AbstractTracker as AbstractTracker
from reppo.tracking.tracker import Composite as Composite
from reppo.tracking.tracker import NoTracker as NoTracker
from reppo.tracking.wandb import Wandb as Wandb
