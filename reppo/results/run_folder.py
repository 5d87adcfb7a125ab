"""The folder of one run: its record, its tables, its policies."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Int

from reppo.errors import ConfigurationError
from reppo.results.evaluations import Evaluations, Metrics
from reppo.results.files import fingerprint, put_on_disk, read_json, write_json
from reppo.results.record import RunRecord
from reppo.results.tables import append_rows, read_columns

EVALUATION_COLUMNS = ("environment_steps", "seconds", "episode", "return", "length")
METRIC_COLUMNS = ("environment_steps", "metric", "mean", "minimum", "maximum")
_EVALUATION_KINDS = (int, float, int, float, int)
_METRIC_KINDS = (int, str, float, float, float)


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
            environment_steps: training steps of this run before the evaluation, at least 0.
            seconds: seconds of training before the evaluation, at least 0.
            returns: the return of each episode; NaN and infinities are kept.
            lengths: the length of each episode in environment steps.

        Raises:
            ValueError: if there are not as many lengths as returns.
        """
        pairs = zip(returns.tolist(), lengths.tolist(), strict=True)
        rows = [(int(environment_steps), float(seconds), episode, *pair) for episode, pair in enumerate(pairs)]
        append_rows(self.evaluations_path, EVALUATION_COLUMNS, rows)

    def append_metrics(self, environment_steps: int, metrics: Mapping[str, tuple[float, float, float]]) -> None:
        """Adds one report of training metrics.

        Args:
            environment_steps: training steps of this run at the end of the report, at least 0.
            metrics: name -> mean, minimum and maximum since the last report.

        Raises:
            ValueError: if a name contains a line break.
        """
        rows = [(int(environment_steps), name, *map(float, summary)) for name, summary in metrics.items()]
        append_rows(self.metrics_path, METRIC_COLUMNS, rows)

    def read_evaluations(self) -> Evaluations:
        """Reads the evaluation episodes, without a torn last row; none if there is no file.

        Raises:
            ConfigurationError: if a row before the last is damaged, or the columns are others.
        """
        steps, seconds, episode, returns, lengths = read_columns(
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
        steps, names, mean, minimum, maximum = read_columns(self.metrics_path, METRIC_COLUMNS, _METRIC_KINDS)
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
