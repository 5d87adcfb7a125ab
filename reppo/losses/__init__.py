"""The maths of the losses, per example: value representations, actor losses and their parts, auxiliary tasks."""

from reppo.losses.actor import (
    AbstractActorLoss,
    AbstractConstrainedLoss,
    ClippedSurrogateLoss,
    ExpectedLoss,
    PathwiseLoss,
    ScoreFunctionLoss,
)
from reppo.losses.advantages import (
    AbstractAdvantages,
    PlainAdvantages,
    StandardizedMinibatches,
    StandardizedRollouts,
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
from reppo.losses.minibatch import Minibatch
from reppo.losses.multipliers import AbstractMultiplier, FixedMultiplier, LearnedMultiplier, multiplier_gradients
from reppo.losses.objectives import AbstractObjective, ClippedKL, OutweighedKL, PenalizedKL, Unconstrained
from reppo.losses.supports import AbstractSupport, FixedSupport, SupportFromRewards
from reppo.losses.surrogates import AbstractSurrogate, ClippedRatio, PlainRatio, SurrogateLoss
from reppo.losses.value_losses import AbstractValueLoss, ClippedValueLoss, PlainValueLoss
from reppo.losses.values import (
    AbstractValue,
    DecodedMSE,
    HLGauss,
    QFunction,
    ScalarValue,
    StateValue,
    TwoHot,
    hl_gauss,
    two_hot,
)

__all__ = [
    "AbstractActorLoss",
    "AbstractAdvantages",
    "AbstractAuxiliary",
    "AbstractConstrainedLoss",
    "AbstractDivergence",
    "AbstractGate",
    "AbstractMask",
    "AbstractMultiplier",
    "AbstractObjective",
    "AbstractSupport",
    "AbstractSurrogate",
    "AbstractValue",
    "AbstractValueLoss",
    "ClippedKL",
    "ClippedRatio",
    "ClippedSurrogateLoss",
    "ClippedValueLoss",
    "DecodedMSE",
    "EmbeddingPrediction",
    "ExactKL",
    "ExactReverseKL",
    "ExpectedLoss",
    "FixedMultiplier",
    "FixedSupport",
    "HLGauss",
    "LearnedMultiplier",
    "LowVarianceKL",
    "Minibatch",
    "MismatchedKL",
    "NoAuxiliary",
    "NoGate",
    "NoMask",
    "OutweighedKL",
    "PathwiseLoss",
    "PenalizedKL",
    "PerBatch",
    "PerState",
    "PlainAdvantages",
    "PlainRatio",
    "PlainValueLoss",
    "QFunction",
    "RewardPrediction",
    "SampledKL",
    "ScalarValue",
    "ScoreFunctionLoss",
    "SelfPrediction",
    "StandardizedMinibatches",
    "StandardizedRollouts",
    "StateValue",
    "SupportFromRewards",
    "SurrogateLoss",
    "TwoHot",
    "Unconstrained",
    "UnlessTruncated",
    "WithinEpisodes",
    "hl_gauss",
    "multiplier_gradients",
    "two_hot",
]
