"""Policies' distributions over actions, and the heads that make them of a network's outputs."""

from reppo.distributions.categorical import Categorical
from reppo.distributions.contract import AbstractDistribution, Action, Draw
from reppo.distributions.heads import (
    AbstractBoxHead,
    AbstractHead,
    CategoricalHead,
    NormalHead,
    TanhNormalHead,
    require_choice,
    require_pathwise,
)
from reppo.distributions.normal import Normal
from reppo.distributions.scales import AbstractScale, FixedScale, FreeScale, SoftplusScale, StateScale
from reppo.distributions.tanh_normal import TanhNormal

__all__ = [
    "AbstractBoxHead",
    "AbstractDistribution",
    "AbstractHead",
    "AbstractScale",
    "Action",
    "Categorical",
    "CategoricalHead",
    "Draw",
    "FixedScale",
    "FreeScale",
    "Normal",
    "NormalHead",
    "SoftplusScale",
    "StateScale",
    "TanhNormal",
    "TanhNormalHead",
    "require_choice",
    "require_pathwise",
]
