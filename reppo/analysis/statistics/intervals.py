"""Intervals over runs within tasks: five methods, one of which is the default because it was measured to cover.

Tasks are fixed, runs are the sample: what is drawn again is the runs of each task, never the tasks. So an interval says
how the numbers would differ with other seeds, not with other tasks. `docs/statistics.md` has the measured coverage.
"""

from typing import Any, NamedTuple, final, get_args

import numpy as np
from jaxtyping import Float

from reppo.analysis.statistics.aggregates import (
    Aggregate,
    Numbers,
    Scores,
    as_numbers,
    as_scores,
    mean,
    pooled_iqm,
    task_iqm,
)
from reppo.analysis.statistics.bootstrap import BLOCK, Method, bootstrap_ends, ends
from reppo.analysis.statistics.spread import standard_error, student_quantile
from reppo.errors import require

FEW_RUNS = 10
"""Below so many runs of a task, intervals may cover less than they say: see `docs/statistics.md`."""


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
        confidence: see `intervals`, in (0, 1).
        resamples: see `intervals`, at least 1.
        seed: see `intervals`, at least 0.

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
        seed: of the resampling, at least 0. The same seed gives the same interval, whatever the order of runs and
            tasks.

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
        low, high = bootstrap_ends(packed, estimate, aggregate, method, tail, resamples, seed)
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
        seed: seed of the resampling, at least 0.

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
        block = max(1, BLOCK // chosen.size)
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


def share_interval(successes: int, runs: int, confidence: float = 0.95) -> Interval:
    """Wilson's interval of a share: sensible also for 0 or all of a few runs.

    Args:
        successes: how many of the runs, at least 0.
        runs: how many there are, at least 1.
        confidence: of the interval, in (0, 1).

    Raises:
        ConfigurationError: if the successes are not from 0 to the number of runs, or there are no runs.

    Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    from scipy import stats

    require(0 <= successes <= runs and runs > 0, f"{successes} of {runs} runs is not a share.")
    z2 = stats.norm.ppf((1 + confidence) / 2) ** 2
    share = successes / runs
    center = (share + z2 / (2 * runs)) / (1 + z2 / runs)
    half = np.sqrt(z2 * (share * (1 - share) / runs + z2 / (4 * runs**2))) / (1 + z2 / runs)
    return Interval(share, float(max(0.0, center - half)), float(min(1.0, center + half)))


def default_method(aggregate: Aggregate, tasks: int = 1) -> Method:
    """The method that was measured to cover best; see `docs/statistics.md`.

    `"student"` for the mean, and for `task_iqm` over several tasks; `"widened"` for all others.
    """
    return "student" if aggregate is mean or (aggregate is task_iqm and tasks > 1) else "widened"


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
