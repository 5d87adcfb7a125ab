"""Measures the coverage of intervals, and draws the table and the figure of docs/statistics.md.

python docs/figures/coverage.py measure normal 25 10   # one cell after the other, appended to coverage.csv
python docs/figures/coverage.py draw                   # coverage.svg and coverage.md from coverage.csv
"""

import csv
import dataclasses
import sys
from pathlib import Path
from typing import Any

from reppo.analysis.coverage import Coverage, measure_coverage

HERE = Path(__file__).parent
TABLE = HERE / "coverage.csv"
TASKS, RUNS = (1, 5, 25), (3, 5, 10, 20)


def measure(distribution: str, tasks: int, runs: int) -> None:
    """Measures one cell and appends its rows."""
    resamples = 1000 if tasks < 25 else 500
    aggregates = ("pooled_iqm", "mean", "run_median", *(("task_iqm", "median") if tasks > 1 else ()))
    rows = []
    for paired in (False, True):
        settings: Any = {
            "tasks": tasks,
            "runs": runs,
            "resamples": resamples,
            "seed": 1000 * tasks + 10 * runs + paired,
        }
        rows += measure_coverage(distribution, paired=paired, aggregates=aggregates, **settings)
    new = not TABLE.exists()
    with TABLE.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow([field.name for field in dataclasses.fields(Coverage)])
        for row in rows:
            data = dataclasses.asdict(row)
            data["covered"], data["width"] = f"{row.covered:.5f}", f"{row.width:.4g}"
            writer.writerow(data.values())


if __name__ == "__main__":
    measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
