"""How much scores vary: standard errors of aggregates, their degrees of freedom, deviations within tasks."""

import numpy as np
from jaxtyping import Float, Real

from reppo.analysis.statistics.aggregates import (
    Aggregate,
    Scores,
    Values,
    as_scores,
    mean,
    pooled_iqm,
    task_iqm,
    trimmed_mean,
)
from reppo.errors import require


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
        return satterthwaite(variances, np.maximum(kept - 1, 1))
    if aggregate is task_iqm:
        winsorized, kept, total = _winsorize(scores, scores)
        count = (~np.isnan(scores)).sum(axis=-1)
        variances = _variance(winsorized) * count / np.maximum(total, 1) ** 2
        outer = np.asarray(trimmed_mean(scores))[..., None, :]
        _, inside, tasks = _winsorize(outer, np.swapaxes(outer, -1, -2))
        return satterthwaite(variances * (inside > 0) / np.maximum(tasks, 1) ** 2, np.maximum(kept - 1, 1))
    if aggregate is mean:
        count = (~np.isnan(scores)).sum(axis=-1)
        tasks = np.maximum((count > 0).sum(axis=-1, keepdims=True), 1)
        variances = _variance(scores) / np.maximum(count, 1) / tasks**2
        return satterthwaite(variances, np.maximum(count - 1, 1))
    require(False, f"No standard error is known for {getattr(aggregate, '__name__', aggregate)!r}; use a bootstrap.")
    raise AssertionError("unreachable")


def deviation(differences: Scores) -> float:
    """The standard deviation within tasks, pooled: each task weighs as it has pairs. NaN if no task has two."""
    differences = as_scores(differences, batched=False)
    count = np.isfinite(differences).sum(axis=-1)
    rows = differences[count >= 2]
    if not len(rows):
        return float("nan")
    squares = np.nansum((rows - np.nanmean(rows, axis=-1, keepdims=True)) ** 2)
    return float(np.sqrt(squares / (count[count >= 2] - 1).sum()))


def student_quantile(level: float, freedom: Values) -> Values:
    """The quantile of Student's t distribution at a level, for degrees of freedom that need not be whole."""
    from scipy import special

    return special.stdtrit(freedom, level)


def satterthwaite(
    variances: Float[np.ndarray, "*batch parts"], freedom: Real[np.ndarray, "*batch parts"]
) -> tuple[Values, Values]:
    """The standard error of a sum from the variances of its parts, and its approximate degrees of freedom.

    Args:
        variances: of the parts; NaN where one is unknown, and then so is the error.
        freedom: degrees of freedom of each variance.

    Source: Satterthwaite 1946, An Approximate Distribution of Estimates of Variance Components.
    """
    total = variances.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = np.where(total > 0, total**2 / (variances**2 / freedom).sum(axis=-1), 1.0)[()]
    return np.sqrt(total), joint


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
