"""What was run, from records: what arms change in the base, and what differs between machines and versions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reppo.analysis.scores.caveats import shortened
from reppo.results import RunData, RunRecord
from reppo.results.formatting import natural_order

ABSENT = "(absent)"


def changes(before: Any, after: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Where two specs in JSON differ: paths with the values before and after.

    A component that is replaced by another kind is one change; fields within the same kind are compared one by one.
    """
    if isinstance(before, dict) and isinstance(after, dict) and before.get("component") == after.get("component"):
        found = []
        for name in dict.fromkeys([*before, *after]):
            inner = f"{path}.{name}" if path else name
            found += changes(before.get(name, ABSENT), after.get(name, ABSENT), inner)
        return found
    return [] if before == after else [(path, before, after)]


def write_value(value: Any) -> str:
    """A value of a spec as it would be written in Python."""
    if isinstance(value, dict) and "component" in value:
        fields = ", ".join(f"{name}={write_value(item)}" for name, item in value.items() if name != "component")
        return f"{value['component']}({fields})"
    if isinstance(value, str) and value == ABSENT:
        return ABSENT
    return json.dumps(value) if isinstance(value, dict | list) else repr(value)


def _some(names: Sequence[str], everything: int) -> str:
    if len(names) == everything:
        return "all tasks" if everything > 1 else names[0]
    return shortened(names, 3)


def _first_records(results: Sequence[RunData]) -> dict[tuple[str, str], RunRecord]:
    found: dict[tuple[str, str], RunRecord] = {}
    for run in sorted(results, key=lambda run: (natural_order(run.record.arm), natural_order(run.record.environment))):
        found.setdefault((run.record.arm, run.record.environment), run.record)
    return found


def arm_changes(results: Sequence[RunData], base: str) -> list[dict[str, str]]:
    """What each arm changes in the base, one row per path and change, with the tasks for which it holds."""
    records = _first_records(results)
    grouped: dict[tuple[str, str, str, str], list[str]] = {}
    tasks: dict[str, int] = {}
    for (arm, task), record in records.items():
        if arm == base or (base, task) not in records:
            continue
        tasks[arm] = tasks.get(arm, 0) + 1
        for path, before, after in changes(records[base, task].spec, record.spec):
            grouped.setdefault((arm, path, write_value(before), write_value(after)), []).append(task)
    return [
        {"arm": arm, "path": path, "base": before, "arm's": after, "on": _some(where, tasks[arm])}
        for (arm, path, before, after), where in grouped.items()
    ]


def task_differences(results: Sequence[RunData], base: str) -> list[dict[str, str]]:
    """Paths at which the base itself differs between tasks, with the value on each."""
    specs = {task: record.spec for (arm, task), record in _first_records(results).items() if arm == base}
    if len(specs) < 2:
        return []
    first = next(iter(specs.values()))
    paths = list(dict.fromkeys(path for spec in specs.values() for path, _, _ in changes(first, spec)))
    rows = []
    for path in paths:
        if path.startswith("environment"):
            continue
        values: dict[str, list[str]] = {}
        for task, spec in specs.items():
            values.setdefault(write_value(at(spec, path)), []).append(task)
        rows += [{"path": path, "value": value, "on": _some(where, len(specs))} for value, where in values.items()]
    return rows


def at(spec: Any, path: str) -> Any:
    """The value at a path of a spec in JSON."""
    for name in path.split("."):
        if not isinstance(spec, dict) or name not in spec:
            return ABSENT
        spec = spec[name]
    return spec


def circumstances(results: Sequence[RunData]) -> list[dict[str, str]]:
    """Versions, devices and ways of execution, one row per value that occurs, with how many runs have it."""
    found: dict[str, dict[str, int]] = {}
    for run in results:
        record = run.record
        own: Mapping[str, Any] = {
            **record.versions,
            "backend": record.backend,
            "device": record.device,
            "lanes": record.lanes_mode,
            "width": record.width,
            "matmul precision": record.matmul_precision,
        }
        for name, value in own.items():
            if value is not None:
                counts = found.setdefault(name, {})
                counts[str(value)] = counts.get(str(value), 0) + 1
    total = len(results)
    return [
        {"what": name, "value": value, "runs": "all" if count == total else str(count)}
        for name, counts in found.items()
        for value, count in counts.items()
    ]
