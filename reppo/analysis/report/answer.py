"""The sentences at the top of a report: what is asked, how well the base does, how its scores came about."""

import math
from collections.abc import Sequence

import numpy as np

from reppo.analysis.comparisons.summaries import AggregateRow, aggregate
from reppo.analysis.figures.style import decimals
from reppo.analysis.report.study import Study
from reppo.results.formatting import human_count


def question(study: Study) -> str:
    """What the experiment asks."""
    table, base = study.table, study.base
    where = f"{len(table.tasks)} tasks" if len(table.tasks) > 1 else "".join(table.tasks)
    if not study.several:
        return f"How well does {base} learn {where}?"
    many = len(table.arms) > 2
    others = f"{len(table.arms) - 1} arms" if many else "".join(table.arms[1:])
    return f"What {'do' if many else 'does'} {others} change on {where}, compared with {base} seed by seed?"


def summary(study: Study) -> str:
    """How well the base does."""
    own = study.table.select(arms=(study.base,))
    lead = aggregate(own, ("pooled_iqm",)) if own.common_tasks() else []
    return base_sentence(lead, study.base, study.unit, own.common_tasks())


def score(study: Study) -> str:
    """How the scores came about, and whether the same seed gives the same ones."""
    return f"{study.table.describe()}{_budget(study)} {_repeatability(study)}"


def base_sentence(rows: Sequence[AggregateRow], base: str, unit: str, tasks: Sequence[str]) -> str:
    """How well the base does.

    Args:
        rows: an aggregate of the base's own runs.
        base: its name.
        unit: what scores are called.
        tasks: those on which it has a score.
    """
    row = next((row for row in rows if row.arm == base and math.isfinite(row.estimate)), None)
    if row is None:
        return f"{base} has no score yet."
    digits = decimals([row.estimate])
    text = f"{base} reaches {_minus(row.estimate, digits)}"
    if math.isfinite(row.low):
        text += f" [{_minus(row.low, digits)}, {_minus(row.high, digits)}]"
    runs = f"{row.runs} run{'' if row.runs == 1 else 's'}"
    over = f"over {row.tasks} tasks" if row.tasks > 1 else f"on {tasks[0]}"
    return f"{text}: interquartile mean of the {unit} of all runs {over} ({runs})."


def _minus(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\u2212")


def _budget(study: Study) -> str:
    raw = study.raw
    steps = raw.environment_steps[np.isfinite(raw.scores) & ~raw.diverged]
    if not steps.size:
        return ""
    low, high = human_count(int(steps.min())), human_count(int(steps.max()))
    span = low if low == high else f"{low} to {high}"
    if study.unequal == "iterations":
        return f" Iterations of the arms differ in length: runs are compared at equal steps up to one of them ({span})."
    if study.unequal:
        at = "the last step at which all runs were evaluated"
        return f" Runs have come unequally far; each task is compared at {at} ({span})."
    return f" Runs went on for {span} steps."


def _repeatability(study: Study) -> str:
    """Whether the same seed gives the same numbers on the devices in use, and what a pair then shares."""
    devices = {
        run.record.device or run.record.backend or "a device that was not recorded"
        for run in study.results
        if run.record.backend != "cpu"
    }
    if not devices:
        text = "On a CPU the same seed gives the same numbers, with the same versions, width and kind of machine"
        return f"{text}, so a pair shares everything that the arm does not change." if study.several else f"{text}."
    text = f"Whether the same seed gives the same numbers is not established on {', '.join(sorted(devices))}"
    if study.several:
        text += (
            "; where it does not, a pair shares starts, initial weights and episodes, but not the noise of the device, "
            "and pairing is worth less"
        )
    return f"{text}."
