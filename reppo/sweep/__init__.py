"""Experiments: arms x environments x seeds, declared in a Python file, planned, and executed batch by batch."""

from reppo.sweep.execute import execute
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.plan import Batch, make_batches

__all__ = ["Batch", "Experiment", "Run", "execute", "make_batches"]
