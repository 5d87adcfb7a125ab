"""The points at which costs are measured, each in a process of its own."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

from reppo.costs.table import format_costs
from reppo.errors import require, unknown_name
from reppo.results.files import write_atomically, write_json
from reppo.runtime.cache import ENVIRONMENT_VARIABLE
from reppo.runtime.processes import told
from reppo.spec import Spec, list_paths, replace_path, to_json
from reppo.text import counted
from reppo.training import BatchProgram

AXES = ("seeds", "environments", "width", "devices")
"""Along what costs are measured to grow."""

FACTORS = (1, 2, 4)
"""By what environments and widths are multiplied."""

SEEDS = (1, 2, 4, 8)

_MULTIPLIED = {
    "environments": ("algorithm.num_environments",),
    "width": ("algorithm.actor.width", "algorithm.critic.width"),
}


@final
class Point(NamedTuple):
    """What is measured in one process.

    Attributes:
        axes: along which it lies.
        size: on these axes: a number of seeds or devices, or a factor.
        spec: what is trained.
        seeds: how many runs of it, in one program.
        devices: most devices that they are split over.
    """

    axes: tuple[str, ...]
    size: int
    spec: Spec
    seeds: int
    devices: int


def points_of(spec: Spec, axes: Sequence[str], most_devices: int) -> list[Point]:
    """The base point, and those along axes.

    Args:
        spec: a resolved spec.
        axes: of `AXES`.
        most_devices: over how many devices lanes can be split here.

    Raises:
        ConfigurationError: if an axis is not known or changes nothing, or a program of this spec is not compiled as
            one.
    """
    for axis in axes:
        if axis not in AXES:
            raise unknown_name("axis", axis, AXES)
    require(BatchProgram.fits(spec), f"{spec.environment.name} steps on the host; only what JAX steps can be measured.")
    of_one = [axis for axis in axes if axis != "devices"]
    found = [Point(tuple(of_one), 1, spec, 1, 1)]
    for axis in of_one:
        if axis == "seeds":
            found += [Point((axis,), seeds, spec, seeds, most_devices) for seeds in SEEDS[1:]]
        else:
            found += [Point((axis,), factor, _larger(spec, _MULTIPLIED[axis], factor), 1, 1) for factor in FACTORS[1:]]
    if "devices" in axes and most_devices > 1:
        found += [Point(("devices",), number, spec, most_devices, number) for number in (1, most_devices)]
    return found


def _larger(spec: Spec, paths: Sequence[str], factor: int) -> Spec:
    numbers = list_paths(spec)
    known = [path for path in paths if path in numbers]
    require(bool(known), f"The algorithm has no {' or '.join(paths)} to multiply: name other axes with --axes.")
    for path in known:
        spec = replace_path(spec, path, factor * numbers[path])
    return spec


def measure_points(
    facts: Mapping[str, str],
    points: Sequence[Point],
    out: Path,
    repetitions: int = 5,
    file: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measures points, each in a process of its own; `costs.json` and `costs.md` are in a folder after each.

    Args:
        facts: `name` of what is measured, its `environment` and the `machine`, in words.
        points: as `points_of` gives them.
        out: the folder.
        repetitions: how often every step is timed.
        file: the experiment file that declares components of the specs, if one does.
        say: is given a line for each point.

    Returns:
        What `costs.json` holds: the facts, and of each of `points` its `axes`, its `size`, and what
        `measure` found or the `fault` by which it failed.
    """
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    data: dict[str, Any] = {**facts, "points": []}
    for number, point in enumerate(points):
        say(f"{number + 1}/{len(points)}: {_described(point)}")
        asked = {"spec": to_json(point.spec), "seeds": point.seeds, "devices": point.devices}
        asked |= {"repetitions": repetitions, "compare": number == 0, "file": file and str(file)}
        try:
            found = tell(asked, logs / f"{number}.log")
        except RuntimeError as error:
            found = {"fault": str(error)}
        data["points"].append({"axes": list(point.axes), "size": point.size, **found})
        write_json(out / "costs.json", data)
        write_atomically(out / "costs.md", format_costs(data).encode())
    return data


def tell(asked: dict[str, Any], log: Path) -> dict[str, Any]:
    """What `reppo.costs.measure` tells in a process of its own, with an empty compilation cache.

    Args:
        asked: what it is given.
        log: a file for all else that it says.

    Raises:
        RuntimeError: if it failed; says why.
    """
    command = [sys.executable, "-m", "reppo.costs.measure", json.dumps(asked)]
    with tempfile.TemporaryDirectory(prefix="reppo-costs-") as cache:
        return told(command, log, {**os.environ, ENVIRONMENT_VARIABLE: cache}, json.loads)


def _described(point: Point) -> str:
    """A point in words."""
    where = ", ".join(f"{axis} {point.size}" for axis in point.axes) if point.size > 1 else "one seed"
    return (
        where if "devices" not in point.axes else f"{counted(point.seeds, 'seed')} on {counted(point.size, 'device')}"
    )
