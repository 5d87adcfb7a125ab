"""How fast and how reliably arms learn."""

import math

import numpy as np

from reppo.analysis.comparisons.axes import areas
from reppo.analysis.curves.learning import LEARNED, reliable_improvement, time_to_threshold
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study
from reppo.analysis.statistics.aggregates import trimmed_mean
from reppo.analysis.tables.table import Table


def section(study: Study) -> Section | None:
    """Steps to a threshold, and how many runs stay above it."""
    records = []
    for environment, steps in study.cuts.items():
        threshold = study.thresholds.get(environment)
        if threshold is None:
            continue
        own = [curve.until(steps) for curve in study.curves if curve.environment == environment]
        for curve in (curve for curve in own if np.isfinite(curve.returns).any()):
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
                    "area": float(trimmed_mean(areas(curve))),
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
            f"Up to the last step at which all runs of the task were evaluated. {thresholds_in_words(study)} Mean "
            "steps: with Student's 95% interval, missing where all times are equal. A run that never reaches the "
            "threshold counts with the last step: where some did not, the mean is too low, and a difference of means "
            "may be larger or smaller. Reliable: the share of runs that reach it and never fall below it after that "
            "(Wilson's interval); falls: how often runs fell, all together. Area: return averaged over training, "
            "interquartile mean over seeds.",
        ),
    )  # fmt: skip
    return Section(key="learning", title="Speed and reliability", tables=(table,))


def thresholds_in_words(study: Study) -> str:
    """Where the thresholds are from."""
    derived = f"{LEARNED:.0%} of the way from the base's first evaluation to its last; a task on which the base gained "
    derived += "no more than its seeds differ is left out."
    declared = [task for task in study.cuts if task in study.declared]
    if not declared:
        return f"Threshold: {derived}"
    others = len(study.cuts) > len(declared)
    return "Threshold: declared with the experiment" + (
        f" on {', '.join(declared)}; on others {derived}" if others else "."
    )
