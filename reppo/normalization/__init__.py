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
from reppo.normalization.statistics import init_statistics, normalize_rollout, update_statistics

__all__ = [
    "AbstractNormalizer",
    "MeanVariance",
    "MergedTwice",
    "NoNormalization",
    "PerStepStatistics",
    "RunningMeanDeviation",
    "RunningMeanVariance",
    "init_statistics",
    "normalize_rollout",
    "update_statistics",
]
