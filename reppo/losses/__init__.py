"""The maths of the losses, per example: value representations, actor losses and their parts, auxiliary tasks."""

from reppo.losses.actor import (
    AbstractActorLoss,
    ActorBatch,
    ClippedSurrogateLoss,
    PathwiseLoss,
    ScoreFunctionLoss,
)
from reppo.losses.auxiliary import (
    AbstractAuxiliary,
    AbstractMask,
    EmbeddingPrediction,
    NoAuxiliary,
    NoMask,
    RewardPrediction,
    SelfPrediction,
    UnlessTruncated,
    WithinEpisodes,
)
from reppo.losses.divergences import (
    AbstractDivergence,
    ExactKL,
    ExactReverseKL,
    LowVarianceKL,
    MismatchedKL,
    SampledKL,
)
from reppo.losses.gates import AbstractGate, NoGate, PerBatch, PerState
from reppo.losses.multipliers import AbstractMultiplier, FixedMultiplier, LearnedMultiplier
from reppo.losses.objectives import AbstractObjective, ClippedKL, OutweighedKL, PenalizedKL, Unconstrained
from reppo.losses.supports import AbstractSupport, FixedSupport, SupportFromRewards
from reppo.losses.values import AbstractValue, DecodedMSE, HLGauss, Scalar, TwoHot, hl_gauss, two_hot

__all__ = [
    "AbstractActorLoss",
    "AbstractAuxiliary",
    "AbstractDivergence",
    "AbstractGate",
    "AbstractMask",
    "AbstractMultiplier",
    "AbstractObjective",
    "AbstractSupport",
    "AbstractValue",
    "ActorBatch",
    "ClippedKL",
    "ClippedSurrogateLoss",
    "DecodedMSE",
    "EmbeddingPrediction",
    "ExactKL",
    "ExactReverseKL",
    "FixedMultiplier",
    "FixedSupport",
    "HLGauss",
    "LearnedMultiplier",
    "LowVarianceKL",
    "MismatchedKL",
    "NoAuxiliary",
    "NoGate",
    "NoMask",
    "OutweighedKL",
    "PathwiseLoss",
    "PenalizedKL",
    "PerBatch",
    "PerState",
    "RewardPrediction",
    "SampledKL",
    "Scalar",
    "ScoreFunctionLoss",
    "SelfPrediction",
    "SupportFromRewards",
    "TwoHot",
    "Unconstrained",
    "UnlessTruncated",
    "WithinEpisodes",
    "hl_gauss",
    "two_hot",
]
