"""How training went: medians over runs of the metrics that tell whether an arm trained as intended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

from reppo.analysis.scores.arms import arms_in_order
from reppo.results import Metrics, RunData, RunRecord
from reppo.watched import Watched

POINTS = 41
"""Points of training at which diagnostics are taken."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Diagnostic:
    """One metric of one arm over training.

    Attributes:
        metric: its name in `metrics.csv`.
        title: what it is.
        progress: shares of training, from the first report that all runs have made to 1.
        median: median over runs.
        low: lowest tenth.
        high: highest tenth.
        limit: what the spec bounds it by, if all runs agree.
        logarithmic: whether it spans powers of ten.
    """

    metric: str
    title: str
    progress: Float[np.ndarray, " points"]
    median: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]
    limit: float | None
    logarithmic: bool


def watched_metrics(results: Sequence[RunData]) -> list[Watched]:
    """The metrics to watch that the records of runs name, each once, in their order.

    Records of schema 4 and below name none.
    """
    found: dict[str, Watched] = {}
    for run in results:
        for data in run.record.watched or ():
            found.setdefault(data["metric"], Watched.from_json(data))
    return list(found.values())


def has_metric(record: RunRecord, watched: Watched) -> bool:
    """Whether a run has a metric by its spec: what the metric is about is there (see `Watched.needs`)."""
    return watched.needs is None or any(value is not None for value in _values(record.spec, watched.needs))


def training_diagnostics(
    results: Sequence[RunData], metrics: Sequence[Metrics], base: str = "base"
) -> dict[str, list[Diagnostic]]:
    """Collects the watched metrics of each arm, as the records of its runs name them; arms without any are left out.

    A run without what a metric is about (`Watched.needs`) does not have it: a policy without a KL bound is in no
    diagnostic of its gate, rather than at 0.

    Args:
        results: runs.
        metrics: what each of them recorded, `run.folder.read_metrics()`, in the same order.
        base: the arm that comes first.
    """
    found: dict[str, list[Diagnostic]] = {}
    pairs = list(zip(results, metrics, strict=True))
    for arm in arms_in_order(results, base):
        own = [(run, recorded) for run, recorded in pairs if run.record.arm == arm]
        watched = watched_metrics([run for run, _ in own])
        diagnostics = [d for one in watched if (d := _diagnostic(one, own)) is not None]
        if diagnostics:
            found[arm] = diagnostics
    return found


def _diagnostic(watched: Watched, own: Sequence[tuple[RunData, Metrics]]) -> Diagnostic | None:
    progress = np.linspace(0, 1, POINTS)
    lines, limits = [], set()
    for run, recorded in own:
        rows = recorded.of(watched.metric)
        total = run.record.environment_steps
        if not len(rows.mean) or not total or not has_metric(run.record, watched):
            continue
        line = np.interp(progress, rows.environment_steps / total, rows.mean, left=np.nan)
        lines.append(np.where(np.isfinite(line) & ((line > 0) | (not watched.logarithmic)), line, np.nan))
        if watched.limit:
            limits |= {float(n) for n in _values(run.record.spec, watched.limit) if isinstance(n, int | float)}
    if not lines or not np.isfinite(lines).any():
        return None
    values = np.array(lines)
    known = np.isfinite(values)
    first = np.argmax(known, axis=1)[known.any(axis=1)]
    kept = known.any(axis=0) & (np.arange(POINTS) >= first.max())  # never of some runs first, and then of more
    low, median, high = np.nanquantile(values[:, kept], [0.1, 0.5, 0.9], axis=0)
    return Diagnostic(
        metric=watched.metric,
        title=watched.title,
        progress=progress[kept],
        median=median,
        low=low,
        high=high,
        limit=limits.pop() if len(limits) == 1 else None,
        logarithmic=watched.logarithmic,
    )


def _values(data: Any, name: str) -> Iterator[Any]:
    """Whatever has that name anywhere in a spec."""
    if isinstance(data, dict) and name in data:
        yield data[name]
    if isinstance(data, dict | list):
        for item in data.values() if isinstance(data, dict) else data:
            yield from _values(item, name)
