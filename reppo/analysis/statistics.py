"""Estimates and intervals over seeds. A score is one number per seed: episodes of one seed are not independent."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from reppo.analysis.aggregates import iqm
from reppo.analysis.confidence import Interval

Statistic = Callable[..., Any]
"""A function `(scores, *, axis)` that reduces one axis, as `iqm`, `np.mean` and `np.median` do."""


def bootstrap_interval(
    scores: Float[np.ndarray, " seeds"],
    statistic: Statistic = iqm,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """A percentile bootstrap interval over seeds.

    With few seeds it is too narrow: at confidence 0.95 and for normal scores it holds the mean in about 78% of cases
    with four seeds, 85% with five and 89% with eight (simulated with this function).

    Args:
        scores: one score per seed.
        statistic: what to estimate.
        confidence: in (0, 1).
        resamples: how many samples are drawn with replacement, at least 1.
        seed: seed of the resampling; the same seed gives the same interval.

    Returns:
        The interval; its ends are NaN for a single seed.

    Raises:
        ValueError: if there are no scores, or an argument is out of range.

    Source: Efron 1979, Bootstrap Methods: Another Look at the Jackknife; for RL, Agarwal et al. 2021, arXiv:2108.13264.
    """
    low, high = bootstrap_band(scores[:, None], statistic, confidence, resamples, seed)
    return Interval(float(statistic(scores, axis=0)), float(low[0]), float(high[0]))


def bootstrap_band(
    scores: Float[np.ndarray, "seeds points"],
    statistic: Statistic = iqm,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Percentile bootstrap intervals at every point of a curve. Whole seeds are resampled, the same at all points.

    Args:
        scores: one curve per seed; NaN where a seed has no value, and there the others alone are resampled.
        statistic: what to estimate.
        confidence: in (0, 1).
        resamples: how many samples are drawn with replacement, at least 1.
        seed: seed of the resampling.

    Returns:
        The lower and the upper ends; NaN where there are fewer than two seeds.

    Raises:
        ValueError: if there are no scores, or an argument is out of range.
    """
    _check(len(scores), confidence, resamples)
    low, high = np.full((2, scores.shape[1]), np.nan)
    present, which = np.unique(~np.isnan(scores), axis=1, return_inverse=True)
    for i, seeds in enumerate(present.T):
        if seeds.sum() < 2:
            continue
        chosen = _resample(int(seeds.sum()), resamples, seed)
        points = np.flatnonzero(which == i)
        block = max(1, 4_000_000 // chosen.size)  # bounds memory at 32 MB
        for j in range(0, len(points), block):
            part = points[j : j + block]
            values = statistic(scores[np.ix_(seeds, part)][chosen], axis=1)
            low[part], high[part] = _percentiles(values, confidence)
    return low, high


def paired_interval(
    first: Float[np.ndarray, " seeds"],
    second: Float[np.ndarray, " seeds"],
    statistic: Statistic = iqm,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """A percentile bootstrap interval of `statistic(first) - statistic(second)` over paired seeds.

    Pairs are resampled together, so what both owe to the seed cancels. An interval without 0 speaks for a difference.

    Args:
        first: one score per seed.
        second: the other arm's score of the same seed, at the same place.
        statistic: what to compare.
        confidence: in (0, 1).
        resamples: how many samples of pairs are drawn with replacement, at least 1.
        seed: seed of the resampling.

    Returns:
        The difference and its interval; the ends are NaN for a single seed.

    Raises:
        ValueError: if there are no scores, or an argument is out of range.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap.
    """
    _check(len(first), confidence, resamples)
    difference = float(statistic(first, axis=0) - statistic(second, axis=0))
    if len(first) < 2:
        return Interval(difference, float("nan"), float("nan"))
    chosen = _resample(len(first), resamples, seed)
    differences = statistic(first[chosen], axis=1) - statistic(second[chosen], axis=1)
    low, high = _percentiles(differences, confidence)
    return Interval(difference, float(low), float(high))


def student_interval(scores: Float[np.ndarray, " seeds"], confidence: float = 0.95) -> Interval:
    """Student's t interval of the mean: exact for normal scores however few, where the bootstrap is too narrow.

    Args:
        scores: one score per seed.
        confidence: in (0, 1).

    Returns:
        The mean and its interval; the ends are NaN for a single seed.

    Raises:
        ValueError: if there are no scores, or the confidence is out of range.

    Source: Student 1908, The Probable Error of a Mean.
    """
    from scipy import stats

    _check(len(scores), confidence, 1)
    mean = float(np.mean(scores))
    if len(scores) < 2:
        return Interval(mean, float("nan"), float("nan"))
    error = float(np.std(scores, ddof=1)) / np.sqrt(len(scores))
    half = float(stats.t.ppf((1 + confidence) / 2, len(scores) - 1) * error)
    return Interval(mean, mean - half, mean + half)


def _check(seeds: int, confidence: float, resamples: int) -> None:
    if seeds == 0:
        raise ValueError("An interval needs at least one score.")
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence is between 0 and 1, not {confidence}.")
    if resamples < 1:
        raise ValueError(f"The bootstrap needs at least one resample, not {resamples}.")


def _resample(seeds: int, resamples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, seeds, size=(resamples, seeds))


def _percentiles(values: np.ndarray, confidence: float) -> np.ndarray:
    return np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
