"""Ablations: named, checked surgery on a spec, and their registry."""

from reppo.ablation.ablation import Ablation, Arm, ablation, setting
from reppo.ablation.registry import all_ablations, find_ablation

__all__ = ["Ablation", "Arm", "ablation", "all_ablations", "find_ablation", "setting"]
