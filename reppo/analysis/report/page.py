"""The report as one HTML page that needs nothing else: no network, no other file."""

import json
import math
from collections.abc import Sequence
from typing import Any, TypeVar

from reppo.analysis.report.content import Report, RunCurve
from reppo.analysis.templates import render, source

_SHOWN = ("arm", "task", "seed", "status", "environment_steps", "final_return", "best_return", "train_seconds")
_LABELED = ("arm", "task", "status")
_CURVE_POINTS = 25
_HEIGHTS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FEW_VALUES = 30

T = TypeVar("T")


def to_html(report: Report) -> str:
    """The whole page."""
    links = [("answer", "Answer"), *((s.key, s.title) for s in report.sections), ("all-runs", "Runs")]
    page = render(
        "page.html",
        report=report,
        heading="h2",
        links=links,
        shown=_SHOWN,
        labeled=_LABELED,
        spec=json.dumps(report.base_spec, indent=1),
        data=run_data(report),
        style=source("page.css"),
        script=source("page.js"),
    )
    return f"{page}\n"


def run_data(report: Report) -> str:
    """The runs as JSON, by columns: what takes few values as places in a list, other numbers with four digits."""
    labels: list[list[Any] | None] = []
    values: list[list[Any]] = []
    for name, column in report.runs.columns.items():
        if name in _LABELED:
            words = list(dict.fromkeys(column))
            where = {label: i for i, label in enumerate(words)}
            labels.append(words)
            values.append([where[label] for label in column])
        else:
            numbers = [_compact(value) for value in column]
            known = list(dict.fromkeys(numbers))
            few = len(known) <= min(_FEW_VALUES, len(numbers) // 4)
            place = {value: i for i, value in enumerate(known)}
            labels.append(known if few else None)
            values.append([place[value] for value in numbers] if few else numbers)
    kept = [i for i, column in enumerate(values) if labels[i] != [None] and any(v is not None for v in column)]
    names = list(report.runs.columns)
    data = {
        "columns": [names[i] for i in kept],
        "shown": [name for name in _SHOWN],
        "numeric": [not report.runs.is_text(names[i]) for i in kept],
        "labels": [labels[i] for i in kept],
        "values": [values[i] for i in kept],
        **_curve_data(report.runs["task"], report.curves),
    }
    for name in _SHOWN:  # columns of the table stay, even if nothing is known
        if name not in data["columns"]:
            data["columns"].append(name)
            data["numeric"].append(True)
            data["labels"].append(None)
            data["values"].append([None] * len(report.runs))
    # A browser looks for the end, and for comments, of a script in its text: a "<" never stands in it.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _compact(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if not math.isfinite(value):
        return None
    if float(value).is_integer():
        return int(value)
    rounded = float(round(value)) if abs(value) >= 1000 else float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() else rounded


def _curve_data(tasks: Sequence[str], curves: Sequence[RunCurve]) -> dict[str, Any]:
    """The curves of runs in few letters, and what their axes need: the returns of a task, steps that runs share."""
    spans: dict[str, tuple[float, float]] = {}
    for task, curve in zip(tasks, curves, strict=True):
        known = [value for value in (*spans.get(task, ()), *curve.returns) if value is not None]
        if known:
            spans[task] = min(known), max(known)
    clocks: dict[tuple[int, ...], int] = {}
    places = [clocks.setdefault(tuple(_thin(curve.environment_steps)), len(clocks)) for curve in curves]
    return {
        "curves": [_letters(curve, spans.get(task)) for task, curve in zip(tasks, curves, strict=True)],
        "heights": _HEIGHTS,
        "spans": {task: [_compact(end) for end in ends] for task, ends in spans.items()},
        "clocks": [list(clock) for clock in clocks],
        "clock": places if len(clocks) > 1 else [],
    }


def _letters(curve: RunCurve, span: tuple[float, float] | None) -> str:
    """The points of a curve, each a letter for its height in the span from 0 to 63; a dot for none."""
    low, high = span or (0.0, 1.0)
    width = high - low or 1.0
    return "".join("." if v is None else _HEIGHTS[round(63 * (v - low) / width)] for v in _thin(curve.returns))


def _thin(values: Sequence[T]) -> list[T]:
    """At most `_CURVE_POINTS` of them, the first and the last among these."""
    count = len(values)
    if count <= _CURVE_POINTS:
        return list(values)
    return [values[i] for i in sorted({round(i * (count - 1) / (_CURVE_POINTS - 1)) for i in range(_CURVE_POINTS)})]
