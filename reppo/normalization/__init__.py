"""Running statistics of observations."""

from reppo.normalization.observations import (
    AbstractNormalizer,
    MeanVariance,
    MergedTwice,
    NoNormalization,
    PerStepStatistics,
    RunningMeanDeviation,
    RunningMeanVariance,
)

__all__ = [
    "AbstractNormalizer",
    "MeanVariance",
    "MergedTwice",
    "NoNormalization",
    "PerStepStatistics",
    "RunningMeanDeviation",
    "RunningMeanVariance",
]
