"""Bootstrap intervals: runs drawn anew within tasks, and the ends of intervals from what they give."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from reppo.analysis.statistics.aggregates import Aggregate
from reppo.analysis.statistics.spread import satterthwaite, standard_error, student_quantile

Method = Literal["percentile", "widened", "bca", "studentized", "student"]
"""How an interval is made; see `intervals`."""

BLOCK = 8_000_000
"""Numbers in memory at once."""


def resampled(
    scores: Float[np.ndarray, "*batch tasks runs"], resamples: int, generator: np.random.Generator
) -> Float[np.ndarray, "resamples *batch tasks runs"]:
    """Draws the runs of each task anew, with replacement, as many as there are.

    Args:
        scores: NaN where a task has fewer runs than others; the NaNs of a task last.
        resamples: how often.
        generator: what draws; every entry of the batch has its own draws.
    """
    count = (~np.isnan(scores)).sum(axis=-1, keepdims=True)
    draws = generator.random((resamples, *scores.shape), dtype=np.float32)
    chosen = np.minimum((draws * count).astype(np.int32), np.maximum(count - 1, 0))
    rows = np.arange(0, scores.size, scores.shape[-1], dtype=np.int64).reshape(*scores.shape[:-1], 1)
    drawn = np.take(scores.reshape(-1), chosen + rows)
    if count.min() < scores.shape[-1]:
        drawn[..., np.isnan(scores)] = np.nan
    return drawn


def bootstrap_ends(
    scores: np.ndarray,
    estimate: np.ndarray,
    aggregate: Aggregate,
    method: Method,
    tail: float,
    resamples: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the intervals of scores `[batch, tasks, runs]`.

    Each entry has draws of its own, by its size alone: its interval is the same whatever else is in the batch.
    """
    values, errors = np.full((2, resamples, len(scores)), np.nan)
    for i, own in enumerate(scores):
        count = (~np.isnan(own)).sum(axis=-1)
        if count.any():
            own, generator = own[None, count > 0, : count.max()], np.random.default_rng(seed)
            found = _distribution(own, aggregate, method == "studentized", resamples, generator)
            values[:, i], errors[:, i] = (part[:, 0] for part in found)
    return ends(values, errors, scores, estimate, aggregate, method, tail)


def _distribution(
    scores: np.ndarray, aggregate: Aggregate, with_errors: bool, resamples: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The aggregates of resampled scores, `[resamples, batch]`, and their standard errors; NaN unless asked for."""
    values, errors = [], []
    block = max(1, BLOCK // max(scores.size, 1))
    for start in range(0, resamples, block):
        drawn = resampled(scores, min(block, resamples - start), generator)
        values.append(np.asarray(aggregate(drawn)))
        errors.append(standard_error(drawn, aggregate)[0] if with_errors else np.full_like(values[-1], np.nan))
    return np.concatenate(values), np.concatenate(errors)


def ends(
    values: Float[np.ndarray, "resamples batch"],
    errors: Float[np.ndarray, "resamples batch"] | None,
    scores: Float[np.ndarray, "batch tasks runs"],
    estimate: Float[np.ndarray, " batch"],
    aggregate: Aggregate,
    method: Method,
    tail: float,
) -> tuple[Float[np.ndarray, " batch"], Float[np.ndarray, " batch"]]:
    """The ends of bootstrap intervals from the resampled aggregates.

    Args:
        values: aggregates of the resamples.
        errors: their standard errors, for the studentized interval.
        scores: what was resampled.
        estimate: its aggregates.
        aggregate: the aggregate.
        method: any but `"student"`.
        tail: the probability left out at each end.
    """
    levels = np.array([tail, 1 - tail])
    if method == "percentile":
        low, high = np.quantile(values, levels, axis=0)
    elif method == "widened":
        low, high = np.quantile(values, levels, axis=0)
        factor = _widening(scores, aggregate, tail)
        low, high = estimate - factor * (estimate - low), estimate + factor * (high - estimate)
    elif method == "bca":
        low, high = _bca(values, scores, estimate, aggregate, levels)
    else:
        assert errors is not None
        error, _ = standard_error(scores, aggregate)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(errors > 0, (values - estimate) / errors, np.where(values == estimate, 0.0, np.nan))
        t = np.where(np.isnan(t), np.where(values > estimate, np.inf, -np.inf), t)
        upper, lower = np.quantile(t, levels, axis=0, method="nearest")
        with np.errstate(invalid="ignore"):
            low, high = (np.where(error > 0, estimate - q * error, estimate) for q in (lower, upper))
    return low, high


def _widening(scores: np.ndarray, aggregate: Aggregate, tail: float) -> np.ndarray:
    """The factor by which the halves of a percentile interval are widened, for scores `[batch, tasks, runs]`."""
    from scipy import stats

    count = (~np.isnan(scores)).sum(axis=-1)
    variances = _jackknife(scores, aggregate)[1]
    known = variances.sum(axis=-1, keepdims=True) > 0
    weights = np.where(known, variances, 1.0 * (count >= 2))  # of each task in the variance of the aggregate
    with np.errstate(divide="ignore", invalid="ignore"):
        within = (weights * (1 - 1 / np.maximum(count, 1))).sum(axis=-1) / weights.sum(axis=-1)
        overall = 1 - 1 / np.maximum(count.sum(axis=-1), 1)
        _, freedom = satterthwaite(weights, np.maximum(count - 1, 1))
        student = student_quantile(1 - tail, freedom) / stats.norm.ppf(1 - tail)
        return student * np.sqrt(overall / within)


def _bca(
    values: np.ndarray, scores: np.ndarray, estimate: np.ndarray, aggregate: Aggregate, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    from scipy import stats

    below = ((values < estimate).mean(axis=0) + (values <= estimate).mean(axis=0)) / 2
    bias = stats.norm.ppf(np.clip(below, 0.5 / len(values), 1 - 0.5 / len(values)))
    influence, _ = _jackknife(scores, aggregate)
    flat = influence.reshape(len(scores), -1)
    square = (flat**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = np.where(square > 0, (flat**3).sum(axis=-1) / (6 * square**1.5), 0.0)
        z = stats.norm.ppf(levels)[:, None] + bias
        corrected = stats.norm.cdf(bias + z / (1 - skew * z))
    ordered = np.sort(values, axis=0)
    place = corrected * (len(values) - 1)
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, len(values) - 1)
    share = place - lower
    ends = (1 - share) * np.take_along_axis(ordered, lower, 0) + share * np.take_along_axis(ordered, upper, 0)
    return ends[0], ends[1]


def _jackknife(scores: np.ndarray, aggregate: Aggregate) -> tuple[np.ndarray, np.ndarray]:
    """The influence of each run, `[batch, tasks, runs]`, and the jackknife variance of each task, `[batch, tasks]`."""
    count = (~np.isnan(scores)).sum(axis=-1, keepdims=True)
    influence = np.zeros_like(scores)
    for task in range(scores.shape[-2]):
        if (count[:, task] < 2).all():
            continue
        for run in range(scores.shape[-1]):
            without = scores.copy()
            without[:, task, run] = np.nan
            influence[:, task, run] = aggregate(without)
    valid = ~np.isnan(scores) & (count >= 2)
    size = np.maximum(count, 1)
    center = np.where(valid, influence, 0.0).sum(axis=-1, keepdims=True) / size
    influence = np.where(valid, (size - 1) * (center - influence), 0.0)
    return influence / size, (influence**2).sum(axis=-1) / (size * np.maximum(size - 1, 1))[..., 0]
