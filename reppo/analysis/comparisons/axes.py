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
