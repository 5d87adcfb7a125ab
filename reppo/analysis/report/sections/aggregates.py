"""Scores of each arm over tasks."""

from reppo.analysis import figures
from reppo.analysis.comparisons.summaries import aggregate, performance_profiles
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study
from reppo.analysis.tables.table import Table


def section(study: Study) -> Section | None:
    """Scores of each arm over the tasks that all have."""
    table, unit, base = study.table, study.unit, study.base
    if not table.common_tasks():
        return None
    names = ("task_iqm", "pooled_iqm", "mean", "median")
    names += () if table.normalization.identity else ("optimality_gap",)
    rows = aggregate(table, names)
    profiles = performance_profiles(table, resamples=500)
    methods = ", ".join(dict.fromkeys(f"{row.method}" for row in rows))
    own = Table.of(
        "aggregates",
        f"Aggregates of the {unit} over tasks",
        rows,
        ("arm", "aggregate", "estimate", "low", "high", "tasks", "runs", "fewest_runs", "method"),
        intervals={"estimate": ("low", "high")},
        notes=(
            "task_iqm: interquartile mean over tasks of that over runs; pooled_iqm: interquartile mean of all runs. "
            f"Intervals: 95%, over runs within tasks ({methods}); missing where a task has a single run, or where two "
            "runs of a task are all that task_iqm keeps.",
        ),
    )
    return Section(
        key="aggregates",
        title="Aggregates",
        text="Over the tasks that all arms have. The profile shows for each score how many runs are above it.",
        pictures=(
            ("aggregates", figures.plot_aggregates(rows, base, unit)),
            ("profiles", figures.plot_profiles(profiles, base, highlight=study.highlight, unit=unit)),
        ),
        tables=(own,),
    )
