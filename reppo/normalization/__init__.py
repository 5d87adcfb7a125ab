"""Running statistics of observations."""

from reppo.normalization.observations import (
    AbstractNormalizer,
    MeanVariance,
    NoNormalization,
    RunningMeanVariance,
)

__all__ = ["AbstractNormalizer", "MeanVariance", "NoNormalization", "RunningMeanVariance"]
