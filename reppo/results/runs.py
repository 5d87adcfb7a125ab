"""All runs of an experiment, for analysis."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from reppo.errors import ConfigurationError, require
from reppo.results.evaluations import Evaluations
from reppo.results.folder import ResultsFolder
from reppo.results.formatting import human_count, natural_order
from reppo.results.record import RunRecord
from reppo.results.run_folder import RunFolder
from reppo.results.tables import write_csv
from reppo.text import counted, plain

RUN_COLUMNS = (
    "arm",
    "environment",
    "seed",
    "status",
    "environment_steps",
    "final_return",
    "best_return",
    "steps_per_second",
    "run_id",
)


@final
@dataclass(frozen=True, eq=False)
class RunData:
    """One run as read from disk. Its training metrics are read on demand: `run.folder.read_metrics()`.

    Attributes:
        record: what was run and how it ended.
        evaluations: its evaluation episodes.
        folder: where it came from.
    """

    record: RunRecord
    evaluations: Evaluations
    folder: RunFolder

    def __repr__(self) -> str:
        record, evaluated = self.record, len(np.unique(self.evaluations.environment_steps))
        state = record.divergence or f"{record.status}, {human_count(record.environment_steps)} steps"
        told = f"{record.arm} on {record.environment}, seed {record.seed}: {state}, {counted(evaluated, 'evaluation')}"
        return f"RunData({plain(told)})"


def load_results(path: str | Path) -> list[RunData]:
    """Reads every run of an experiment that has a record, sorted by environment, arm and seed.

    Raises:
        ConfigurationError: if the folder is not that of an experiment, or a file in it is damaged.
    """
    runs = [RunData(f.read_record(), f.read_evaluations(), f) for f in ResultsFolder.open(path).runs()]
    return sorted(runs, key=lambda run: place_of(run.record))


def place_of(record: RunRecord) -> tuple[Any, ...]:
    """The place of a run among others: by environment, arm and seed."""
    return natural_order(record.environment), natural_order(record.arm), record.seed


def open_run(path: str | Path) -> RunFolder:
    """The folder of one run.

    Raises:
        ConfigurationError: if it is not there, or none; of a whole experiment it names a run.
    """
    path = Path(path)
    if (path / "experiment.json").is_file():
        runs = [str(run.path) for run in ResultsFolder.open(path).runs()]
        hint = f"one of its {len(runs)} runs, such as {runs[0]!r}" if runs else "a run of it; it has none yet"
        raise ConfigurationError(f"{str(path)!r} is the folder of a whole experiment. Give {hint}.")
    example = "results/quickstart/runs/base/<task>/seed0"
    require(path.exists(), f"There is no folder {str(path)!r}. Give the folder of a run: {example}.")
    require(
        (path / "record.json").is_file(),
        f"{str(path)!r} is no folder of a run: it has no record.json. Give one such as {example}.",
    )
    return RunFolder(path)


def write_runs_csv(path: str | Path) -> Path:
    """Writes `runs.csv` into the folder of an experiment, one row per run, and returns its path.

    `final_return` is the mean over the episodes of the last evaluation, `best_return` the highest such mean.

    Raises:
        ConfigurationError: if the folder is not that of an experiment, or a file in it is damaged.
    """
    rows = []
    for run in load_results(path):
        record, evaluations = run.record, run.evaluations
        outcome = (evaluations.final_return(), evaluations.best_return(), record.steps_per_second)
        identity = (record.arm, record.environment, record.seed, record.status, record.environment_steps)
        rows.append((*identity, *outcome, record.run_id))
    target = ResultsFolder.open(path).runs_csv_path
    write_csv(target, RUN_COLUMNS, rows)
    return target
