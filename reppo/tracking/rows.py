"""What sinks log of a chunk, from an event or from the tables of a run."""

import math
from collections.abc import Iterator, Mapping, Sequence

from reppo.results.run_folder import RunFolder


def row_of(returns: Sequence[float], metrics: Mapping[str, tuple[float, float, float]]) -> dict[str, float]:
    """The evaluation of a chunk, and mean, minimum and maximum of every metric."""
    row: dict[str, float] = {}
    if len(returns):
        finite = [value for value in returns if math.isfinite(value)]
        mean = sum(finite) / len(finite) if finite else math.nan
        row |= {"evaluation/return": mean, "evaluation/lowest": min(finite, default=math.nan)}
        row |= {"evaluation/highest": max(finite, default=math.nan)}
    for name, (mean, minimum, maximum) in metrics.items():
        row |= {name: mean, f"{name}.min": minimum, f"{name}.max": maximum}
    return row


def rows_on_disk(folder: RunFolder, before: float | int = math.inf) -> Iterator[tuple[int, dict[str, float]]]:
    """The rows that a run's tables hold from before a number of steps, each with its steps, ascending."""
    evaluations, metrics = folder.read_evaluations(), folder.read_metrics()
    for steps in sorted({*evaluations.environment_steps.tolist(), *metrics.environment_steps.tolist()}):
        if steps < before:
            returns = evaluations.returns[evaluations.environment_steps == steps].tolist()
            at = metrics.environment_steps == steps
            columns = (metrics.mean[at].tolist(), metrics.minimum[at].tolist(), metrics.maximum[at].tolist())
            names = [name for name, there in zip(metrics.names, at, strict=True) if there]
            yield steps, row_of(returns, dict(zip(names, zip(*columns, strict=True), strict=True)))
