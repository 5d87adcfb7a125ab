"""What is known of the returns of a task before anything was run."""

import functools
import math
import runpy
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from typing import Any

from reppo.errors import require
from reppo.results import RunData

Bounds = tuple[float | int, float | int]

NOT_KNOWN: Bounds = (-math.inf, math.inf)
"""Limits of a task of which nothing is known."""


def possible_returns(spec: Mapping[str, Any]) -> Bounds:
    """The least and the greatest return that an episode can have, from the tables of tasks; infinite if not known.

    Args:
        spec: a resolved spec as JSON data, as a record holds it.
    """
    task = spec.get("environment")
    if not isinstance(task, Mapping):
        return NOT_KNOWN
    suite = {"PlaygroundTask": "PLAYGROUND", "GymnaxTask": "GYMNAX"}.get(str(task.get("component")))
    entry = _tables()[suite].get(task.get("task")) if suite else None
    if entry is None or entry.reward_range is None:
        return NOT_KNOWN
    changed = {key: value for key, value in task.get("config", ())}
    if changed.keys() & {*entry.range_settings, "action_repeat"}:
        return NOT_KNOWN
    limit = "episode_length" if suite == "PLAYGROUND" else "max_steps_in_episode"
    horizon = changed.get(limit, entry.horizon)
    low, high = entry.reward_range
    return min(0.0, low * horizon), max(0.0, high * horizon)  # an episode may end at once


def solved_scale(spec: Mapping[str, Any]) -> Bounds | None:
    """The returns of failing and of solving a task, where rewards of each step go from 0 to 1: the control suite."""
    low, high = possible_returns(spec)
    task = spec.get("environment", {})
    return (low, high) if low == 0 < high < math.inf and task.get("component") == "PlaygroundTask" else None


def task_limits(results: Sequence[RunData]) -> dict[str, Bounds]:
    """For each task the returns that are possible on it, as far as all of its runs agree."""
    found: dict[str, set[Bounds]] = {}
    for run in results:
        found.setdefault(run.record.environment, set()).add(possible_returns(run.record.spec))
    return {task: own.pop() if len(own) == 1 else NOT_KNOWN for task, own in found.items()}


def parse_bounds(text: str) -> tuple[str, Bounds]:
    """Reads `TASK=LOW:HIGH`, such as `Pendulum-v1=-1500:0`.

    Raises:
        ConfigurationError: if it is something else.
    """
    task, equals, numbers = text.rpartition("=")
    low, colon, high = numbers.partition(":")
    try:
        bounds = float(low), float(high)
    except ValueError:
        bounds = (math.nan, math.nan)
    require(
        equals and colon and task and math.isfinite(bounds[0]) and math.isfinite(bounds[1]) and bounds[0] < bounds[1],
        f"--bounds {text!r} is not of the form TASK=LOW:HIGH with two numbers, the lower one first, such as "
        "Pendulum-v1=-1500:0.",
    )
    return task, bounds


@functools.cache
def _tables() -> dict[str, Any]:
    """The tables of tasks, read as a file: importing their package would import JAX."""
    with as_file(files("reppo").joinpath("environments/table.py")) as path:
        return runpy.run_path(str(path))
