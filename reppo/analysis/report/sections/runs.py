"""Every run."""

import math
from dataclasses import replace

import numpy as np

from reppo.analysis.curves.diagnostics import watched_metrics
from reppo.analysis.report.study import Study
from reppo.analysis.scores.arms import arms_in_order
from reppo.analysis.tables.table import Table
from reppo.results.formatting import natural_order


def runs_with_curves(study: Study) -> tuple[Table, tuple[tuple[float | None, ...], ...]]:
    """Every run with its outcome, and the shape of its curve."""
    spans: dict[str, tuple[float, float]] = {}
    for curve in study.curves:
        values = curve.returns[np.isfinite(curve.returns)]
        if values.size:
            low, high = spans.get(curve.environment, (math.inf, -math.inf))
            spans[curve.environment] = min(low, float(values.min())), max(high, float(values.max()))
    records, shapes = [], []
    watched = [one.metric for one in watched_metrics(study.results)]
    order = {arm: i for i, arm in enumerate(arms_in_order(study.results, study.base))}
    paired = sorted(
        zip(study.results, study.metrics, strict=True),
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
                **{metric: float(last.get(metric, math.nan)) for metric in watched},
            }
        )
        low, high = spans.get(record.environment, (0.0, 1.0))
        width = high - low if high > low else 1.0
        shapes.append(tuple(float((v - low) / width) if math.isfinite(v) else None for v in means))
    table = Table.of("runs", "Runs", records, tuple(records[0]), kinds={"seed": "count"})
    return replace(table, notes=("Metrics are those of the last report.",)), tuple(shapes)
