"""All evaluation episodes, or all training metrics, of a folder of results in one tidy table."""

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from reppo.errors import require, unknown_name
from reppo.results.folder import ResultsFolder
from reppo.results.record import RunRecord
from reppo.results.run_folder import RunFolder
from reppo.results.runs import place_of

if TYPE_CHECKING:
    import pandas

TableName = Literal["evaluations", "metrics"]
Columns = dict[str, np.ndarray]


def frame(path: str | Path, table: TableName = "evaluations", names: Sequence[str] | None = None) -> "pandas.DataFrame":
    """The results of an experiment as a tidy data frame: a row for each evaluation episode, or each metric.

    Runs that go on, were killed or diverged are in it with what they have measured; an empty folder gives no rows.

    Args:
        path: the folder of an experiment.
        table: `"evaluations"` for a row per run, evaluation and episode; `"metrics"` for one per run, report and name.
        names: which metrics; all by default. Reading few of them takes less memory.

    Returns:
        A frame with the columns `arm`, `rival` (empty for arms that start from the base), `environment`, `seed` and
        `status` (as in the record: `running`, also where it was interrupted; `finished`; `diverged`), then those of
        `evaluations.csv` (`environment_steps`, `seconds`, `episode`, `return`, `length`) or of `metrics.csv`
        (`environment_steps`, `metric`, `mean`, `minimum`, `maximum`). Names are text, all else numbers. A `return` is
        NaN where the simulation broke. Rows stand by environment, arm and seed, then as they were written.

    Raises:
        ConfigurationError: if pandas is not installed, the folder is not that of an experiment, no run has one of the
            metrics, or a file is damaged.
    """
    require(
        importlib.util.find_spec("pandas") is not None,
        "A data frame needs pandas, which is not installed. Install it (pip install pandas), or take the same columns "
        "as NumPy arrays: reppo.results.columns(...).",
    )
    import pandas

    return pandas.DataFrame(columns(path, table, names))


def columns(path: str | Path, table: TableName = "evaluations", names: Sequence[str] | None = None) -> Columns:
    """The same as `frame`, as NumPy arrays of equal length by name, for which pandas need not be installed.

    Args:
        path: see `frame`.
        table: see `frame`.
        names: see `frame`.

    Raises:
        ConfigurationError: as `frame`, but for pandas.
    """
    if table not in get_args(TableName):
        raise unknown_name("table", table, get_args(TableName))
    require(not isinstance(names, str), f"names is a list of metrics: names=[{names!r}].")
    require(names is None or table == "metrics", 'names chooses metrics; give table="metrics" with it.')
    read = _episodes if table == "evaluations" else _metrics_of(names)
    records = [(folder.read_record(), folder) for folder in ResultsFolder.open(path).runs()]
    records.sort(key=lambda found: place_of(found[0]))
    parts = [read(folder) for _, folder in records]
    if names is not None and records:
        _check_names(names, parts, [folder for _, folder in records])
    sizes = [len(part["environment_steps"]) for part in parts]
    whose: dict[str, tuple[type, Callable[[RunRecord], Any]]] = {
        "arm": (object, lambda record: record.arm),
        "rival": (object, lambda record: record.rival or ""),
        "environment": (object, lambda record: record.environment),
        "seed": (np.int64, lambda record: record.seed),
        "status": (object, lambda record: record.status),
    }
    found = {
        name: np.repeat(np.array([of(record) for record, _ in records], kind), sizes)
        for name, (kind, of) in whose.items()
    }
    empty = _EMPTY[table]
    return found | {name: np.concatenate([empty[name], *(part[name] for part in parts)]) for name in empty}


def _episodes(folder: RunFolder) -> Columns:
    found = folder.read_evaluations()
    return {
        "environment_steps": found.environment_steps,
        "seconds": found.seconds,
        "episode": found.episode,
        "return": found.returns,
        "length": found.lengths,
    }


def _metrics_of(names: Iterable[str] | None) -> Callable[[RunFolder], Columns]:
    """Reads the rows of some metrics of a run."""
    wanted = None if names is None else set(names)

    def read(folder: RunFolder) -> Columns:
        found = folder.read_metrics()
        kept = slice(None) if wanted is None else np.array([name in wanted for name in found.names], np.bool_)
        return {
            "environment_steps": found.environment_steps[kept],
            "metric": np.array(found.names, object)[kept],
            "mean": found.mean[kept],
            "minimum": found.minimum[kept],
            "maximum": found.maximum[kept],
        }

    return read


def _check_names(names: Iterable[str], parts: Iterable[Mapping[str, Any]], folders: Iterable[RunFolder]) -> None:
    """Refuses a metric that no run has."""
    found = {name for part in parts for name in part["metric"]}
    missing = [name for name in names if name not in found]
    known = {name for folder in folders for name in folder.read_metrics().names} if missing else set()
    if missing and known:
        raise unknown_name("metric", missing[0], known)


_WHOLE, _NUMBERS, _TEXTS = np.zeros(0, np.int64), np.zeros(0, np.float64), np.zeros(0, object)
_EMPTY: dict[str, Columns] = {
    "evaluations": {
        "environment_steps": _WHOLE,
        "seconds": _NUMBERS,
        "episode": _WHOLE,
        "return": _NUMBERS,
        "length": _WHOLE,
    },
    "metrics": {
        "environment_steps": _WHOLE,
        "metric": _TEXTS,
        "mean": _NUMBERS,
        "minimum": _NUMBERS,
        "maximum": _NUMBERS,
    },
}
