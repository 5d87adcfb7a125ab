"""How far the runs of a folder of results are, from the folder alone: its batches, records, ledgers and locks."""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final, get_args

from reppo.errors import ConfigurationError, DamagedFile
from reppo.results.files import read_json
from reppo.results.folder import ResultsFolder
from reppo.results.formatting import natural_order
from reppo.results.lock import describe_holder, is_held
from reppo.results.names import search_name
from reppo.results.record import RunRecord
from reppo.results.run_folder import RunFolder
from reppo.text import counted, plain

State = Literal["done", "running", "stopped", "failed", "diverged", "missing"]
STATES: tuple[State, ...] = get_args(State)
_CELL_GAP = 3


@final
@dataclass(frozen=True)
class RunState:
    """One run.

    Attributes:
        arm: its arm.
        environment: its environment.
        seed: its seed.
        state: `"done"`; `"running"` (its batch trains now); `"stopped"` (begun, and continued by the same command);
            `"failed"` (its last attempt raised an error); `"diverged"`; or `"missing"` (not begun).
        environment_steps: steps by its record.
        reason: why it failed or diverged; else empty.
        search: what stands for all settings of the search that its arm belongs to; empty for other arms.
    """

    arm: str
    environment: str
    seed: int
    state: State
    environment_steps: int = 0
    reason: str = ""
    search: str = ""

    @property
    def row(self) -> str:
        """What it is counted under: its arm, or the search that this belongs to."""
        return self.search or self.arm


@final
@dataclass(frozen=True)
class FolderStatus:
    """A folder of results.

    Attributes:
        name: the experiment's name.
        runs: all runs that were ever planned here.
        holders: who is at work now, as `read_holders` tells it.
        attempts: the sessions, as `attempts_of` tells them.
    """

    name: str
    runs: list[RunState]
    holders: Mapping[str, str]
    attempts: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "counts": self.counts(self.runs),
            "runs": [vars(run) for run in self.runs],
            "holders": dict(self.holders),
            "attempts": self.attempts,
        }

    @staticmethod
    def counts(runs: Iterable[RunState]) -> dict[str, int]:
        """How many runs are in each state, without those in which none is."""
        counted = Counter(run.state for run in runs)
        return {state: counted[state] for state in STATES if counted[state]}


def read_status(path: str | Path) -> FolderStatus:
    """Reads how far the runs of a folder are; changes nothing.

    Raises:
        ConfigurationError: if it is not the folder of an experiment.
    """
    folder = ResultsFolder.open(path)
    holders, records = read_holders(folder), _records(folder)
    ledger = _read_ledger(folder, holders)
    planned = {
        run["run_id"]: (run["arm"], run["environment"], run["seed"], batch, _search(run))
        for batch, lanes in _batches(folder)
        for run in lanes
        if "environment" in run
    }
    for id, record in records.items():  # of a batch whose folder is gone
        planned.setdefault(id, (record.arm, record.environment, record.seed, "", _search(vars(record))))
    runs = []
    for id, (arm, environment, seed, batch, search) in planned.items():
        record, active = records.get(id), ledger.open.get(id) in holders or id in ledger.open and batch in holders
        state, reason = _judge(folder.run(arm, environment, seed), record, active, ledger.failed.get(id))
        steps = record.environment_steps if record else 0
        runs.append(RunState(arm, environment, seed, state, steps, reason, search))
    runs.sort(key=lambda run: (natural_order(run.environment), *_arm_order(run.arm), run.seed))
    return FolderStatus(folder.read_experiment()["name"], runs, holders, ledger.attempts)


def _judge(place: RunFolder, record: RunRecord | None, active: bool, failed: str | None) -> tuple[State, str]:
    """The state of a run, and why it is so where it is no good one."""
    if record and record.status == "diverged":
        return "diverged", record.divergence
    if active:
        return "running", ""
    if failed is not None:
        return "failed", failed
    if record and record.status == "finished" and place.is_complete(record.files):
        return "done", ""
    return ("stopped" if record else "missing"), ""


def _search(run: Mapping[str, Any]) -> str:
    return search_name(run.get("rival")) if run.get("search") else ""


def _arm_order(arm: str) -> tuple[Any, ...]:
    return arm != "base", natural_order(arm)


