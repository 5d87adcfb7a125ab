"""Policies' distributions over actions, and the heads that make them of a network's outputs."""

from reppo.distributions.categorical import Categorical
from reppo.distributions.contract import AbstractDistribution, Action, Draw
from reppo.distributions.heads import AbstractHead, CategoricalHead, TanhNormalHead, require_choice, require_pathwise
from reppo.distributions.tanh_normal import TanhNormal

__all__ = [
    "AbstractDistribution",
    "AbstractHead",
    "Action",
    "Categorical",
    "CategoricalHead",
    "Draw",
    "TanhNormal",
    "TanhNormalHead",
    "require_choice",
    "require_pathwise",
]
