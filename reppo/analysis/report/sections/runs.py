"""Every run."""

import math
from dataclasses import replace

import numpy as np

from reppo.analysis.curves.diagnostics import has_metric, watched_metrics
from reppo.analysis.report.content import RunCurve
from reppo.analysis.report.study import Study
from reppo.analysis.scores.arms import arms_in_order
from reppo.analysis.tables.table import Table
from reppo.results.formatting import natural_order


def runs_with_curves(study: Study) -> tuple[Table, tuple[RunCurve, ...]]:
    """Every run with its outcome, and its evaluations; those of settings of searches after all others."""
    records, curves = [], []
    results, metrics = [*study.results, *study.searched], [*study.metrics, *study.searched_metrics]
    watched = watched_metrics(results)
    order = {arm: i for i, arm in enumerate(arms_in_order(study.results, study.base))}
    order |= {arm: len(order) + i for i, arm in enumerate(arms_in_order(study.searched, ""))}
    paired = sorted(
        zip(results, metrics, strict=True),
        key=lambda pair: (order[pair[0].record.arm], natural_order(pair[0].record.environment), pair[0].record.seed),
    )
    for run, recorded in paired:
        record = run.record
        steps, means = run.evaluations.curve()
        finite = means[np.isfinite(means)]
        last = {name: value for name, value in zip(recorded.names, recorded.mean, strict=True)}
        records.append(
            {
                "arm": record.arm,
                "task": record.environment,
                "seed": record.seed,
                "status": record.status,
                "environment_steps": record.environment_steps,
                "final_return": float(finite[-1]) if finite.size else math.nan,
                "best_return": float(finite.max()) if finite.size else math.nan,
                "train_seconds": record.train_seconds,
                "steps_per_second": record.steps_per_second,
                "run_id": record.run_id,
                **{
                    one.metric: float(last.get(one.metric, math.nan)) if has_metric(record, one) else math.nan
                    for one in watched
                },
            }
        )
        returns = tuple(float(mean) if math.isfinite(mean) else None for mean in means)
        curves.append(RunCurve(environment_steps=tuple(int(step) for step in steps), returns=returns))
    table = Table.of("runs", "Runs", records, tuple(records[0]), kinds={"seed": "count"})
    return replace(table, notes=("Metrics are those of the last report.",)), tuple(curves)