def _records(folder: ResultsFolder) -> dict[str, RunRecord]:
    """The records by run; damaged ones are left out, since the sweep writes them again."""
    records = {}
    for run in folder.runs():
        with contextlib.suppress(ConfigurationError):
            record = run.read_record()
            records[record.run_id] = record
    return records


def _batches(folder: ResultsFolder) -> list[tuple[str, list[dict[str, Any]]]]:
    """Ids of the batches, ascending, and their runs: a run belongs to the last that holds it."""
    found = []
    files = (folder.path / "batches").glob("*/lanes.json")
    for file in sorted(files, key=lambda file: natural_order(file.parent.name)):
        with contextlib.suppress(DamagedFile):
            found.append((file.parent.name, read_json(file)["runs"]))
    return found


def read_holders(folder: ResultsFolder) -> dict[str, str]:
    """The processes at work in a folder, in words: by the name of the ledger of each, and the batch that it trains."""
    places = {file.name: f".{file.stem}" for file in folder.ledgers()}
    writing = {name: describe_holder(folder.path, lock) for name, lock in places.items() if is_held(folder.path, lock)}
    return writing | batch_holders(folder)


def batch_holders(folder: ResultsFolder) -> dict[str, str]:
    """The processes that train now, in words, by the batch that each has."""
    places = sorted((folder.path / "batches").glob("*"))
    return {place.name: describe_holder(place) for place in places if is_held(place)}


def attempts_of(folder: ResultsFolder, run_id: str | None = None) -> list[dict[str, Any]]:
    """The sessions of a folder, in the order of their start, by its ledgers.

    Args:
        folder: the folder.
        run_id: only those in which the batch of this run began.

    Returns:
        For each what it ran with (`SweepStarted.attempt`), `start` and `end` (UTC), and `reason` and `fault` as in
        `SweepEnded`. The reason of one without an end is `"goes on"` or `"killed"`.
    """
    ledger = _read_ledger(folder, read_holders(folder))
    return [a for a in ledger.attempts if run_id is None or run_id in ledger.began.get(a["start"], ())]


