"""The maths of the losses, per example: value representations, actor losses and their parts, auxiliary tasks."""

from reppo.losses.actor import AbstractActorLoss, ActorBatch, PathwiseLoss
from reppo.losses.auxiliary import AbstractAuxiliary, NoAuxiliary, SelfPrediction
from reppo.losses.divergences import AbstractDivergence, ExactKL, SampledKL
from reppo.losses.gates import AbstractGate, PerBatch, PerState
from reppo.losses.multipliers import AbstractMultiplier, FixedMultiplier, LearnedMultiplier
from reppo.losses.objectives import AbstractObjective, ClippedKL, PenalizedKL, Unconstrained
from reppo.losses.supports import AbstractSupport, FixedSupport, SupportFromRewards
from reppo.losses.values import AbstractValue, HLGauss, Scalar, hl_gauss

__all__ = [
    "AbstractActorLoss",
    "AbstractAuxiliary",
    "AbstractDivergence",
    "AbstractGate",
    "AbstractMultiplier",
    "AbstractObjective",
    "AbstractSupport",
    "AbstractValue",
    "ActorBatch",
    "ClippedKL",
    "ExactKL",
    "FixedMultiplier",
    "FixedSupport",
    "HLGauss",
    "LearnedMultiplier",
    "NoAuxiliary",
    "PathwiseLoss",
    "PenalizedKL",
    "PerBatch",
    "PerState",
    "SampledKL",
    "Scalar",
    "SelfPrediction",
    "SupportFromRewards",
    "Unconstrained",
    "hl_gauss",
]
