"""Each task by itself."""

import math
from collections.abc import Sequence

from reppo.analysis import figures
from reppo.analysis.comparisons.paired import PairedEffect
from reppo.analysis.comparisons.summaries import aggregate_tasks
from reppo.analysis.report.content import Section
from reppo.analysis.report.findings import LEVEL, seeds_in_reach
from reppo.analysis.report.study import Study
from reppo.analysis.tables.table import Table


def section(study: Study) -> Section:
    """Returns and differences on each task."""
    raw, effects = study.raw, study.raw_effects
    scores = {(row.arm, row.task): row for row in aggregate_tasks(raw)}
    paired = {(effect.arm, effect.task): effect for effect in effects}
    records = []
    for task in raw.tasks:
        for arm in raw.arms:
            row, effect = scores.get((arm, task)), paired.get((arm, task))
            if row is None:
                continue
            records.append(
                {
                    "task": task,
                    "arm": arm,
                    "iqm": row.estimate,
                    "low": row.low,
                    "high": row.high,
                    "difference": math.nan if effect is None else effect.estimate,
                    "difference_low": math.nan if effect is None else effect.low,
                    "difference_high": math.nan if effect is None else effect.high,
                    "p_holm": math.nan if effect is None else effect.p_holm,
                    "runs": row.runs,
                    "diverged": int(raw.diverged[raw.arm_index(arm), raw.tasks.index(task)].sum()),
                }
            )
    table = Table.of(
        "tasks",
        "Return on each task, and the difference from the base",
        records,
        (
            "task", "arm", "iqm", "low", "high", "difference", "difference_low", "difference_high", "p_holm", "runs",
            "diverged",
        ),
        kinds={"difference": "difference", "p_holm": "p"},
        intervals={"iqm": ("low", "high"), "difference": ("difference_low", "difference_high")},
        notes=(
            "IQM: interquartile mean over seeds. Difference: mean over seeds of the arm minus the base, with the "
            "interval of its test by itself. Arms are tested first: p is corrected over the tasks of an arm, and is at "
            "least that of the arm over all tasks." + _tasks_out_of_reach(effects),
        ),
    )  # fmt: skip
    known = any(e.task is not None and math.isfinite(e.estimate) for e in effects)
    pictures = (("differences", figures.plot_differences(effects, unit="return")),) if known else ()
    return Section(
        key="tasks",
        title="Task by task",
        text="Color: how much evidence there is for a difference, by its corrected p value. Bold: p below 0.05."
        if known
        else "",
        pictures=pictures,
        tables=(table,),
    )


def _tasks_out_of_reach(effects: Sequence[PairedEffect]) -> str:
    """Says so where no difference on a single task can be shown, and with how many seeds it could."""
    parts = [effect for effect in effects if effect.task is not None and effect.pairs]
    if not parts or min(effect.smallest_p_holm for effect in parts) < LEVEL:
        return ""
    most = max(parts, key=lambda effect: effect.differing)
    arms = [effect for effect in effects if effect.task is None and effect.pairs]
    tasks = next((effect.tasks for effect in arms if effect.arm == most.arm), 0)
    needed = seeds_in_reach(sum(effect.arm == most.arm for effect in parts), 1)
    if tasks:  # the arm over all tasks is tested first
        needed = max(needed, seeds_in_reach(len(arms), tasks))
    differing = f"{most.differing} pair{' that differs' if most.differing == 1 else 's that differ'}"
    return (
        f" On no single task can a difference be shown: at most {differing} give no p value below "
        f"{min(effect.smallest_p_holm for effect in parts):.2g} there; {needed} seeds could, if all pairs differ."
    )
