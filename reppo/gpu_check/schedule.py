"""Running parts, each in a process of its own, within a budget of seconds. Imports no JAX."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

from reppo.gpu_check.plan import Part
from reppo.results.files import write_atomically, write_json
from reppo.runtime.processes import last_words

POLL_SECONDS = 0.2


@final
@dataclasses.dataclass
class Outcome:
    """What became of a part.

    Attributes:
        part: its name.
        status: `"running"`, `"passed"`, `"failed"`, `"stopped"` (at its limit or at the end of the budget), or
            `"skipped"` (the budget had no room for it).
        seconds: how long it took.
        found: what it found, by name.
        fault: the last line of its log where it failed; else empty.
    """

    part: str
    status: str
    seconds: float = 0.0
    found: dict[str, Any] = dataclasses.field(default_factory=dict)
    fault: str = ""


class Check:
    """Outcomes, on disk after each change: `check.json` and `check.md` in a folder."""

    def __init__(self, folder: Path, table: Callable[[dict[str, Any]], str], say: Callable[[str], None] = print):
        """Begins an empty check.

        Args:
            folder: where it writes; logs of the parts come into it too.
            table: makes the table from what is written as JSON.
            say: is given a line when a part begins or ends.
        """
        self.folder = folder
        self.outcomes: dict[str, Outcome] = {}
        self.facts: dict[str, Any] = {}
        self._table = table
        self._say = say
        self._logs = folder / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.facts, "parts": [dataclasses.asdict(outcome) for outcome in self.outcomes.values()]}

    def write(self) -> None:
        """Writes both files."""
        data = self.to_json()
        write_json(self.folder / "check.json", data)
        write_atomically(self.folder / "check.md", self._table(data).encode())

    def run(self, parts: Sequence[Part], command: Callable[[Part], list[str]], end: float, workers: int) -> None:
        """Runs parts in their order, several at a time, until a moment.

        Args:
            parts: what to run.
            command: the command of a part. It appends what it finds, as lines of JSON objects, to the file that the
                environment variable `REPPO_GPU_CHECK_FOUND` names.
            end: `time.monotonic()` at which everything is stopped.
            workers: most processes at the same time.
        """
        waiting, running = list(parts), []
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    part = waiting.pop(0)
                    if end - time.monotonic() < part.least:
                        self._note(Outcome(part.name, "skipped"))
                        continue
                    running.append(_Process(part, command(part), self._logs, end))
                    self._note(running[-1].outcome)
                changed = [process for process in running if process.look()]
                running = [process for process in running if process.outcome.status == "running"]
                for process in changed:
                    self._note(process.outcome)
                if running:
                    time.sleep(POLL_SECONDS)
        finally:
            for process in running:
                process.stop()
                self._note(process.outcome)

    def _note(self, outcome: Outcome) -> None:
        self.outcomes[outcome.part] = outcome
        self.write()
        if outcome.status != "running" or not outcome.found:
            spent = "" if outcome.status in ("running", "skipped") else f" in {outcome.seconds:.0f} s"
            self._say(f"{outcome.part}: {outcome.status}{spent}{': ' if outcome.fault else ''}{outcome.fault}")


class _Process:
    """A part that runs."""

    def __init__(self, part: Part, command: list[str], logs: Path, end: float):
        stem = part.name.replace("/", "_")
        self.outcome = Outcome(part.name, "running")
        self._log, self._found = logs / f"{stem}.log", logs / f"{stem}.jsonl"
        self._found.write_bytes(b"")
        self._started = time.monotonic()
        self._end = min(end, self._started + part.limit)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"REPPO_GPU_CHECK_FOUND": str(self._found)},
                start_new_session=True,  # so that what it starts is stopped with it
            )

    def look(self) -> bool:
        """Updates the outcome; returns whether there is news."""
        code = self._process.poll()
        found = self._read()
        news = found != self.outcome.found
        self.outcome.found = found
        self.outcome.seconds = round(time.monotonic() - self._started, 1)
        if code is None and time.monotonic() < self._end:
            return news
        if code is None:
            self.stop()
        else:
            self.outcome.status = "failed" if code else "passed"
            self.outcome.fault = last_words(self._log, code) if code else ""
        return True

    def stop(self) -> None:
        """Kills it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.outcome.found = self._read()
        self.outcome.status = "stopped"

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in self._found.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                found |= json.loads(line)
        return found
