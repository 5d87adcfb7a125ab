"""The table of costs, in Markdown. Imports no JAX."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reppo.results.formatting import human_bytes, human_count
from reppo.text import markdown_rows

NAMES = {
    "refresh_keys": "keys of new starts",
    "fresh_starts": "new starts",
    "random_starts": "new starts, with physics of their own",
    "policy_of": "policy, where it is computed",
    "act": "collection",
    "learn": "update",
    "judge": "evaluation",
}
"""The steps of an iteration and an evaluation, in words."""


def exponent(sizes: Sequence[float | int], costs: Sequence[float | int]) -> float:
    """The power of the size by which a cost grows: the slope of a line through their logarithms, by least squares.

    Args:
        sizes: positive, at least two that differ.
        costs: as many, positive.
    """
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def format_costs(data: Mapping[str, Any]) -> str:
    """The tables of what `costs.json` holds.

    Args:
        data: as `measure_points` gives it.
    """
    base = data["points"][0]
    lines = [f"# What {data['name']} costs on {data['environment']}", "", f"{data['machine']}.", ""]
    if "fault" in base:
        return "\n".join([*lines, f"It could not be measured: {base['fault']}"]) + "\n"
    lines += _steps(base)
    for axis, points in axes_of(data).items():
        lines += ["", f"## By {_words(axis)}", "", *_growth(axis, points)]
    faults = [
        f"{' and '.join(point['axes'])} {point['size']}: {point['fault']}"
        for point in data["points"]
        if "fault" in point
    ]
    if faults:
        lines += ["", "## Failed", "", *faults]
    return "\n".join(lines) + "\n"


def _steps(point: Mapping[str, Any]) -> list[str]:
    """What the steps of the base take, and in words what else it does."""
    seconds, steps = point["step_seconds"], point["steps_per_iteration"]
    rows = []
    for name, spent in seconds.items():
        made = point["evaluation_steps"] if name == "judge" else steps
        operations = point["operations"].get(name)
        product = point["product_seconds"].get(name)
        rows.append(
            [
                NAMES[name],
                _seconds(spent),
                human_count(made / spent),
                f"{operations / made / 1e6:.3g}" if operations else "",
                f"{operations / spent / 1e9:.3g}" if operations else "",
                f"{product / spent:.0%}" if product else "",
            ]
        )
    iteration = point["iteration_seconds"]
    rows.append(["an iteration, steps not waited for", _seconds(iteration), human_count(steps / iteration)])
    rows[-1] += [""] * 3
    header = ("step", "time", "environment steps/s", "MFLOP a step", "GFLOP/s", "of the rate of its products alone")
    compiled = f"{_seconds(point['compile_seconds'])}, from the cache {_seconds(point['again_seconds'])}"
    return [
        *markdown_rows(header, rows),
        "",
        f"Compilation: {compiled}. Memory: arrays {human_bytes(point['bytes'])}, at most "
        f"{human_bytes(point['peak_bytes'])} in all.",
    ]


def axes_of(data: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The points that could be measured along each axis, from the smallest."""
    whole = [point for point in data["points"] if "fault" not in point]
    axes = dict.fromkeys(axis for point in whole for axis in point["axes"])
    return {axis: sorted((p for p in whole if axis in p["axes"]), key=lambda point: point["size"]) for axis in axes}


def growth(points: Sequence[Mapping[str, Any]]) -> dict[str, list[float | int]]:
    """What grows along an axis: seconds and bytes at each of its points; evaluations as if episodes were as long."""
    rounds = [point["evaluation_rounds"] for point in points]
    judged = [point["step_seconds"]["judge"] for point in points]
    costs = {
        "iteration": [point["iteration_seconds"] for point in points],
        "evaluation": [rounds[0] / own * seconds for own, seconds in zip(rounds, judged, strict=True)],
        "compilation": [point["compile_seconds"] for point in points],
        "arrays": [point["bytes"] for point in points],
        "memory in all": [point["peak_bytes"] for point in points],
    }
    return {name: numbers for name, numbers in costs.items() if all(numbers)}


def growths(data: Mapping[str, Any]) -> dict[str, tuple[list[int], dict[str, list[float | int]]]]:
    """Of each axis with two sizes what they are, in words, with the sizes and the costs at them."""
    axes = {axis: points for axis, points in axes_of(data).items() if len(points) > 1}
    return {_words(axis): ([point["size"] for point in points], growth(points)) for axis, points in axes.items()}


def _words(axis: str) -> str:
    """What sizes of an axis are."""
    return {"environments": "times as many environments", "width": "times the width of networks"}.get(axis, axis)


def _growth(axis: str, points: Sequence[Mapping[str, Any]]) -> list[str]:
    sizes = [point["size"] for point in points]
    header = ["", *(str(size) for size in sizes), *(["grows by the power"] if len(sizes) > 1 else [])]
    rows = []
    for name, numbers in growth(points).items():
        form = human_bytes if name in ("arrays", "memory in all") else _seconds
        power = [f"{exponent(sizes, numbers):.2f}"] if len(sizes) > 1 else []
        rows.append([name, *map(form, numbers), *power])
    return markdown_rows(header, rows)


def _seconds(seconds: float | int) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
