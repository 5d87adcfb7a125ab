"""The folder of an experiment and the folders of its runs.

results/<experiment>/  experiment.json  ledger.jsonl  runs.csv   (ledger-<name>.jsonl for each further process)
  runs/<arm>/<environment>/seed<k>/  record.json  evaluations.csv  metrics.csv  policy/
  batches/<id>/
  report/
"""

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int

from reppo.errors import ConfigurationError, require
from reppo.results.evaluations import Evaluations, Metrics
from reppo.results.files import (
    append_lines,
    fingerprint,
    json_line,
    make_folder,
    put_on_disk,
    read_json,
    read_whole_lines,
    write_atomically,
    write_json,
)
from reppo.results.names import folder_name
from reppo.results.record import RunRecord
from reppo.text import cell_text

EVALUATION_COLUMNS = ("environment_steps", "seconds", "episode", "return", "length")
METRIC_COLUMNS = ("environment_steps", "metric", "mean", "minimum", "maximum")
_EVALUATION_KINDS = (int, float, int, float, int)
_METRIC_KINDS = (int, str, float, float, float)


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


@final
@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. Folders are created by the first write.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def record_path(self) -> Path:
        """Where the record is."""
        return self.path / "record.json"

    @property
    def evaluations_path(self) -> Path:
        """Where the evaluation episodes are."""
        return self.path / "evaluations.csv"

    @property
    def metrics_path(self) -> Path:
        """Where the training metrics are."""
        return self.path / "metrics.csv"

    @property
    def policy_path(self) -> Path:
        """Where the exported policies go."""
        return self.path / "policy"

    def write_record(self, record: RunRecord) -> None:
        """Replaces the record."""
        write_json(self.record_path, record.to_json())

    def read_record(self) -> RunRecord:
        """Reads the record.

        Raises:
            DamagedFile: if it is missing or no JSON.
        ConfigurationError: if it is of a newer schema, or its fields are not those of a record.
        """
        data = read_json(self.record_path)
        try:
            return RunRecord.from_json(data)
        except ConfigurationError as error:
            raise ConfigurationError(f"{str(self.record_path)!r}: {error}") from error

    def append_evaluation(
        self,
        environment_steps: int,
        seconds: float,
        returns: Float[np.ndarray, " episodes"],
        lengths: Int[np.ndarray, " episodes"],
    ) -> None:
        """Adds the episodes of one evaluation, one row each, numbered from 0.

        Args:
            environment_steps: training steps of this run before the evaluation.
            seconds: seconds of training before the evaluation.
            returns: the return of each episode; NaN and infinities are kept.
            lengths: the length of each episode in environment steps.

        Raises:
            ValueError: if there are not as many lengths as returns.
        """
        pairs = zip(returns.tolist(), lengths.tolist(), strict=True)
        rows = [(int(environment_steps), float(seconds), episode, *pair) for episode, pair in enumerate(pairs)]
        _append_rows(self.evaluations_path, EVALUATION_COLUMNS, rows)

    def append_metrics(self, environment_steps: int, metrics: Mapping[str, tuple[float, float, float]]) -> None:
        """Adds one report of training metrics.

        Args:
            environment_steps: training steps of this run at the end of the report.
            metrics: name -> mean, minimum and maximum since the last report.

        Raises:
            ValueError: if a name contains a line break.
        """
        rows = [(int(environment_steps), name, *map(float, summary)) for name, summary in metrics.items()]
        _append_rows(self.metrics_path, METRIC_COLUMNS, rows)

    def read_evaluations(self) -> Evaluations:
        """Reads the evaluation episodes, without a torn last row; none if there is no file.

        Raises:
            ConfigurationError: if a row before the last is damaged, or the columns are others.
        """
        steps, seconds, episode, returns, lengths = _read_columns(
            self.evaluations_path, EVALUATION_COLUMNS, _EVALUATION_KINDS
        )
        return Evaluations(
            environment_steps=np.array(steps, np.int64),
            seconds=np.array(seconds, np.float64),
            episode=np.array(episode, np.int64),
            returns=np.array(returns, np.float64),
            lengths=np.array(lengths, np.int64),
        )

    def read_metrics(self) -> Metrics:
        """Reads the training metrics, without a torn last row; none if there is no file.

        Raises:
            ConfigurationError: if a row before the last is damaged, or the columns are others.
        """
        steps, names, mean, minimum, maximum = _read_columns(self.metrics_path, METRIC_COLUMNS, _METRIC_KINDS)
        return Metrics(
            environment_steps=np.array(steps, np.int64),
            names=names,
            mean=np.array(mean, np.float64),
            minimum=np.array(minimum, np.float64),
            maximum=np.array(maximum, np.float64),
        )

    @property
    def _tables(self) -> tuple[Path, ...]:
        return (self.evaluations_path, self.metrics_path)

    @property
    def _policies(self) -> tuple[Path, ...]:
        return tuple(self.policy_path / f"{which}.npz" for which in ("last", "best"))

    def table_fingerprints(self) -> dict[str, list[int]]:
        """Length and CRC-32 of the tables, for `RunRecord.files`, after all that was appended is on the disk."""
        for path in (*self._tables, self.path):
            put_on_disk(path)
        return {self._name(path): fingerprint(path) for path in self._tables}

    def policy_fingerprints(self) -> dict[str, list[int]]:
        """Length and CRC-32 of the policies, for `RunRecord.files`."""
        return {self._name(path): fingerprint(path) for path in self._policies}

    def begins_with(self, files: Mapping[str, list[int]]) -> bool:
        """Whether the tables begin with what they held when these fingerprints were taken."""
        wanted = [files.get(self._name(path)) for path in self._tables]
        return all(f is not None and fingerprint(path, f[0]) == f for path, f in zip(self._tables, wanted))

    def is_complete(self, files: Mapping[str, list[int]]) -> bool:
        """Whether every file has the length of its fingerprint; contents are not read."""
        return all(_length(self.path / name) == length for name, (length, _) in files.items())

    def cut(self, files: Mapping[str, list[int]]) -> None:
        """Drops what was appended to the tables after these fingerprints were taken, to be written again."""
        for path in self._tables:
            length = files[self._name(path)][0]
            if _length(path) > length:
                os.truncate(path, length)

    def clear(self) -> None:
        """Removes record, tables and policies, so that the run can start again."""
        for path in (self.record_path, *self._tables, *self._policies):
            path.unlink(missing_ok=True)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()


