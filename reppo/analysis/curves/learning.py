"""How fast and how reliably runs learn: time to a threshold, reliable improvement."""

from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from reppo.analysis.curves.learning_curves import LearningCurve
from reppo.analysis.statistics.aggregates import trimmed_mean
from reppo.analysis.statistics.intervals import Interval, share_interval, student_interval
from reppo.analysis.statistics.over_time import survival
from reppo.errors import require

Unit = Literal["steps", "seconds"]

LEARNED = 0.9
"""Share of an arm's improvement that makes the threshold where none was declared."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class TimeToThreshold:
    """When the runs of one arm first reached a threshold on one task.

    Attributes:
        environment: the task.
        arm: the arm.
        threshold: the return to be reached.
        unit: of the times, `"steps"` or `"seconds"`.
        times: for each seed, when it reached the threshold, or until when it was watched without reaching it.
        reached: which seeds reached it; the others are censored, not dropped.
        horizon: the time up to which the restricted mean is taken.
        restricted_mean: mean time to the threshold, where times beyond the horizon count as the horizon.
        median: the time by which half of the runs had reached it; infinite if fewer did within the horizon.
    """

    environment: str
    arm: str
    threshold: float
    unit: Unit
    times: Float[np.ndarray, " seeds"]
    reached: Bool[np.ndarray, " seeds"]
    horizon: float
    restricted_mean: Interval
    median: float


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ReliableImprovement:
    """The share of runs that reach a threshold and never fall below it after that.

    Attributes:
        environment: the task.
        arm: the arm.
        threshold: the return to be reached.
        environment_steps: the evaluations.
        share: for each of them the share of runs that have reached the threshold by then and never fallen below it.
        final: the share at the end, with its interval.
        falls: for each seed how often it fell below the threshold after it had reached it; to diverge is to fall.
    """

    environment: str
    arm: str
    threshold: float
    environment_steps: Int[np.ndarray, " steps"]
    share: Float[np.ndarray, " steps"]
    final: Interval
    falls: Int[np.ndarray, " seeds"]


def time_to_threshold(
    curve: LearningCurve,
    threshold: float | int,
    *,
    unit: Unit = "steps",
    horizon: float | int | None = None,
    confidence: float = 0.95,
) -> TimeToThreshold:
    """Steps or seconds until runs first evaluate at a threshold or above it.

    In steps a run that never did is censored at its last evaluation, if it is still running or was watched for less
    than others; one that diverged never will, so it counts as not having reached the threshold within any horizon. In
    seconds every run that never did counts with all that it took: runs of as many steps take unequal times, and one of
    a quick batch is not to be left out for that. Times are known only up to the interval between evaluations.

    Args:
        curve: the evaluations of one arm on one task.
        threshold: a mean evaluation return, any number.
        unit: `"steps"` or `"seconds"`.
        horizon: up to when the restricted mean is taken; None for the last evaluation of any run. Compare arms at the
            same horizon.
        confidence: of Student's interval of the restricted mean over seeds, from its jackknife pseudo-values, which are
            the times themselves where no run was watched for less than the horizon, in (0, 1).

    Raises:
        ConfigurationError: if no run was evaluated.

    Source: Kaplan and Meier 1958; Royston and Parmar 2013, Restricted Mean Survival Time; Andersen, Hansen and Klein
        2004, Regression Analysis of Restricted Mean Survival Time Based on Pseudo-Observations.
    """
    require(unit in get_args(Unit), f"unit={unit!r} is neither 'steps' nor 'seconds'.")
    known = np.isfinite(curve.returns)
    require(known.any(), f"No run of {curve.arm!r} on {curve.environment!r} was evaluated.")
    steps = np.broadcast_to(curve.environment_steps.astype(np.float64), known.shape)
    clock = np.where(known, steps, np.nan) if unit == "steps" else curve.seconds
    watched = known.any(axis=1) | curve.diverged
    clock, lost, returns = clock[watched], curve.diverged[watched], curve.returns[watched]
    above = returns >= threshold  # False where NaN
    reached = np.asarray(above.any(axis=1))
    first = np.take_along_axis(clock, np.argmax(above, axis=1)[:, None], axis=1)[:, 0]
    last = np.max(clock, axis=1, initial=-np.inf, where=np.isfinite(clock))
    times = np.where(reached, first, np.where(lost & (unit == "steps"), np.inf, last))
    horizon = float(last.max()) if horizon is None else float(horizon)
    if unit == "seconds":
        return _uncensored(curve, threshold, times, reached, horizon, confidence)
    restricted, medians = survival(times, reached, np.ones((1, len(times))), horizon)
    interval = Interval(float(restricted[0]), float("nan"), float("nan"))
    if len(times) > 1:
        without, _ = survival(times, reached, 1.0 - np.eye(len(times)), horizon)
        found = student_interval(len(times) * restricted[0] - (len(times) - 1) * without, confidence)
        half = found.high - found.estimate
        interval = Interval(
            interval.estimate, max(interval.estimate - half, 0.0), min(interval.estimate + half, horizon)
        )
    return TimeToThreshold(
        environment=curve.environment,
        arm=curve.arm,
        threshold=float(threshold),
        unit=unit,
        times=times,
        reached=reached,
        horizon=horizon,
        restricted_mean=interval,
        median=float(medians[0]),
    )


def _uncensored(
    curve: LearningCurve,
    threshold: float | int,
    times: Float[np.ndarray, " seeds"],
    reached: Bool[np.ndarray, " seeds"],
    horizon: float,
    confidence: float,
) -> TimeToThreshold:
    """Where every run counts with the time that it took, whether it reached the threshold or not."""
    mean = student_interval(np.minimum(times, horizon), confidence)
    come = np.sort(np.where(reached & (times <= horizon), times, np.inf))
    return TimeToThreshold(
        environment=curve.environment,
        arm=curve.arm,
        threshold=float(threshold),
        unit="seconds",
        times=times,
        reached=reached,
        horizon=horizon,
        restricted_mean=Interval(mean.estimate, max(mean.low, 0.0), min(mean.high, horizon)),
        median=float(come[(len(come) - 1) // 2]),
    )


def learned_threshold(curve: LearningCurve) -> float | None:
    """The return that is 90% of the way from an arm's first evaluation to its last, by interquartile means.

    None where the arm gained no more than its seeds differ: that would be a threshold of noise.

    Args:
        curve: the evaluations of the base on one task.
    """
    common = curve.common_steps()
    returns = curve.completed()
    known = returns[np.isfinite(returns).any(axis=1)][:, common]
    line = np.asarray(trimmed_mean(known.T))
    if len(line) < 2 or line[-1] <= line[0]:
        return None
    if len(known) > 1 and line[-1] - line[0] < known[:, -1].std(ddof=1):
        return None
    return float(line[0] + LEARNED * (line[-1] - line[0]))


def reliable_improvement(curve: LearningCurve, threshold: float | int, confidence: float = 0.95) -> ReliableImprovement:
    """The share of runs that reach a threshold and never fall below it after that; a measure of our own.

    A run that falls and recovers is not reliable, however high it ends: a curve that is stopped at any time may be
    stopped there.

    Args:
        curve: the evaluations of one arm on one task. A run that diverged has fallen.
        threshold: a mean evaluation return, any number.
        confidence: of Wilson's interval of the final share, in (0, 1).

    Raises:
        ConfigurationError: if no run of the curve was evaluated.

    Source: Wilson 1927, for the interval.
    """
    known = np.isfinite(curve.returns)
    require(known.any(), f"No run of {curve.arm!r} on {curve.environment!r} was evaluated.")
    watched = known.any(axis=1) | curve.diverged
    kept = np.zeros((int(watched.sum()), known.shape[1]), np.bool_)
    falls = np.zeros(len(kept), np.int64)
    for i, row in enumerate(np.flatnonzero(watched)):
        above = reached = False
        for j in range(known.shape[1]):
            if known[row, j]:
                falls[i] += above and curve.returns[row, j] < threshold
                above = bool(curve.returns[row, j] >= threshold)
                reached |= above
            kept[i, j] = reached and not falls[i]
        if curve.diverged[row]:
            falls[i] += above
            last = np.flatnonzero(known[row])
            kept[i, last[-1] + 1 if last.size else 0 :] = False
    stayed = int((kept[:, -1] & (falls == 0)).sum())
    return ReliableImprovement(
        environment=curve.environment,
        arm=curve.arm,
        threshold=float(threshold),
        environment_steps=curve.environment_steps,
        share=kept.mean(axis=0),
        final=share_interval(stayed, len(kept), confidence),
        falls=falls,
    )
