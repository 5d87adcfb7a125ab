"""How training went."""

from reppo.analysis import figures
from reppo.analysis.curves.diagnostics import training_diagnostics
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study
from reppo.analysis.tables.table import Table


def section(study: Study) -> Section | None:
    """The watched metrics of each arm."""
    base = study.base
    found = training_diagnostics(study.results, study.metrics, base)
    if not found:
        return None
    records = [
        {
            "arm": arm,
            "metric": one.metric,
            "median": float(one.median[-1]),
            "low": float(one.low[-1]),
            "high": float(one.high[-1]),
        }
        for arm, own in found.items()
        for one in own
    ]
    table = Table.of(
        "diagnostics",
        "Diagnostics at the end of training",
        records,
        ("arm", "metric", "median", "low", "high"),
        intervals={"median": ("low", "high")},
        notes=("Median over runs, and the middle 80% of them.",),
    )
    return Section(
        key="diagnostics",
        title="Training diagnostics",
        text="Median over all runs of an arm, with the middle 80%. Dotted red: the bound, where the spec has one.",
        pictures=(("diagnostics", figures.plot_diagnostics(found, base, highlight=study.highlight)),),
        tables=(table,),
    )
