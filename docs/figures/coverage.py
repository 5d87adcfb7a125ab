"""Measures the coverage of intervals, and makes the figure and the tables of docs/statistics.md from it.

python docs/figures/coverage.py measure normal 25 10   # one cell, appended to coverage.csv (up to 5 minutes)
python docs/figures/coverage.py measure                # all 60 cells, about an hour of one core
python docs/figures/coverage.py draw                   # coverage.svg, and the tables on the terminal
"""

import csv
import dataclasses
import sys
from pathlib import Path
from typing import Any

from reppo.analysis.statistics.coverage import DISTRIBUTIONS, Coverage, measure_coverage

TABLE = Path(__file__).with_name("coverage.csv")
FIGURE = Path(__file__).with_name("coverage.svg")
TASKS, RUNS = (1, 5, 25), (3, 5, 10, 20)
LABELS = {"student3": "Student, 3 degrees"}
DEFAULTS = {"mean": "student", "task_iqm": "student"}
STYLES = {
    "percentile": ("#0072B2", "s"),
    "bca": ("#E69F00", "^"),
    "studentized": ("#CC79A7", "D"),
    "student": ("#009E73", "v"),
    "widened": ("#000000", "o"),
}


def measure(distribution: str, tasks: int, runs: int) -> None:
    """Measures one cell and appends its rows."""
    resamples = 1000 if tasks < 25 else 500 if runs < 20 else 300
    aggregates = ("pooled_iqm", "mean", "run_median", *(("task_iqm", "median") if tasks > 1 else ()))
    rows = []
    for paired in (False, True):
        seed = 1000 * tasks + 10 * runs + paired
        settings: Any = {"tasks": tasks, "runs": runs, "resamples": resamples, "seed": seed}
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


def covered() -> dict[tuple[str, bool, str, str, int, int], float]:
    """Coverage in percent by aggregate, whether paired, method, distribution, tasks and runs."""
    with TABLE.open(newline="") as file:
        return {
            (
                row["aggregate"],
                row["paired"] == "True",
                row["method"],
                row["distribution"],
                int(row["tasks"]),
                int(row["runs"]),
            ): 100 * float(row["covered"])
            for row in csv.DictReader(file)
        }


def draw() -> None:
    """Draws the coverage of all methods for `pooled_iqm`, one panel per distribution and number of tasks."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    found = covered()
    with matplotlib.rc_context({"font.size": 8.5, "svg.fonttype": "none", "svg.hashsalt": "coverage"}):
        figure = Figure(figsize=(7.2, 8.6), layout="constrained")
        panels = figure.subplots(len(DISTRIBUTIONS), len(TASKS), sharex=True, sharey=True)
        for row, distribution in zip(panels, DISTRIBUTIONS, strict=True):
            for panel, tasks in zip(row, TASKS, strict=True):
                panel.axhspan(93, 97, color="#000000", alpha=0.08, linewidth=0)
                panel.axhline(95, color="#000000", linewidth=0.6)
                for method, (color, marker) in STYLES.items():
                    values = [found.get(("pooled_iqm", False, method, distribution, tasks, n)) for n in RUNS]
                    shown = [(i, max(v, 70.0)) for i, v in enumerate(values) if v is not None]
                    panel.plot(
                        [i for i, _ in shown],
                        [v for _, v in shown],
                        color=color,
                        marker=marker,
                        markersize=4,
                        linewidth=1.2,
                    )
                panel.set_xticks(range(len(RUNS)), [str(n) for n in RUNS])
                panel.set_ylim(69, 100.5)
                panel.spines[["top", "right"]].set_visible(False)
                if panel in panels[0]:
                    panel.set_title(f"{tasks} task{'s' if tasks > 1 else ''}", fontsize=9)
                if panel in panels[-1]:
                    panel.set_xlabel("seeds")
            row[0].set_ylabel(f"{LABELS.get(distribution, distribution)}\ncovered (%)")
        lines = [Line2D([], [], color=c, marker=m, markersize=4, linewidth=1.2) for c, m in STYLES.values()]
        figure.legend(lines, list(STYLES), loc="outside lower center", ncols=len(STYLES), frameon=False)
        figure.savefig(FIGURE, metadata={"Date": None})


def tables() -> str:
    """The coverage of the default method of each aggregate as Markdown tables."""
    found = covered()
    parts = []
    for aggregate, paired, title in (
        ("pooled_iqm", False, "`pooled_iqm`, and of one task `task_iqm`"),
        ("mean", True, "mean of paired differences"),
        ("task_iqm", False, "`task_iqm` over several tasks"),
        ("mean", False, "`mean`"),
        ("median", False, "`median` (of means over runs)"),
        ("run_median", False, "`run_median`"),
    ):
        method = DEFAULTS.get(aggregate, "widened")
        counts = [tasks for tasks in TASKS if tasks > 1 or aggregate not in ("task_iqm", "median")]
        heads = [f"{tasks} x {runs}" for tasks in counts for runs in RUNS]
        lines = [f"**{title}**, `{method}`; columns are tasks x seeds:", "", "| | " + " | ".join(heads) + " |"]
        lines.append("|---|" + "---:|" * len(heads))
        for distribution in DISTRIBUTIONS:
            values = [found.get((aggregate, paired, method, distribution, t, n)) for t in counts for n in RUNS]
            cells = ["" if v is None else f"{v:.1f}" if 93 <= v <= 97 else f"**{v:.1f}**" for v in values]
            lines.append(f"| {LABELS.get(distribution, distribution)} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    if sys.argv[1:] == ["draw"]:
        draw()
        print(tables())
    elif sys.argv[1:2] == ["measure"] and len(sys.argv) == 5:
        measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:] == ["measure"]:
        for cell in [(d, t, n) for d in DISTRIBUTIONS for t in TASKS for n in RUNS]:
            measure(*cell)
    else:
        sys.exit(__doc__)