def _length(path: Path) -> int:
    """Bytes of a file; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table for people and spreadsheets (see `cell_text`) atomically. Floats round-trip."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([columns, *(map(cell_text, row) for row in rows)])
    write_atomically(path, stream.getvalue().encode())


def _csv_line(row: Sequence[Any]) -> str:
    """Encodes one row. Python's `csv` writes floats with `repr`, so that they round-trip."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(row)
    line = stream.getvalue()
    if "\n" in line or "\r" in line:
        raise ValueError(f"A name in a table may not contain a line break: {row!r}.")
    return line


def _append_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    append_lines(path, [_csv_line(row) for row in rows], header=_csv_line(columns))


def _read_rows(path: Path, columns: Sequence[str], kinds: Sequence[type]) -> list[tuple[Any, ...]]:
    lines = read_whole_lines(path)
    if not lines:
        return []
    require(
        lines[0] == _csv_line(columns),
        f"{str(path)!r} should have the columns {_csv_line(columns)} but begins with {lines[0]!r}.",
    )
    rows = []
    for number, fields in enumerate(csv.reader(lines[1:]), start=2):
        try:
            rows.append(tuple(kind(text) for kind, text in zip(kinds, fields, strict=True)))
        except ValueError:
            if number < len(lines):
                raise ConfigurationError(
                    f"{str(path)!r}, line {number}: cannot read {lines[number - 1]!r} as {_csv_line(columns)}. "
                    "Remove the run's folder and run the experiment again to repeat the run."
                ) from None
    return rows


def _read_columns(path: Path, columns: Sequence[str], kinds: Sequence[type]) -> list[list[Any]]:
    """The columns of a table. Whole files are converted column by column, which takes a quarter of the time."""
    lines = read_whole_lines(path)
    if len(lines) > 1 and lines[0] == _csv_line(columns):
        try:
            texts = zip(*csv.reader(lines[1:]), strict=True)
            return [list(map(kind, column)) for kind, column in zip(kinds, texts, strict=True)]
        except ValueError:
            pass  # damaged: row by row, to keep what is whole or to say which line is not
    rows = _read_rows(path, columns, kinds)
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in columns]
