"""Aggregates, performance profiles and probabilities of improvement of the arms of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float

from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.aggregates import AGGREGATES, Aggregate, Numbers, as_numbers, known_mean
from reppo.analysis.statistics.bootstrap import Method, resampled
from reppo.analysis.statistics.intervals import Interval, default_method, intervals
from reppo.errors import require, unknown_name

Tasks = Literal["common", "own"]


@final
@dataclass(frozen=True, kw_only=True)
class AggregateRow:
    """An aggregate of one arm, with its interval.

    Attributes:
        arm: the arm.
        task: the task; None for an aggregate over tasks.
        aggregate: name of the aggregate, one of `AGGREGATES`.
        estimate: its value.
        low: lower end of the interval, never below what is possible; NaN where too few runs tell nothing.
        high: upper end, never above what is possible.
        confidence: of the interval.
        method: how the interval was made.
        tasks: tasks with a score.
        runs: runs with a score.
        fewest_runs: runs of the task that has the fewest.
    """

    arm: str
    task: str | None
    aggregate: str
    estimate: float
    low: float
    high: float
    confidence: float
    method: str
    tasks: int
    runs: int
    fewest_runs: int


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Profile:
    """A performance profile: the share of runs that score above a threshold.

    Attributes:
        arm: the arm.
        thresholds: the thresholds, ascending.
        share: share of runs with a higher score, averaged over tasks.
        low: lower ends of pointwise intervals.
        high: upper ends.
    """

    arm: str
    thresholds: Float[np.ndarray, " thresholds"]
    share: Float[np.ndarray, " thresholds"]
    low: Float[np.ndarray, " thresholds"]
    high: Float[np.ndarray, " thresholds"]


@final
@dataclass(frozen=True, kw_only=True)
class ImprovementRow:
    """The probability that a run of one arm scores higher than a run of another on the same task.

    Attributes:
        arm: the arm.
        base: what it is compared with.
        task: the task; None for the mean over tasks.
        paired: whether runs were compared with the run of the same seed, or each with each.
        estimate: the probability; a tie counts half.
        low: lower end of the bootstrap interval.
        high: upper end.
        confidence: of the interval.
    """

    arm: str
    base: str
    task: str | None
    paired: bool
    estimate: float
    low: float
    high: float
    confidence: float


def aggregate(
    table: ScoreTable,
    aggregates: Sequence[str] | None = None,
    *,
    tasks: Tasks = "common",
    method: Method | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[AggregateRow]:
    """Aggregates each arm over tasks.

    Args:
        table: scores, normalized unless all tasks have the same scale.
        aggregates: names from `AGGREGATES`; None for the usual ones, with the optimality gap if scores are normalized.
        tasks: over the tasks that all arms have (`"common"`), or over each arm's `"own"`, which do not compare.
        method: of the intervals; None for the default of each aggregate.
        confidence: in (0, 1).
        resamples: of the bootstrap, at least 1.
        seed: of the bootstrap, at least 0.

    Returns:
        Rows by aggregate, then arm.

    Raises:
        ConfigurationError: if an aggregate is unknown, or the arms have no task in common.
    """
    if aggregates is None:
        aggregates = ("pooled_iqm", "task_iqm", "mean", "median")
        aggregates += () if table.normalization.identity else ("optimality_gap",)
    table = _compared(table, tasks)
    scores, limits = table.scores, table.possible()
    rows = []
    for name in aggregates:
        function = _aggregate(name)
        lowest, highest = float(limits[:, 0].min()), float(limits[:, 1].max())
        if name == "optimality_gap":
            lowest, highest = 0.0, max(1 - lowest, 0.0)
        found = intervals(scores, function, method=method, confidence=confidence, resamples=resamples, seed=seed)
        for i, arm in enumerate(table.arms):
            count = np.isfinite(scores[i]).sum(axis=-1)
            rows.append(
                AggregateRow(
                    arm=arm,
                    task=None,
                    aggregate=name,
                    estimate=float(found.estimate[i]),
                    low=float(np.clip(found.low[i], lowest, highest)),
                    high=float(np.clip(found.high[i], lowest, highest)),
                    confidence=confidence,
                    method=method or default_method(function, scores.shape[-2]),
                    tasks=int((count > 0).sum()),
                    runs=int(count.sum()),
                    fewest_runs=int(count[count > 0].min(initial=int(count.sum()))),
                )
            )
    return rows


def aggregate_tasks(
    table: ScoreTable,
    name: str = "pooled_iqm",
    *,
    method: Method | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[AggregateRow]:
    """Aggregates each arm over the runs of each task by itself; of one task, `pooled_iqm` and `task_iqm` are the same.

    Args:
        table: scores.
        name: one of `AGGREGATES`.
        method: of the interval; that which was measured to cover best by default.
        confidence: of the interval, in (0, 1).
        resamples: of the bootstrap, at least 1.
        seed: of the bootstrap, at least 0.

    Returns:
        Rows by task, then arm, where the arm has a score.
    """
    function = _aggregate(name)
    found = intervals(
        table.scores[:, :, None], function, method=method, confidence=confidence, resamples=resamples, seed=seed
    )
    count = np.isfinite(table.scores).sum(axis=-1)
    limits = table.possible()
    return [
        AggregateRow(
            arm=arm,
            task=task,
            aggregate=name,
            estimate=float(found.estimate[i, j]),
            low=float(np.clip(found.low[i, j], *limits[j])),
            high=float(np.clip(found.high[i, j], *limits[j])),
            confidence=confidence,
            method=method or default_method(function),
            tasks=1,
            runs=int(count[i, j]),
            fewest_runs=int(count[i, j]),
        )
        for j, task in enumerate(table.tasks)
        for i, arm in enumerate(table.arms)
        if count[i, j]
    ]


def performance_profiles(
    table: ScoreTable,
    thresholds: Numbers | None = None,
    *,
    tasks: Tasks = "common",
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Profile]:
    """Performance profiles: for each threshold the share of runs with a higher score, averaged over tasks.

    Args:
        table: normalized scores.
        thresholds: ascending; None for 101 points from the lowest to the highest score.
        tasks: see `aggregate`.
        confidence: of the pointwise bands, from the percentile bootstrap over runs within tasks, in (0, 1).
        resamples: of the bootstrap, at least 1.
        seed: of the bootstrap, at least 0.

    Raises:
        ConfigurationError: if the thresholds are not flat and ascending.

    Source: Agarwal et al. 2021, arXiv:2108.13264.
    """
    scores = _compared(table, tasks).scores
    if thresholds is None:
        thresholds = np.linspace(np.nanmin(scores), np.nanmax(scores), 101)
    thresholds = as_numbers(thresholds, "The thresholds")
    require(
        thresholds.ndim == 1 and (np.diff(thresholds) >= 0).all(), "The thresholds are a flat array in ascending order."
    )
    profiles = []
    for i, arm in enumerate(table.arms):
        own = np.sort(scores[i][np.isfinite(scores[i]).any(axis=-1)], axis=-1)
        share = _share_above(own[None], thresholds)[0]
        drawn = resampled(own, resamples, np.random.default_rng(seed))
        low, high = np.quantile(_share_above(drawn, thresholds), [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        profiles.append(Profile(arm=arm, thresholds=thresholds, share=share, low=low, high=high))
    return profiles


def probability_of_improvement(
    table: ScoreTable,
    base: str | None = None,
    *,
    paired: bool = False,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[ImprovementRow]:
    """The probability that an arm beats the base on a task, per task and averaged over the tasks that both have.

    Unpaired, it is the Mann-Whitney statistic over all pairs of runs; paired, the share of seeds on which the arm is
    better. Ties count half, so that P(A > B) + P(B > A) = 1. Where one arm wins every comparison, the interval has no
    width, which says nothing about other seeds.

    Args:
        table: scores; their scale does not matter.
        base: what the arms are compared with; None for the first arm.
        paired: whether to compare runs of the same seed only.
        confidence: of the percentile bootstrap intervals over runs (or pairs) within tasks, in (0, 1).
        resamples: of the bootstrap, at least 1.
        seed: of the bootstrap, at least 0.

    Returns:
        For each other arm its mean over tasks, then its tasks.

    Source: Agarwal et al. 2021, arXiv:2108.13264; Mann and Whitney 1947.
    """
    base = table.base if base is None else base
    second = table.arm(base)
    rows = []
    for arm in table.arms:
        if arm == base:
            continue
        first = table.arm(arm)
        found = _improvement(first, second, paired, confidence, resamples, seed)
        for task, value in zip((None, *table.tasks), found, strict=True):
            if np.isfinite(value.estimate):
                rows.append(
                    ImprovementRow(
                        arm=arm, base=base, task=task, paired=paired, confidence=confidence, **value._asdict()
                    )
                )
    return rows


def _improvement(
    first: np.ndarray, second: np.ndarray, paired: bool, confidence: float, resamples: int, seed: int
) -> list[Interval]:
    """The probabilities over all tasks and on each, with intervals."""
    generator = np.random.default_rng(seed)

    def wins(difference: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(difference), np.nan, (np.sign(difference) + 1) / 2)

    if paired:
        won = np.sort(wins(first - second), axis=-1)
        tasks, drawn = (np.asarray(known_mean(x)) for x in (won, resampled(won, resamples, generator)))
    else:
        ordered = [np.sort(scores, axis=-1) for scores in (first, second)]
        each = wins(ordered[0][..., :, None] - ordered[1][..., None, :])
        tasks = np.asarray(known_mean(each.reshape(len(first), -1)))
        drawn = np.empty((resamples, len(first)))
        for j in range(len(first)):
            a, b = (resampled(scores[j][None], resamples, generator)[:, 0] for scores in ordered)
            drawn[:, j] = known_mean(wins(a[:, :, None] - b[:, None, :]).reshape(resamples, -1))
    columns = np.concatenate([np.asarray(known_mean(drawn))[:, None], drawn], axis=1)
    values = np.append(known_mean(tasks), tasks)
    low, high = np.quantile(columns, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return [Interval(float(v), float(a), float(b)) for v, a, b in zip(values, low, high, strict=True)]


def _share_above(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """For scores `[batch, tasks, runs]`, the share above each threshold, mean over tasks: `[batch, thresholds]`."""
    count = (~np.isnan(scores)).sum(axis=-1)
    weight = np.where(np.isnan(scores), 0.0, 1 / np.maximum(count, 1)[..., None] / scores.shape[-2])
    flat = np.where(np.isnan(scores), -np.inf, scores).reshape(len(scores), -1)
    bins = np.searchsorted(thresholds, flat, side="left")  # thresholds below the score
    size = len(thresholds) + 1
    places = (bins + size * np.arange(len(scores))[:, None]).reshape(-1)
    mass = np.bincount(places, weights=weight.reshape(-1), minlength=size * len(scores)).reshape(-1, size)
    return np.cumsum(mass[:, ::-1], axis=1)[:, ::-1][:, 1:]


def _compared(table: ScoreTable, tasks: Tasks) -> ScoreTable:
    require(tasks in ("common", "own"), f"tasks={tasks!r} is neither 'common' nor 'own'.")
    if tasks == "own":
        return table
    shared = table.common_tasks()
    require(shared, "The arms have no task in common. Run them on the same tasks, or aggregate with tasks='own'.")
    return table.select(tasks=shared)


def _aggregate(name: str) -> Aggregate:
    if name not in AGGREGATES:
        raise unknown_name("aggregate", name, AGGREGATES)
    return AGGREGATES[name]
