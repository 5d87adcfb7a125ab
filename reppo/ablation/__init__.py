"""Ablations: named, checked surgery on a spec, their registry, and the designs that make studies of them."""

from reppo.ablation import designs
from reppo.ablation.ablation import Ablation, Arm, ablation, setting
from reppo.ablation.designs import (
    FractionalFactorial,
    add_one_in,
    combinations,
    factorial,
    fractional_factorial,
    grid,
    leave_one_out,
    one_at_a_time,
)
from reppo.ablation.registry import all_ablations, find_ablation
from reppo.ablation.search import Integers, LogUniform, Range, Uniform, random_search

__all__ = [
    "Ablation",
    "Arm",
    "FractionalFactorial",
    "Integers",
    "LogUniform",
    "Range",
    "Uniform",
    "ablation",
    "add_one_in",
    "all_ablations",
    "combinations",
    "designs",
    "factorial",
    "find_ablation",
    "fractional_factorial",
    "grid",
    "leave_one_out",
    "one_at_a_time",
    "random_search",
    "setting",
]
