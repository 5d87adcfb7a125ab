"""Intervals over runs within tasks: five methods, one of which is the default because it was measured to cover.

Tasks are fixed, runs are the sample: what is drawn again is the runs of each task, never the tasks. So an interval says
how the numbers would differ with other seeds, not with other tasks. `docs/statistics.md` has the measured coverage.
"""

from typing import Any, Literal, NamedTuple, final, get_args

import numpy as np
from jaxtyping import Float

from reppo.analysis.aggregates import (
    Aggregate,
    Numbers,
    Scores,
    Values,
    as_numbers,
    as_scores,
    mean,
    pooled_iqm,
    task_iqm,
    trimmed_mean,
)
from reppo.errors import require

Method = Literal["percentile", "widened", "bca", "studentized", "student"]

FEW_RUNS = 10
"""Below so many runs of a task, intervals may cover less than they say: see `docs/statistics.md`."""

_BLOCK = 8_000_000  # numbers in memory at once


@final
class Interval(NamedTuple):
    """An estimate and the ends of its interval; the ends are NaN where there are too few seeds for one.

    Attributes:
        estimate: the statistic of the scores themselves.
        low: lower end.
        high: upper end.
    """

    estimate: float
    low: float
    high: float


@final
class Intervals(NamedTuple):
    """Estimates and the ends of their intervals, as arrays of one shape.

    Attributes:
        estimate: the statistic of the scores themselves.
        low: lower ends.
        high: upper ends.
    """

    estimate: Float[np.ndarray, "*batch"]
    low: Float[np.ndarray, "*batch"]
    high: Float[np.ndarray, "*batch"]


