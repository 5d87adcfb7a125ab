"""Running statistics of observations and rewards."""

from reppo.normalization.observations import (
    AbstractNormalizer,
    MeanVariance,
    MergedTwice,
    NoNormalization,
    PerStepStatistics,
    RunningMeanDeviation,
    RunningMeanVariance,
)
from reppo.normalization.rewards import AbstractRewardScaling, NoRewardScaling, RunningReturns, RunningReturnScale
from reppo.normalization.statistics import init_statistics, normalize_batch, normalize_rollout, update_statistics

__all__ = [
    "AbstractNormalizer",
    "AbstractRewardScaling",
    "MeanVariance",
    "MergedTwice",
    "NoNormalization",
    "NoRewardScaling",
    "PerStepStatistics",
    "RunningMeanDeviation",
    "RunningMeanVariance",
    "RunningReturnScale",
    "RunningReturns",
    "init_statistics",
    "normalize_batch",
    "normalize_rollout",
    "update_statistics",
]
