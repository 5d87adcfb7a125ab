"""How fast and how reliably arms learn."""

import math

import numpy as np

from reppo.analysis.curves.learning import reliable_improvement, time_to_threshold
from reppo.analysis.curves.learning_curves import LearningCurve
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study
from reppo.analysis.scores.from_runs import cut_offs
from reppo.analysis.statistics.aggregates import trimmed_mean
from reppo.analysis.statistics.over_time import area_under_curve
from reppo.analysis.tables.table import Table

LEARNED = 0.9
"""Share of the base's improvement that makes the threshold of the table of learning."""


def section(study: Study) -> Section | None:
    """Steps to a threshold, and how many runs stay above it."""
    base = study.base
    records = []
    for environment, steps in cut_offs(study.results).items():
        own = [curve.until(steps) for curve in study.curves if curve.environment == environment]
        own = [curve for curve in own if np.isfinite(curve.returns).any()]
        reference = next((curve for curve in own if curve.arm == base), None)
        threshold = None if reference is None else _threshold(reference)
        if threshold is None:
            continue
        for curve in own:
            speed = time_to_threshold(curve, threshold, horizon=float(steps))
            reliable = reliable_improvement(curve, threshold)
            ends = speed.restricted_mean.low, speed.restricted_mean.high
            if ends[0] == ends[1]:  # equal times, as where no run has reached it, tell nothing of their spread
                ends = (math.nan, math.nan)
            records.append(
                {
                    "task": environment,
                    "arm": curve.arm,
                    "threshold": threshold,
                    "mean_steps_to_it": speed.restricted_mean.estimate,
                    "low": ends[0],
                    "high": ends[1],
                    "reached": int(speed.reached.sum()),
                    "runs": len(speed.reached),
                    "reliable": reliable.final.estimate,
                    "reliable_low": reliable.final.low,
                    "reliable_high": reliable.final.high,
                    "falls": int(reliable.falls.sum()),
                    "area": _area(curve),
                }
            )
    if not records:
        return None
    table = Table.of(
        "learning",
        "How fast and how reliably arms learn",
        records,
        (
            "task", "arm", "threshold", "mean_steps_to_it", "low", "high", "reached", "runs", "reliable",
            "reliable_low", "reliable_high", "falls", "area",
        ),
        kinds={"reliable": "share", "mean_steps_to_it": "steps"},
        intervals={"mean_steps_to_it": ("low", "high"), "reliable": ("reliable_low", "reliable_high")},
        notes=(
            f"Up to the last step at which all runs of the task were evaluated. Threshold: {LEARNED:.0%} of the way "
            "from the base's first evaluation to its last; a task on which the base gained no more than its seeds "
            "differ is left out. Mean steps: with Student's 95% interval, missing where all times are equal. A run "
            "that never reaches the threshold counts with the last step: where some did not, the mean is too low, "
            "and a difference of means may be larger or smaller. Reliable: the share of runs that reach it and never "
            "fall below it after that (Wilson's interval); falls: how often runs fell, all together. Area: return "
            "averaged over training, interquartile mean over seeds.",
        ),
    )  # fmt: skip
    return Section(key="learning", title="Speed and reliability", tables=(table,))


def _threshold(curve: LearningCurve) -> float | None:
    common = curve.common_steps()
    returns = curve.completed()
    known = returns[np.isfinite(returns).any(axis=1)][:, common]
    line = np.asarray(trimmed_mean(known.T))
    if len(line) < 2 or line[-1] <= line[0]:
        return None
    if len(known) > 1 and line[-1] - line[0] < known[:, -1].std(ddof=1):
        return None  # as for a scale: a threshold of noise
    return float(line[0] + LEARNED * (line[-1] - line[0]))


def _area(curve: LearningCurve) -> float:
    values = []
    for row in curve.completed():
        known = np.isfinite(row)
        if known.any():
            values.append(float(area_under_curve(curve.environment_steps[known].astype(np.float64), row[known])))
    return float(trimmed_mean(np.array(values))) if values else math.nan
