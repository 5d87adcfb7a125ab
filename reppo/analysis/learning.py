"""How fast and how reliably runs learn: area under the curve, time to a threshold, reliable improvement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from reppo.analysis.aggregates import Numbers, as_numbers
from reppo.analysis.confidence import Interval, student_interval
from reppo.analysis.curves import LearningCurve
from reppo.errors import require

Unit = Literal["steps", "seconds"]


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


def area_under_curve(steps: Numbers, returns: Numbers) -> Float[np.ndarray | np.floating, "*batch"]:
    """The return averaged over training: the area under the curve over its length, by the trapezoidal rule.

    Starts at the first evaluation. Of a single evaluation it is that evaluation.

    Args:
        steps: ascending, at least one.
        returns: `[..., points]`, finite.
    """
    steps, returns = as_numbers(steps, "The steps"), as_numbers(returns, "The returns")
    require(len(steps) > 0, "There is no evaluation to average.")
    if len(steps) == 1:
        return returns[..., 0]
    return np.trapezoid(returns, steps, axis=-1) / (steps[-1] - steps[0])


def kaplan_meier(
    times: Numbers, reached: Bool[np.ndarray, " runs"] | Sequence[bool]
) -> tuple[Float[np.ndarray, " events"], Float[np.ndarray, " events"]]:
    """The share of runs that have not reached a threshold yet, estimated with runs watched for unequal times.

    Args:
        times: when a run reached the threshold, or until when it was watched.
        reached: whether it did.

    Returns:
        The times at which a run reached it, ascending, and the share that had not right after.

    Source: Kaplan and Meier 1958, Nonparametric Estimation from Incomplete Observations.
    """
    times, reached = as_numbers(times, "The times"), np.asarray(reached, np.bool_)
    events = np.unique(times[reached])
    at_risk = (times[None] >= events[:, None]).sum(axis=1)
    happened = ((times[None] == events[:, None]) & reached[None]).sum(axis=1)
    return events, np.cumprod(1 - happened / np.maximum(at_risk, 1))


def time_to_threshold(
    curve: LearningCurve,
    threshold: float | int,
    *,
    unit: Unit = "steps",
    horizon: float | int | None = None,
    confidence: float = 0.95,
) -> TimeToThreshold:
    """Steps or seconds until runs first evaluate at a threshold or above it.

    A run that never did is censored at its last evaluation, if it is still running or was watched for less than
    others; one that diverged never will, so it counts as not having reached the threshold within any horizon. Times are
    known only up to the interval between evaluations.

    Args:
        curve: the evaluations of one arm on one task.
        threshold: a mean evaluation return.
        unit: `"steps"` or `"seconds"`.
        horizon: up to when the restricted mean is taken; None for the last evaluation of any run. Compare arms at the
            same horizon.
        confidence: of Student's interval of the restricted mean over seeds, from its jackknife pseudo-values, which are
            the times themselves where no run was watched for less than the horizon.

    Raises:
        ConfigurationError: if no run was evaluated.

    Source: Kaplan and Meier 1958; Royston and Parmar 2013, Restricted Mean Survival Time; Andersen, Hansen and Klein
        2004, Regression Analysis of Restricted Mean Survival Time Based on Pseudo-Observations.
    """
    require(unit in get_args(Unit), f"unit={unit!r} is neither 'steps' nor 'seconds'.")
    known = np.isfinite(curve.returns)
    require(known.any(), f"No run of {curve.arm!r} on {curve.environment!r} was evaluated.")
    clock = np.broadcast_to(curve.environment_steps.astype(np.float64), known.shape)
    clock = np.where(known, clock if unit == "steps" else curve.seconds, np.nan)
    watched = known.any(axis=1) | curve.diverged
    clock, lost, returns = clock[watched], curve.diverged[watched], curve.returns[watched]
    above = returns >= threshold  # False where NaN
    reached = np.asarray(above.any(axis=1))
    first = np.take_along_axis(clock, np.argmax(above, axis=1)[:, None], axis=1)[:, 0]
    last = np.max(clock, axis=1, initial=-np.inf, where=np.isfinite(clock))
    times = np.where(reached, first, np.where(lost, np.inf, last))
    horizon = float(last.max()) if horizon is None else float(horizon)
    restricted, medians = _survival(times, reached, np.ones((1, len(times))), horizon)
    interval = Interval(float(restricted[0]), float("nan"), float("nan"))
    if len(times) > 1:
        without, _ = _survival(times, reached, 1.0 - np.eye(len(times)), horizon)
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


def reliable_improvement(curve: LearningCurve, threshold: float | int, confidence: float = 0.95) -> ReliableImprovement:
    """The share of runs that reach a threshold and never fall below it after that; a measure of our own.

    A run that falls and recovers is not reliable, however high it ends: a curve that is stopped at any time may be
    stopped there.

    Args:
        curve: the evaluations of one arm on one task. A run that diverged has fallen.
        threshold: a mean evaluation return.
        confidence: of Wilson's interval of the final share.

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


def share_interval(successes: int, runs: int, confidence: float = 0.95) -> Interval:
    """Wilson's interval of a share: sensible also for 0 or all of a few runs.

    Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    from scipy import stats

    require(0 <= successes <= runs and runs > 0, f"{successes} of {runs} runs is not a share.")
    z2 = stats.norm.ppf((1 + confidence) / 2) ** 2
    share = successes / runs
    center = (share + z2 / (2 * runs)) / (1 + z2 / runs)
    half = np.sqrt(z2 * (share * (1 - share) / runs + z2 / (4 * runs**2))) / (1 + z2 / runs)
    return Interval(share, float(max(0.0, center - half)), float(min(1.0, center + half)))


def _survival(
    times: np.ndarray, reached: np.ndarray, weights: np.ndarray, horizon: float
) -> tuple[np.ndarray, np.ndarray]:
    """The restricted mean and the median time for each row of weights of the runs `[batch, runs]`."""
    events = np.unique(times[reached & (times < horizon)])
    if not events.size:
        return np.full(len(weights), horizon), np.full(len(weights), np.inf)
    at_risk = weights @ (times[:, None] >= events)
    happened = weights @ ((times[:, None] == events) & reached[:, None])
    left = np.cumprod(1 - happened / np.maximum(at_risk, 1), axis=1)
    lengths = np.diff(np.append(events, horizon))
    half = left <= 0.5 + 1e-12
    median = np.where(half.any(axis=1), events[np.argmax(half, axis=1)], np.inf)
    return events[0] + left @ lengths, median
