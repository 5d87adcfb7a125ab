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
    return Section(
        key="costs", title="Time and memory", pictures=(("costs", figures.plot_costs(results, base)),), tables=(table,)
    )
