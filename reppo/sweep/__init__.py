"""Experiments: declared, resolved into runs, and executed batch by batch."""

from reppo.sweep.alone import Trained, train
from reppo.sweep.batches import Batch
from reppo.sweep.execute import execute
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.rivals import Rival
from reppo.sweep.stored import make_batches

__all__ = ["Batch", "Experiment", "Rival", "Run", "Trained", "execute", "make_batches", "train"]
