"""What is known of the returns of a task before anything was run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reppo.environments.suites import suite_of_component
from reppo.errors import require
from reppo.results import RunData

Bounds = tuple[float | int, float | int]

NOT_KNOWN: Bounds = (-math.inf, math.inf)
"""Limits of a task of which nothing is known."""


def possible_returns(spec: Mapping[str, Any]) -> Bounds:
    """The least and the greatest return that an episode can have; infinite if not known.

    From the tables of suites, or from the settings of a task that is of none.

    Args:
        spec: a resolved spec as JSON data, as a record holds it.
    """
    task = spec.get("environment")
    if not isinstance(task, Mapping):
        return NOT_KNOWN
    suite, name = suite_of_component(str(task.get("component"))), str(task.get("task"))
    if suite is None:
        return _returns_of_fields(task)
    return suite.possible_returns(name, dict(task.get("config", ()))) or NOT_KNOWN


def _returns_of_fields(task: Mapping[str, Any]) -> Bounds:
    """Those of a task that has its time limit and its range of rewards among its settings, as one of one's own may."""
    match task.get("horizon"), task.get("reward_range"):
        case int(horizon), [int() | float() as low, int() | float() as high]:
            return min(0.0, low * horizon), max(0.0, high * horizon)
    return NOT_KNOWN


def solved_scale(spec: Mapping[str, Any]) -> Bounds | None:
    """The returns of failing and of solving a task, where rewards of each step go from the one to the other."""
    low, high = possible_returns(spec)
    task = spec.get("environment", {})
    suite = suite_of_component(str(task.get("component")))
    scored = suite is not None and str(task.get("task")) in suite.tasks and suite.tasks[task["task"]].scored
    return (low, high) if low == 0 < high < math.inf and scored else None


def task_limits(results: Sequence[RunData]) -> dict[str, Bounds]:
    """For each task the returns that are possible on it, as far as all of its runs agree."""
    found: dict[str, set[Bounds]] = {}
    for run in results:
        found.setdefault(run.record.environment, set()).add(possible_returns(run.record.spec))
    return {task: own.pop() if len(own) == 1 else NOT_KNOWN for task, own in found.items()}


def parse_bounds(text: str) -> tuple[str, Bounds]:
    """Reads `TASK=LOW:HIGH`, such as `MyTask=-1500:0`.

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
        "MyTask=-1500:0.",
    )
    return task, bounds
