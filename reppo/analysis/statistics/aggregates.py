"""Scores of many tasks and runs in one number.

A score array has one row per task and one column per run, NaN where a task has fewer runs than others; leading axes are
batches. A task without any run is left out of an aggregate over tasks, so compare arms on the tasks that all of them
have.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Real

from reppo.errors import ConfigurationError, require

Numbers = Real[np.ndarray, "..."] | Sequence[Any]
"""Numbers as people have them: whole or not, an array or nested lists."""

Scores = Numbers
"""Scores `[..., tasks, runs]`; a flat array or list is one task."""

Values = Float[np.ndarray | np.floating, "*batch"]
Aggregate = Callable[[Any], np.ndarray | np.floating]
"""A function from scores `[..., tasks, runs]` to `[...]`."""


def as_numbers(values: Any, what: str = "The scores") -> Float[np.ndarray, "..."]:
    """Numbers of any kind, in an array or nested lists, as an array of floats.

    Raises:
        ConfigurationError: if they are no numbers, or lists of unequal lengths.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.array(None)
    right = array.dtype.kind in "iufb" or (array.dtype.kind == "O" and all(_is_number(x) for x in array.flat))
    if not right:
        raise ConfigurationError(
            f"{what} should be numbers in an array [tasks, runs], or lists of equal length; fill up with NaN where a "
            "task has fewer runs."
        )
    return array.astype(np.float64, copy=False)


def as_scores(values: Any, batched: bool = True) -> Float[np.ndarray, "*batch tasks runs"]:
    """Scores as an array `[..., tasks, runs]` of floats; a flat array or list is one task.

    Args:
        values: an array or nested lists of numbers.
        batched: whether axes before those of tasks and runs are allowed.

    Raises:
        ConfigurationError: if they are no numbers, or have no such shape.
    """
    scores = as_numbers(values)
    if scores.ndim == 1:
        scores = scores[None]
    shape = list(scores.shape)
    require(
        scores.ndim == 2 or (batched and scores.ndim > 2),
        f"Scores have the shape [tasks, runs], one row per task and one column per run; these have {shape}.",
    )
    return scores


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def iqm(scores: Numbers, axis: int = -1) -> Float[np.ndarray | np.floating, "..."]:
    """The interquartile mean: the mean of what remains when the lowest and the highest quarter are dropped.

    A quarter is `floor(n / 4)` scores, so up to three scores have their plain mean; equals `scipy.stats.trim_mean(x,
    0.25)`. Less sensitive to outliers than the mean, and less biased and more certain than the median. NaN if any score
    is NaN, which trimming would take for the best of all.

    Args:
        scores: finite or infinite numbers.
        axis: the axis along which scores are averaged, any that they have.

    Raises:
        ConfigurationError: if there are no scores, or they are no numbers.

    Source: Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice, arXiv:2108.13264.
    """
    scores = as_numbers(scores)
    require(scores.ndim > 0 and scores.shape[axis] > 0, "The interquartile mean of no scores is undefined.")
    unknown = np.isnan(scores).any(axis=axis)
    return np.where(unknown, np.nan, trimmed_mean(np.moveaxis(scores, axis, -1)))[()]


def trimmed_mean(scores: Numbers) -> Values:
    """The interquartile mean over the last axis of those scores that are not NaN; NaN where there are none."""
    scores = as_numbers(scores)
    ordered = np.sort(scores, axis=-1)  # NaN last
    size = scores.shape[-1]
    if size and not np.isnan(ordered[..., -1]).any():
        cut = size // 4
        with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, as it should be
            return ordered[..., cut : size - cut].mean(axis=-1)
    count = size - np.isnan(ordered).sum(axis=-1, keepdims=True)
    cut = count // 4
    place = np.arange(size)
    total = np.where((place >= cut) & (place < count - cut), ordered, 0.0).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return total / (count - 2 * cut)[..., 0]


def known_mean(scores: Float[np.ndarray, "..."]) -> Values:
    """The mean over the last axis of those scores that are not NaN; NaN where there are none."""
    present = ~np.isnan(scores)
    if present.all():
        return scores.mean(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(present, scores, 0.0).sum(axis=-1) / present.sum(axis=-1)


def pooled_iqm(scores: Scores) -> Values:
    """The interquartile mean over all runs of all tasks: rliable's `aggregate_iqm`.

    Trims whole tasks where scores differ more between tasks than between runs. With unequal numbers of runs, a task
    weighs as much as it has runs.

    Source: Agarwal et al. 2021, arXiv:2108.13264.
    """
    scores = as_scores(scores)
    return trimmed_mean(scores.reshape(*scores.shape[:-2], -1))


def task_iqm(scores: Scores) -> Values:
    """The interquartile mean over tasks of the interquartile mean over runs. Every task weighs the same.

    Not rliable's, which pools runs: see `pooled_iqm`.
    """
    return trimmed_mean(np.asarray(trimmed_mean(as_scores(scores))))


def mean(scores: Scores) -> Values:
    """The mean over tasks of the mean over runs: rliable's `aggregate_mean`. Every task weighs the same."""
    return known_mean(np.asarray(known_mean(as_scores(scores))))


def median(scores: Scores) -> Values:
    """The median over tasks of the mean over runs: rliable's `aggregate_median`.

    Says nothing about nearly half of the tasks. Of a single task it is that task's mean.

    Source: Agarwal et al. 2021, arXiv:2108.13264.
    """
    return _median(np.asarray(known_mean(as_scores(scores))))


def run_median(scores: Scores) -> Values:
    """The median over tasks of the median over runs."""
    return _median(np.asarray(_median(as_scores(scores))))


def optimality_gap(scores: Scores, goal: float | int = 1.0) -> Values:
    """How far scores fall short of a goal, on average: the mean over tasks and runs of `max(goal - score, 0)`.

    Equals rliable's `aggregate_optimality_gap` where all tasks have as many runs. Lower is better; meaningful only for
    normalized scores, for which the goal stands for a solved task.

    Args:
        scores: normalized scores.
        goal: the score beyond which more is not counted, any number.

    Source: Agarwal et al. 2021, arXiv:2108.13264.
    """
    return known_mean(np.asarray(known_mean(np.maximum(goal - as_scores(scores), 0.0))))


AGGREGATES: dict[str, Aggregate] = {
    "pooled_iqm": pooled_iqm,
    "task_iqm": task_iqm,
    "mean": mean,
    "median": median,
    "run_median": run_median,
    "optimality_gap": optimality_gap,
}
"""The aggregates by name."""


def _median(scores: np.ndarray) -> np.ndarray | np.floating:
    ordered = np.sort(scores, axis=-1)
    last = scores.shape[-1] - np.isnan(ordered).sum(axis=-1, keepdims=True) - 1
    low, high = (np.take_along_axis(ordered, np.maximum(i, 0), axis=-1) for i in (last // 2, (last + 1) // 2))
    return ((low + high) / 2)[..., 0]
