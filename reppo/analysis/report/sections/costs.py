"""What runs cost."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reppo.analysis import figures
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study
from reppo.analysis.scores.arms import arms_in_order
from reppo.analysis.tables.table import Table
from reppo.results import RunData


def section(study: Study) -> Section | None:
    """Time and memory of each arm."""
    results, base = study.results, study.base
    records = []
    for arm in arms_in_order(results, base):
        own = [run.record for run in results if run.record.arm == arm]

        def middle(name: str, own: Sequence[Any] = own) -> float:
            values = [value for record in own if (value := getattr(record, name)) is not None]
            return float(np.median(values)) if values else math.nan

        records.append(
            {
                "arm": arm,
                "steps_per_second": middle("steps_per_second"),
                "train_seconds": middle("train_seconds"),
                "compile_seconds": middle("compile_seconds"),
                "program_mebibytes": middle("program_bytes") / 2**20,
                "runs": len(own),
            }
        )
    if all(math.isnan(row["steps_per_second"]) for row in records):
        return None
    table = Table.of(
        "costs",
        "What runs cost",
        records,
        tuple(records[0]),
        notes=(
            "Medians over runs on all tasks. Speed and time are those of a batch: all of its runs together, training "
            "and evaluation. Program: memory of the arrays of the runs that train at the same time, on all devices.",
        ),
    )
    grown = memory_growth(results)
    return Section(
        key="costs",
        title="Time and memory",
        pictures=(("costs", figures.plot_costs(results, base)),),
        tables=(table, grown) if len(grown) else (table,),
    )


def memory_growth(results: Sequence[RunData]) -> Table:
    """How much more memory the programs of settings take than that of what they start from, with as many lanes.

    Settings that change no sizes are left out.

    Args:
        results: runs.
    """
    bytes_of: dict[tuple[str, str], set[tuple[int | None, int]]] = {}
    for run in results:
        if run.record.program_bytes is not None:
            key = run.record.environment, run.record.arm
            bytes_of.setdefault(key, set()).add((run.record.width, run.record.program_bytes))
    starts = {run.record.rival: run.record.arm for run in results if not run.record.ablations}
    records = {run.record.arm: run.record for run in results if run.record.settings and run.record.rival in starts}
    grown: list[dict[str, Any]] = []
    for task, arm in bytes_of:
        record = records.get(arm)
        if record is None or not record.settings or len(record.settings) != len(record.ablations):
            continue
        start = starts[record.rival]
        of_start = dict(bytes_of.get((task, start), ()))
        for width, size in bytes_of[task, arm]:
            if width in of_start and abs(size / of_start[width] - 1) > _SAME_SIZE:
                shown = ", ".join(f"{path}={record.settings[path]}" for path in record.settings)
                first = of_start[width] / 2**20
                own = {"start_mebibytes": first, "mebibytes": size / 2**20, "times": size / of_start[width]}
                grown.append({"task": task, "start": start, "sets": shown, "lanes": width, **own})
    names = ("task", "start", "sets", "lanes", "start_mebibytes", "mebibytes", "times")
    order = {arm: i for i, arm in enumerate(arms_in_order(results, starts.get(None) or "base"))}
    grown.sort(key=lambda row: (row["task"], order[row["start"]], row["sets"].partition("=")[0], row["mebibytes"]))
    return Table.of(
        "memory_growth",
        "What memory grows with",
        grown,
        names,
        kinds={"lanes": "count"},
        notes=("Memory of the compiled program with as many lanes, beside that of what the setting starts from.",),
    )


_SAME_SIZE = 0.005