@dataclass
class _Ledger:
    """What the events of all ledgers say, read in the order of their times.

    Attributes:
        attempts: the sessions.
        began: start of a session -> ids of the runs whose batches began in it.
        failed: run -> why its last attempt failed.
        open: runs whose batch has begun in the last session of a ledger, and not ended -> that ledger.
        last: ledger -> its last session, if that has no end.
    """

    attempts: list[dict[str, Any]] = field(default_factory=list)
    began: dict[str, set[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    last: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, event: Mapping[str, Any]) -> None:
        source = event["ledger"]
        match event["event"]:
            case "sweep_started":
                ending = {"end": None, "reason": "killed", "fault": None}
                attempt = {**event.get("attempt", {}), "start": event["time"], **ending}
                self.attempts.append(attempt)
                self.open = {id: ledger for id, ledger in self.open.items() if ledger != source}
                self.last[source] = attempt
            case "sweep_ended" if source in self.last:
                self.last.pop(source).update(end=event["time"], reason=event["reason"], fault=event["fault"])
            case "batch_started":
                ids = {lane["run_id"] for lane in event["lanes"]}
                self.open |= dict.fromkeys(ids, source)
                for id in ids:
                    self.failed.pop(id, None)
                if source in self.last:
                    self.began.setdefault(self.last[source]["start"], set()).update(ids)
            case "batch_failed":
                self.open = {id: ledger for id, ledger in self.open.items() if id not in event["run_ids"]}
                self.failed |= dict.fromkeys(event["run_ids"], event["reason"])
            case "run_finished":
                self.open.pop(event["record"]["run_id"], None)


def _read_ledger(folder: ResultsFolder, holders: Mapping[str, str]) -> _Ledger:
    ledger = _Ledger()
    for event in _events(folder):
        ledger.add(event)
    for source in ledger.last.keys() & holders.keys():
        ledger.last[source]["reason"] = "goes on"
    return ledger


_KINDS = ("sweep_started", "sweep_ended", "batch_started", "batch_failed", "run_finished")


def _events(folder: ResultsFolder) -> list[dict[str, Any]]:
    """The events of some kinds of all ledgers, by time, each with the file that it is from.

    Other lines are not parsed: a ledger has the metrics of every chunk.
    """
    marks = tuple(f'"event": "{kind}"'.encode() for kind in _KINDS)
    found = []
    for file in folder.ledgers():
        with contextlib.suppress(FileNotFoundError), open(file, "rb") as stream:
            for line in stream:
                if any(mark in line[:128] for mark in marks):
                    with contextlib.suppress(ValueError):  # torn by a kill
                        found.append(json.loads(line) | {"ledger": file.name})
    return sorted(found, key=lambda event: event["time"])


def format_status(status: FolderStatus, columns: int | None = None) -> str:
    """A table of arms and environments for a terminal, with what failed or diverged, and who writes to the folder.

    Args:
        status: what was read.
        columns: the width to keep to; that of the terminal by default.
    """
    columns = shutil.get_terminal_size().columns if columns is None else columns
    lines = [f"{plain(status.name)}: {_counted(status.runs, len(status.runs))}"]
    cells: dict[tuple[str, str], list[RunState]] = {}
    for run in status.runs:
        cells.setdefault((run.row, run.environment), []).append(run)
    arms = sorted({arm for arm, _ in cells}, key=_arm_order)
    tasks = sorted({task for _, task in cells}, key=natural_order)
    text = {key: _counted(runs) for key, runs in cells.items()}
    first = max((len(plain(arm)) for arm in arms), default=0)
    widths = {task: max(len(plain(task)), *(len(text.get((arm, task), "")) for arm in arms)) for task in tasks}
    while tasks:
        shown, width = [tasks.pop(0)], first
        width += _CELL_GAP + widths[shown[0]]
        while tasks and width + _CELL_GAP + widths[tasks[0]] <= columns:
            width += _CELL_GAP + widths[tasks[0]]
            shown.append(tasks.pop(0))
        rows = [("", {task: task for task in shown})]
        rows += [(arm, {task: text.get((arm, task), "") for task in shown}) for arm in arms]
        lines.append("")
        for arm, row in rows:
            told = (f"{plain(row[task]):<{widths[task]}}" for task in shown)
            lines.append((" " * _CELL_GAP).join([f"{plain(arm):<{first}}", *told]).rstrip())
    for state in ("failed", "diverged"):
        reasons: dict[tuple[str, str, str], list[int]] = {}
        for run in status.runs:
            if run.state == state:
                reasons.setdefault((run.arm, run.environment, run.reason), []).append(run.seed)
        lines += [""] if reasons else []
        for (arm, task, reason), seeds in list(reasons.items())[:_MOST_REASONS]:
            which = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
            said = reason if state == "diverged" else f"failed: {reason}"
            lines.append(plain(f"{arm} on {task}, {which}: {said}"))
        if len(reasons) > _MOST_REASONS:
            lines.append(f"{len(reasons) - _MOST_REASONS} more {state}; --json lists all")
    lines += ["", *_holding(status.holders)]
    if status.attempts:
        lines.append(f"Last session: {describe_attempt(status.attempts[-1])}")
    return "\n".join(lines)


def describe_attempt(attempt: Mapping[str, Any]) -> str:
    """One line on a session, as `attempts_of` gives it: when, where, with what, and how it ended."""
    commit, dirty = attempt.get("commit"), attempt.get("dirty")
    parts = [f"from {attempt['start']}"]
    parts += [f"on {attempt['host']} ({attempt['device']})"] if "host" in attempt else []
    parts += [f"commit {commit[:10]}{' with changes' if dirty else ''}"] if commit else []
    parts.append(attempt["reason"] + (f" at {attempt['end']}" if attempt["end"] else ""))
    fault = f": {attempt['fault']}" if attempt["fault"] else ""
    return plain(", ".join(parts) + fault)


_MOST_REASONS = 10


def _counted(runs: Sequence[RunState], total: int | None = None) -> str:
    counts = ", ".join(f"{number} {state}" for state, number in FolderStatus.counts(runs).items())
    return counts if total is None else f"{counted(total, 'run')}{': ' if counts else ''}{counts}"


def _holding(holders: Mapping[str, str]) -> list[str]:
    by_process: dict[str, list[str]] = {}
    for name, who in holders.items():
        by_process.setdefault(who.partition(", since")[0], []).append(name)
    return [plain(f"At work: {who} ({', '.join(names)})") for who, names in by_process.items()] or [
        "Nobody is at work."
    ]
