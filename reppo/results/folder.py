"""The folder of an experiment and the folders of its runs.

results/<experiment>/  experiment.json  ledger.jsonl  runs.csv   (ledger-<name>.jsonl for each further process)
  runs/<arm>/<environment>/seed<k>/  record.json  evaluations.csv  metrics.csv  policy/
  batches/<id>/
  report/
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from reppo.errors import ConfigurationError, require
from reppo.results.files import append_lines, json_line, make_folder, read_json, read_whole_lines, write_json
from reppo.results.names import folder_name
from reppo.results.run_folder import RunFolder


def timestamp(seconds: float) -> str:
    """Writes seconds since 1970 as UTC in ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@final
@dataclass(frozen=True)
class ResultsFolder:
    """The folder of one experiment. Get one from `create_or_open` or `open`.

    Attributes:
        path: the folder.
        clock: gives the seconds since 1970 for the time stamps of the ledger.
    """

    path: Path
    clock: Callable[[], float] = time.time

    @classmethod
    def create_or_open(
        cls, path: str | Path, experiment: dict[str, Any], clock: Callable[[], float] = time.time
    ) -> "ResultsFolder":
        """Creates the folder of an experiment, or opens the one that is there and leaves its `experiment.json` alone.

        Args:
            path: the folder.
            experiment: what `experiment.json` shall say: `id`, `name` and whatever else describes the experiment.
            clock: gives the seconds since 1970.

        Raises:
            ConfigurationError: if the folder belongs to another experiment, its `experiment.json` cannot be read, or a
                file is in the way.
        """
        _check_experiment(experiment)
        folder = cls(Path(path), clock)
        make_folder(folder.path)
        if not folder._experiment_file.exists():
            leftovers = [name for name in ("runs", "batches") if (folder.path / name).exists()]
            require(
                not leftovers,
                f"{str(folder.path)!r} holds {' and '.join(leftovers)} but no experiment.json, so it is unknown whose "
                "they are. Restore that file, remove the folder, or choose another with --out.",
            )
            write_json(folder._experiment_file, experiment)
        found = folder.read_experiment()
        if found["id"] != experiment["id"]:
            raise ConfigurationError(
                f"{str(folder.path)!r} holds the results of experiment {found['id']} ({found['name']!r}), not of "
                f"{experiment['id']} ({experiment['name']!r}). Choose another folder with --out, give the experiment "
                "another name, or remove the folder."
            )
        return folder

    @classmethod
    def open(cls, path: str | Path, clock: Callable[[], float] = time.time) -> "ResultsFolder":
        """Opens the folder of whichever experiment it belongs to.

        Raises:
            ConfigurationError: if it is not the folder of an experiment.
        """
        folder = cls(Path(path), clock)
        require(
            folder._experiment_file.exists(),
            f"{str(folder.path)!r} is no results folder: it has no experiment.json. Give the folder of an experiment, "
            "such as results/quickstart.",
        )
        folder.read_experiment()
        return folder

    @property
    def _experiment_file(self) -> Path:
        return self.path / "experiment.json"

    @property
    def _ledger_file(self) -> Path:
        return self.path / "ledger.jsonl"

    @property
    def report_path(self) -> Path:
        """Where the report goes."""
        return self.path / "report"

    @property
    def runs_csv_path(self) -> Path:
        """Where the table of runs goes."""
        return self.path / "runs.csv"

    def batch_path(self, batch: str) -> Path:
        """Where the checkpoints of a batch go."""
        return self.path / "batches" / folder_name(batch)

    def run(self, arm: str, environment: str, seed: int) -> "RunFolder":
        """Returns the folder of a run, which need not exist yet.

        Args:
            arm: its name.
            environment: its name.
            seed: of the run, at least 0.

        Raises:
            ConfigurationError: if a name is empty or the seed negative.
        """
        require(seed >= 0, f"A seed is 0 or more, not {seed}.")
        return RunFolder(self.path / "runs" / folder_name(arm) / folder_name(environment) / f"seed{seed}")

    def runs(self) -> list["RunFolder"]:
        """Lists the runs that have a record, by arm, environment and seed."""
        records = (self.path / "runs").glob("*/*/seed*/record.json")
        folders = [record.parent for record in records if record.parent.name.removeprefix("seed").isdecimal()]
        folders.sort(key=lambda path: (path.parts[-3], path.parts[-2], int(path.name.removeprefix("seed"))))
        return [RunFolder(path) for path in folders]

    def read_experiment(self) -> dict[str, Any]:
        """Reads `experiment.json`.

        Raises:
            ConfigurationError: if it cannot be read or lacks an id or a name.
        """
        experiment = read_json(self._experiment_file)
        _check_experiment(experiment, f"{str(self._experiment_file)!r}: ")
        return experiment

    def update_experiment(self, experiment: dict[str, Any]) -> None:
        """Replaces `experiment.json`, say because arms, seeds or steps were added. The id stays.

        Raises:
            ConfigurationError: if the id is another.
        """
        _check_experiment(experiment)
        found = self.read_experiment()["id"]
        require(found == experiment["id"], f"The id of an experiment stays: {found}, not {experiment['id']}.")
        write_json(self._experiment_file, experiment)

    def append_ledger(self, event: Mapping[str, Any]) -> None:
        """Adds one line to the ledger: `time` (UTC), then the event. Non-finite numbers become null.

        Raises:
            ValueError: if the event brings a `time` of its own.
        """
        if "time" in event:
            raise ValueError("An event of the ledger may not have a field 'time': the ledger sets it.")
        append_lines(self._ledger_file, [json_line({"time": timestamp(self.clock()), **event})])

    def ledgers(self) -> list[Path]:
        """The ledgers that there are: one for each process that was at work at the same time as others."""
        return sorted([*self.path.glob("ledger.jsonl"), *self.path.glob("ledger-*.jsonl")])

    def read_ledger(self) -> list[dict[str, Any]]:
        """Reads all ledgers, by time, each without a last line that a kill has torn.

        Raises:
            ConfigurationError: if another line is not JSON.
        """
        events = [event for file in self.ledgers() for event in _read_events(file)]
        return sorted(events, key=lambda event: str(event.get("time")))


def _read_events(file: Path) -> list[dict[str, Any]]:
    events = []
    lines = read_whole_lines(file)
    for number, line in enumerate(lines, start=1):
        try:
            events.append(json.loads(line))
        except ValueError:
            if number < len(lines):
                raise ConfigurationError(f"{str(file)!r}, line {number}: not JSON. Remove the line.") from None
    return events


def _check_experiment(experiment: dict[str, Any], where: str = "") -> None:
    for key in ("id", "name"):
        value = experiment.get(key)
        require(
            isinstance(value, str) and value != "", f"{where}an experiment needs a text as its {key}, not {value!r}."
        )