def interval(
    scores: Scores,
    aggregate: Aggregate = pooled_iqm,
    *,
    method: Method | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The interval of one aggregate of one arm; see `intervals`.

    Args:
        scores: `[tasks, runs]`; a flat array or list is one task. NaN where a task has fewer runs than others.
        aggregate: see `intervals`.
        method: see `intervals`.
        confidence: see `intervals`.
        resamples: see `intervals`.
        seed: see `intervals`.

    Raises:
        ConfigurationError: if the scores have another shape; see also `intervals`.
    """
    settings: Any = {"method": method, "confidence": confidence, "resamples": resamples, "seed": seed}
    found = intervals(as_scores(scores, batched=False)[None], aggregate, **settings)
    return Interval(float(found.estimate[0]), float(found.low[0]), float(found.high[0]))


def intervals(
    scores: Scores,
    aggregate: Aggregate = pooled_iqm,
    *,
    method: Method | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Intervals:
    """Intervals of an aggregate, for each entry of a batch by itself.

    Methods, from `r` resamples of the runs within each task, or from a formula:

    - `"percentile"`: the quantiles of the resampled aggregates. Too narrow with few runs.
    - `"widened"`: the percentile interval, both ends moved away from the estimate by a factor: Student's quantile over
      the normal one, times `sqrt((1 - 1/N) / (1 - 1/n))`, since n runs drawn anew within each task vary less than
      all N runs would. Degrees of freedom are Satterthwaite's, from the jackknife variance of each task.
    - `"bca"`: quantiles corrected for bias and acceleration.
    - `"studentized"`: quantiles of the resampled aggregates' t statistics. Infinite with very few runs, of which
      too many resamples have no spread.
    - `"student"`: Student's interval with the standard error of `standard_error`; no resampling.

    Args:
        scores: NaN where a task has fewer runs than others.
        aggregate: what to estimate; the last two methods know `pooled_iqm`, `task_iqm` and `mean`.
        method: one of the above; None for the one that covers best: `default_method`.
        confidence: in (0, 1).
        resamples: how often runs are drawn anew, at least 1.
        seed: seed of the resampling. The same seed gives the same interval, whatever the order of runs and tasks.

    Returns:
        The intervals; ends are NaN where a task has a single run, whose spread nothing tells, or where two are all that
        a `task_iqm` keeps of a task.

    Raises:
        ConfigurationError: if an argument is out of range, or the method does not know the aggregate.

    Source: Agarwal et al. 2021, arXiv:2108.13264 (stratified); Efron 1987, Better Bootstrap Confidence Intervals;
        Hesterberg 2015, What Teachers Should Know About the Bootstrap, arXiv:1411.5279 (narrowness); Tukey and
        McLaughlin 1963, Less Vulnerable Confidence and Significance Procedures for Location.
    """
    scores = as_scores(scores)
    method = method or default_method(aggregate, scores.shape[-2])
    require(method in get_args(Method), f"method={method!r} is not one of {', '.join(map(repr, get_args(Method)))}.")
    _check(confidence, resamples)
    batch = scores.shape[:-2]
    packed = _canonical(scores.reshape(-1, *scores.shape[-2:]))
    count = (~np.isnan(packed)).sum(axis=-1)
    if packed.size == 0:
        nothing = np.full(batch, np.nan)
        return Intervals(nothing, nothing.copy(), nothing.copy())
    estimate = np.asarray(aggregate(packed), np.float64)
    tail = (1 - confidence) / 2
    if method == "student":
        low, high = student_ends(packed, estimate, aggregate, tail)
    else:
        low, high = _bootstrap(packed, estimate, aggregate, method, tail, resamples, seed)
    # Of two and of four runs an interquartile mean keeps two, which tell next to nothing of their spread.
    fewest = np.where(np.isin(count, (2, 4)), 1, count) if aggregate is task_iqm and method == "student" else count
    known = ((fewest >= 2) | (count == 0)).all(axis=-1) & (count >= 2).any(axis=-1)
    low, high = np.where(known, low, np.nan), np.where(known, high, np.nan)
    return Intervals(estimate.reshape(batch), low.reshape(batch), high.reshape(batch))


def bootstrap_band(
    scores: Numbers,
    aggregate: Aggregate = pooled_iqm,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """The `"widened"` intervals at every point of a curve. Whole seeds are drawn anew, the same at all points.

    Args:
        scores: `[seeds, points]`, one curve per seed; NaN where a seed has no value, and there the others alone are
            drawn from.
        aggregate: what to estimate, of one task.
        confidence: in (0, 1).
        resamples: how often seeds are drawn anew, at least 1.
        seed: seed of the resampling.

    Returns:
        The lower and the upper ends; NaN where there are fewer than two seeds. They hold at each point by itself.

    Raises:
        ConfigurationError: if an argument is out of range.
    """
    _check(confidence, resamples)
    scores = as_scores(scores, batched=False)
    low, high = np.full((2, scores.shape[1]), np.nan)
    present, which = np.unique(~np.isnan(scores), axis=1, return_inverse=True)
    for i, seeds in enumerate(present.T):
        size = int(seeds.sum())
        if size < 2:
            continue
        chosen = np.random.default_rng(seed).integers(0, size, (resamples, size))
        points = np.flatnonzero(which == i)
        block = max(1, _BLOCK // chosen.size)
        for j in range(0, len(points), block):
            part = points[j : j + block]
            own = scores[np.ix_(seeds, part)].T[:, None, :]
            values = np.asarray(aggregate(np.moveaxis(own[..., chosen], -2, 0)))
            estimate = np.asarray(aggregate(own))
            low[part], high[part] = ends(values, None, own, estimate, aggregate, "widened", (1 - confidence) / 2)
    return low, high


def student_interval(scores: Numbers, confidence: float = 0.95) -> Interval:
    """Student's t interval of the mean of some scores: exact for normal scores however few.

    Args:
        scores: one score per seed.
        confidence: in (0, 1).

    Returns:
        The mean and its interval; the ends are NaN for a single seed.

    Raises:
        ConfigurationError: if there are no scores, or the confidence is out of range.

    Source: Student 1908, The Probable Error of a Mean.
    """
    scores = as_numbers(scores)
    require(scores.ndim == 1, f"This interval is of one score per seed, a flat array; the shape is {[*scores.shape]}.")
    require(len(scores) > 0, "An interval needs at least one score.")
    return interval(scores[None], mean, method="student", confidence=confidence)


def default_method(aggregate: Aggregate, tasks: int = 1) -> Method:
    """The method that was measured to cover best; see `docs/statistics.md`.

    `"student"` for the mean, and for `task_iqm` over several tasks; `"widened"` for all others.
    """
    return "student" if aggregate is mean or (aggregate is task_iqm and tasks > 1) else "widened"


def standard_error(scores: Scores, aggregate: Aggregate = pooled_iqm) -> tuple[Values, Values]:
    """The standard error of an aggregate over runs within tasks, and its degrees of freedom.

    For means, the sum of the squared standard errors of the tasks; for interquartile means, the same of the Winsorized
    scores over the share that is kept. Degrees of freedom are Welch's and Satterthwaite's, of the scores kept. A
    task with a single run adds nothing, for lack of anything to estimate from.

    Args:
        scores: NaN where a task has fewer runs than others.
        aggregate: `pooled_iqm`, `task_iqm` or `mean`.

    Raises:
        ConfigurationError: for another aggregate.

    Source: Tukey and McLaughlin 1963; Yuen 1974, The Two-Sample Trimmed t for Unequal Population Variances;
        Satterthwaite 1946, An Approximate Distribution of Estimates of Variance Components.
    """
    scores = as_scores(scores)
    if aggregate is pooled_iqm:
        flat = scores.reshape(*scores.shape[:-2], 1, -1)
        winsorized, kept, total = _winsorize(flat, scores)
        variances = _variance(winsorized) * (~np.isnan(scores)).sum(axis=-1) / np.maximum(total, 1) ** 2
        return _satterthwaite(variances, np.maximum(kept - 1, 1))
    if aggregate is task_iqm:
        winsorized, kept, total = _winsorize(scores, scores)
        count = (~np.isnan(scores)).sum(axis=-1)
        variances = _variance(winsorized) * count / np.maximum(total, 1) ** 2
        outer = np.asarray(trimmed_mean(scores))[..., None, :]
        _, inside, tasks = _winsorize(outer, np.swapaxes(outer, -1, -2))
        return _satterthwaite(variances * (inside > 0) / np.maximum(tasks, 1) ** 2, np.maximum(kept - 1, 1))
    if aggregate is mean:
        count = (~np.isnan(scores)).sum(axis=-1)
        tasks = np.maximum((count > 0).sum(axis=-1, keepdims=True), 1)
        variances = _variance(scores) / np.maximum(count, 1) / tasks**2
        return _satterthwaite(variances, np.maximum(count - 1, 1))
    require(False, f"No standard error is known for {getattr(aggregate, '__name__', aggregate)!r}; use a bootstrap.")
    raise AssertionError("unreachable")


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


def _bootstrap(
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
    block = max(1, _BLOCK // max(scores.size, 1))
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


def student_ends(
    scores: Float[np.ndarray, "batch tasks runs"],
    estimate: Float[np.ndarray, " batch"],
    aggregate: Aggregate,
    tail: float,
) -> tuple[Float[np.ndarray, " batch"], Float[np.ndarray, " batch"]]:
    """The ends of Student's intervals around estimates, with a probability left out at each end."""
    error, freedom = standard_error(scores, aggregate)
    half = student_quantile(1 - tail, freedom) * error
    return estimate - half, estimate + half


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
        _, freedom = _satterthwaite(weights, np.maximum(count - 1, 1))
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


def _winsorize(pool: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores moved to the ends of the middle half of their pool.

    Returns them, how many scores of each task the middle half holds, and how many of each pool.
    """
    ordered = np.sort(pool, axis=-1)
    count = pool.shape[-1] - np.isnan(ordered).sum(axis=-1, keepdims=True)
    cut = count // 4
    low = np.take_along_axis(ordered, np.minimum(cut, pool.shape[-1] - 1), axis=-1)
    high = np.take_along_axis(ordered, np.maximum(count - cut - 1, 0), axis=-1)
    kept = ((scores >= low) & (scores <= high)).sum(axis=-1)
    return np.clip(scores, low, high), kept, (count - 2 * cut)[..., 0]


def _variance(scores: np.ndarray) -> np.ndarray:
    """The sample variance of each task's scores; 0 for fewer than two."""
    present = ~np.isnan(scores)
    count = present.sum(axis=-1)
    if present.all() and scores.shape[-1] > 1:
        return scores.var(axis=-1, ddof=1)
    center = np.where(present, scores, 0.0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)[..., None]
    squares = np.where(present, scores - center, 0.0) ** 2
    return squares.sum(axis=-1) / np.maximum(count - 1, 1)


def _satterthwaite(
    variances: np.ndarray, freedom: np.ndarray
) -> tuple[np.ndarray | np.floating, np.ndarray | np.floating]:
    """The root of a sum of variances and its approximate degrees of freedom."""
    total = variances.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = np.where(total > 0, total**2 / (variances**2 / freedom).sum(axis=-1), 1.0)[()]
    return np.sqrt(total), joint


def student_quantile(level: float, freedom: Values) -> Values:
    """The quantile of Student's t distribution at a level, for degrees of freedom that need not be whole."""
    from scipy import special

    return special.stdtrit(freedom, level)


def _check(confidence: float, resamples: int) -> None:
    require(0 < confidence < 1, f"The confidence is between 0 and 1, not {confidence}.")
    require(resamples >= 1, f"The bootstrap needs at least one resample, not {resamples}.")


def _canonical(scores: np.ndarray) -> np.ndarray:
    """Runs ascending, NaN last, and tasks in an order of their own: so that no order matters."""
    ordered = np.sort(scores, axis=-1)
    if ordered.shape[-2] < 2:
        return ordered
    keys = np.moveaxis(ordered, -1, 0)[::-1]
    return np.take_along_axis(ordered, np.lexsort(keys, axis=-1)[..., None], axis=-2)
