"""Experiments: arms x environments x seeds, declared in a Python file, planned, and executed batch by batch."""

from reppo.sweep.execute import execute
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.plan import Batch, make_batches
from reppo.sweep.rivals import Rival

__all__ = ["Batch", "Experiment", "Rival", "Run", "execute", "make_batches"]
