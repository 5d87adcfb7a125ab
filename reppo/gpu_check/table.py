"""The table of a check, in Markdown. Imports no JAX."""

from collections.abc import Mapping
from typing import Any

from reppo.gpu_check.plan import published_suite
from reppo.results.formatting import human_bytes, human_count
from reppo.text import markdown_rows

_HIDDEN = ("lanes", "backend", "program_bytes")


def format_check(data: Mapping[str, Any]) -> str:
    """The table of what `check.json` holds: device, throughput, precisions, repetitions, and every part."""
    outcomes = {outcome["part"]: outcome for outcome in data["parts"]}
    found = {name: outcome["found"] for name, outcome in outcomes.items()}
    lines = ["# GPU check", "", *_machine(data, found.get("machine", {}))]
    lines += _throughput(found) + _precisions(found) + _repetitions(found)
    lines += ["", "## Parts", "", *markdown_rows(("part", "status", "seconds", "found"), map(_part, outcomes.values()))]
    return "\n".join(lines) + "\n"


def _machine(data: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    lines = ["**Rehearsal on a CPU: tiny sizes; no figure says anything about a GPU.**", ""] * bool(
        data.get("rehearsal")
    )
    memory = f", {human_bytes(found['memory'])}" if found.get("memory") else ""
    driver = f", driver {found['driver']}" if found.get("driver") else ""
    lines += [
        f"{found.get('device', 'no device')}{memory}{driver}; Python {found.get('python')}, {found.get('cores')} cores"
    ]
    lines += ["", ", ".join(f"{name} {version or '(missing)'}" for name, version in found.get("versions", {}).items())]
    return lines + ([f"\nNot installed as required: {'; '.join(found['unmet'])}"] if found.get("unmet") else [])


def _throughput(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Steps per second of all lanes together; collection is an iteration less its update."""
    rows = []
    for name, part in found.items():
        if not name.startswith("published/") or "iteration_seconds" not in part:
            continue
        steps, whole = part["iteration_steps"], part["iteration_seconds"]
        update = part["step_seconds"]["learn"]
        evaluation = part["evaluation_steps"], part["evaluation_seconds"]
        pairs = ((steps, whole - update), (steps, update), evaluation, (steps, whole))
        speeds = [human_count(amount / seconds) if seconds > 0 else "-" for amount, seconds in pairs]
        used = human_bytes(part["device_bytes"]) if part.get("device_bytes") else "-"
        rows.append([part["backend"], str(part["lanes"]), *speeds, f"{part['compile_seconds']:.0f} s", used])
    header = (
        "backend",
        "lanes",
        "collection",
        "update",
        "evaluation",
        "collection and update",
        "compilation",
        "memory",
    )
    title = f"## `reppo` on {published_suite().device.published}, steps per second of all lanes together"
    return ["", title, "", *markdown_rows(header, rows)] if rows else []


def _precisions(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    part = found.get("update", {})
    apart = {"highest": 0.0} | part.get("apart_of_step", {})
    rows = [
        [name, f"{seconds * 1e3:.1f} ms", f"{apart[name]:.1e}" if name in apart else "-"]
        for name, seconds in part.get("update_seconds", {}).items()
    ]
    header = ("matmul precision", "one update", "distance from highest, per length of the step")
    return ["", "## Precision", "", *markdown_rows(header, rows)] if rows else []


def _repetitions(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    kinds = {"twice": "the same seeds twice", "resumed": "killed and resumed"}
    rows = [
        [name, kinds[kind], "yes" if part[kind]["identical"] else "no", f"{part[kind]['largest']:.1e}"]
        for name, part in found.items()
        for kind in kinds
        if kind in part
    ]
    header = ("part", "what was repeated", "bit for bit", "largest difference")
    return ["", "## Repetition", "", *markdown_rows(header, rows)] if rows else []


def _part(outcome: Mapping[str, Any]) -> list[str]:
    shown = "; ".join(f"{key} {_short(value)}" for key, value in outcome["found"].items() if key not in _HIDDEN)
    if outcome["part"] == "machine":
        shown = ""
    return [outcome["part"], outcome["status"], f"{outcome['seconds']:.0f}", outcome["fault"] or shown]


def _short(value: Any) -> str:
    match value:
        case float():
            return f"{value:.3g}"
        case list():
            return " ".join(map(_short, value))
        case dict():
            return "(" + ", ".join(f"{key} {_short(item)}" for key, item in value.items()) + ")"
        case _:
            return str(value)
