"""One run on disk: what it is, how it ended, and its metrics before that."""

import dataclasses
import math
from typing import Any

from reppo.errors import ConfigurationError
from reppo.results.folder import ResultsFolder
from reppo.results.formatting import human_count, human_seconds
from reppo.results.run_folder import RunFolder
from reppo.results.status import attempts_of, describe_attempt
from reppo.text import plain

_REPORTS = 5


def inspect_run(folder: RunFolder) -> dict[str, Any]:
    """What a run folder tells, as JSON data.

    Returns:
        `folder`; the `record`, without its spec; `divergence` in words; `policies`: name -> path of those there are;
        `attempts`, as `attempts_of` gives them, where the run lies in a folder of results; and `metrics`: the last
        reports up to the end, or up to the one in which it diverged, as `steps` and `rows`, name -> mean at each of
        these steps (None where it was not reported, a text such as `nan` where it is not finite), the evaluation's
        mean return first.

    Raises:
        ConfigurationError: if the record or a table is damaged.
    """
    record = folder.read_record()
    described = {name: value for name, value in dataclasses.asdict(record).items() if name != "spec"}
    policies = {path.stem: str(path) for path in sorted(folder.policy_path.glob("*.npz"))}
    try:
        attempts = attempts_of(ResultsFolder.open(folder.path.parents[3]), record.run_id)
    except (ConfigurationError, IndexError):  # the folder of a run alone, copied from elsewhere
        attempts = []
    return {
        "folder": str(folder.path),
        "record": described,
        "divergence": record.divergence,
        "policies": policies,
        "attempts": attempts,
        "metrics": _last_reports(folder, record.diverged_at),
    }


def _last_reports(folder: RunFolder, diverged_at: int | None) -> dict[str, Any]:
    steps, returns = folder.read_evaluations().curve()
    metrics = folder.read_metrics()
    reports = sorted({*steps.tolist(), *metrics.environment_steps.tolist()})
    if diverged_at is not None:  # its update belongs to the first report after it
        reports = [s for s in reports if s <= diverged_at] + [s for s in reports if s > diverged_at][:1]
    shown = reports[-_REPORTS:]
    values = {("evaluation/return", s): float(mean) for s, mean in zip(steps.tolist(), returns, strict=True)}
    values |= dict(zip(zip(metrics.names, metrics.environment_steps.tolist()), metrics.mean.tolist(), strict=True))
    names = list(dict.fromkeys(["evaluation/return", *sorted(set(metrics.names))]))
    return {"steps": shown, "rows": {name: [_strict(values.get((name, s))) for s in shown] for name in names}}


def format_inspection(found: dict[str, Any]) -> str:
    """What `inspect_run` found, for a terminal."""
    record, metrics = found["record"], found["metrics"]
    lines = [f"{record['arm']} on {record['environment']}, seed {record['seed']}", ""]
    seconds = record["train_seconds"]
    facts = {
        "status": found["divergence"] or record["status"],
        "steps": human_count(record["environment_steps"]),
        "took": f"{human_seconds(seconds)}, with the other runs of {record['batch']}" if seconds else "",
        "ablations": ", ".join(record["ablations"]),
        "warnings": "; ".join(record["warnings"]),
        "ran on": ", ".join(str(record[name]) for name in ("backend", "device") if record[name]),
        "lanes": f"{record['width']} by {record['lanes_mode']}" if record["width"] else "",
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "run": record["run_id"],
        "folder": found["folder"],
    }
    facts |= {f"{name} policy": path for name, path in found["policies"].items()}
    lines += [f"{name:<11}  {value}" for name, value in facts.items() if value]
    lines += [f"{'session':<11}  {describe_attempt(attempt)}" for attempt in found["attempts"]]
    if metrics["steps"]:
        lines += ["", "Means before it diverged" if found["divergence"] else "Last means"]
        width = max(map(len, metrics["rows"]))
        lines.append(f"{'steps':<{width}}  " + "".join(f"{human_count(s):>12}" for s in metrics["steps"]))
        for name, values in metrics["rows"].items():
            if any(value is not None for value in values):
                lines.append(f"{name:<{width}}  " + "".join(f"{_number(value):>12}" for value in values))
    return "\n".join(map(plain, lines))


def _strict(value: float | None) -> float | str | None:
    """As JSON has it, which knows no other numbers than finite ones."""
    return value if value is None or math.isfinite(value) else str(value)


def _number(value: float | str | None) -> str:
    return "-" if value is None else value if isinstance(value, str) else f"{value:.4g}"
