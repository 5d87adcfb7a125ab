"""Sample efficiency, wall-clock and memory of each arm on each task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from reppo.analysis.curves.learning import TimeToThreshold, time_to_threshold
from reppo.analysis.curves.learning_curves import LearningCurve
from reppo.analysis.statistics.intervals import Interval, interval
from reppo.analysis.statistics.over_time import area_under_curve
from reppo.results import RunData, RunRecord


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Axes:
    """What one arm needs on one task.

    Attributes:
        task: the task.
        arm: the arm.
        area: return averaged over training: interquartile mean over seeds.
        steps: environment steps to the threshold; None where the task has none.
        seconds: seconds of training and evaluation to it, without compilation: each run's share of its batch. Its
            horizon is the arm's own, as the same steps take each arm another time. None where there is no threshold,
            or no clock.
        steps_per_second: of all runs of a batch together, median over runs; NaN where unknown.
        compile_seconds: median over runs; NaN where unknown.
        program_bytes: memory of the compiled program, median over runs; NaN where unknown.
        lanes: of that program, the most of any run; 0 where unknown.
    """

    task: str
    arm: str
    area: Interval
    steps: TimeToThreshold | None
    seconds: TimeToThreshold | None
    steps_per_second: float
    compile_seconds: float
    program_bytes: float
    lanes: int


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class AtSeconds:
    """What one arm has reached on one task after as many seconds as all arms have had.

    Attributes:
        task: the task.
        arm: the arm.
        seconds: of training and evaluation, without compilation, a run's share of its batch.
        steps: environment steps by then, median over runs.
        score: return by then: interquartile mean over seeds; NaN where a run was not evaluated by then since it began.
    """

    task: str
    arm: str
    seconds: float
    steps: float
    score: Interval


def at_equal_seconds(curves: Sequence[LearningCurve]) -> list[AtSeconds]:
    """What each arm has reached on each task by the second at which the first run of any arm had ended.

    Between two evaluations returns are interpolated. An arm of which a run was not evaluated by then since it began has
    no score: what it would be given is a line from the untrained policy.

    Args:
        curves: of all arms, with all evaluations, not cut to equal steps.

    Returns:
        A row for each curve, in their order, of the tasks on which every run that was evaluated has a clock.
    """
    rows = []
    for task in dict.fromkeys(curve.environment for curve in curves):
        own = [curve for curve in curves if curve.environment == task and np.isfinite(curve.returns).any()]
        lines = [_over_seconds(curve) for curve in own]
        end = min((clock[-1] if len(clock) else 0.0 for arm in lines for clock, _, _ in arm), default=0.0)
        if end <= 0:
            continue
        for curve, arm in zip(own, lines, strict=True):
            found = interval(np.array([[np.interp(end, clock, returns) for clock, _, returns in arm]]))
            if any(len(clock) > 1 and clock[1] > end for clock, _, _ in arm):
                found = Interval(np.nan, np.nan, np.nan)
            low, high = np.clip((found.low, found.high), *curve.limits)
            rows.append(
                AtSeconds(
                    task=task,
                    arm=curve.arm,
                    seconds=float(end),
                    steps=float(np.median([np.interp(end, clock, steps) for clock, steps, _ in arm])),
                    score=Interval(found.estimate, float(low), float(high)),
                )
            )
    return rows


def _over_seconds(curve: LearningCurve) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each run that was evaluated, the seconds of its evaluations, their steps and returns, as far as known."""
    lines = []
    evaluated = np.isfinite(curve.returns).any(axis=1)
    for clock, returns in zip(curve.seconds[evaluated], curve.completed()[evaluated], strict=True):
        known = np.isfinite(clock) & np.isfinite(returns)
        lines.append((clock[known], curve.environment_steps[known].astype(np.float64), returns[known]))
    return lines


def axes(
    results: Sequence[RunData],
    curves: Sequence[LearningCurve],
    cuts: Mapping[str, int],
    thresholds: Mapping[str, float],
) -> list[Axes]:
    """The axes of each arm on each task, from what was measured.

    Args:
        results: the runs.
        curves: their learning curves.
        cuts: for each task the steps up to which runs count, the same for all arms.
        thresholds: for each task the return to be reached, as far as there is one.

    Returns:
        A row for each curve with an evaluation, in their order.
    """
    records: dict[tuple[str, str], list[RunRecord]] = {}
    for run in results:
        records.setdefault((run.record.environment, run.record.arm), []).append(run.record)
    whole = [curve.until(cuts[curve.environment]) for curve in curves if curve.environment in cuts]
    rows = []
    for curve in (curve for curve in whole if np.isfinite(curve.returns).any()):
        own, threshold = records[curve.environment, curve.arm], thresholds.get(curve.environment)
        steps = seconds = None
        if threshold is not None:
            steps = time_to_threshold(curve, threshold, horizon=float(cuts[curve.environment]))
            if (curve.seconds[np.isfinite(curve.returns)] > 0).any():
                seconds = time_to_threshold(curve, threshold, unit="seconds")
        found = interval(areas(curve)[None])
        low, high = np.clip((found.low, found.high), *curve.limits)
        rows.append(
            Axes(
                task=curve.environment,
                arm=curve.arm,
                area=Interval(found.estimate, float(low), float(high)),
                steps=steps,
                seconds=seconds,
                steps_per_second=_middle([record.steps_per_second for record in own]),
                compile_seconds=_middle([record.compile_seconds for record in own]),
                program_bytes=_middle([record.program_bytes for record in own]),
                lanes=max((record.width or 0 for record in own), default=0),
            )
        )
    return rows


def areas(curve: LearningCurve) -> Float[np.ndarray, " runs"]:
    """The return of each run averaged over training, of those that were evaluated; see `LearningCurve.completed`."""
    steps = curve.environment_steps.astype(np.float64)
    rows = [(row, np.isfinite(row)) for row in curve.completed()]
    return np.array([float(area_under_curve(steps[known], row[known])) for row, known in rows if known.any()])


def _middle(values: Sequence[float | int | None]) -> float:
    known = [float(value) for value in values if value is not None]
    return float(np.median(known)) if known else float("nan")
