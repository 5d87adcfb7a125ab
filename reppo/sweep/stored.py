"""What is kept of batches in a folder of results: their runs and widths, and their checkpoints."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, final

from reppo.errors import ConfigurationError, DamagedFile, require, unknown_name
from reppo.results import ResultsFolder
from reppo.results.files import read_json, write_json
from reppo.sweep.batches import Batch, arrange_batches, batch_id, batch_number
from reppo.sweep.execution import Execution
from reppo.sweep.experiment import Experiment, Run
from reppo.training.checkpoints import Checkpoints
from reppo.training.lanes import compile_key


@final
class Lanes(NamedTuple):
    """What `lanes.json` says.

    Attributes:
        width: lanes of the program of the batch.
        runs: the run of each lane, as `Run.to_json` gave it.
    """

    width: int
    runs: list[dict[str, Any]]


def make_batches(runs: Sequence[Run], folder: ResultsFolder, execution: Execution, again: bool = False) -> list[Batch]:
    """Puts every run into a batch, and writes new batches to the folder of results; see `find_batches`."""
    batches, new = find_batches(runs, folder, execution, again)
    if new:
        number = max(batch_number(batch.id) or 0 for batch in new)
        folder.update_experiment(folder.read_experiment() | {"next_batch": number + 1})
    for batch in new:
        described = {"width": batch.width, "runs": [run.to_json() for run in batch.runs]}
        write_json(folder.batch_path(batch.id) / "lanes.json", described)
    return batches


def find_batches(
    runs: Sequence[Run], folder: ResultsFolder, execution: Execution, again: bool = False
) -> tuple[list[Batch], list[Batch]]:
    """Puts every run into a batch; see `arrange_batches`. Nothing is written.

    Args:
        runs: the runs.
        folder: the folder of results.
        execution: how programs run.
        again: puts them into new batches, whether they have one or not.

    Returns:
        The batches, and those of them that the folder does not hold yet.
    """
    known = [] if again else read_batches(folder, runs)
    placed = {run.id for batch in known for _, run in batch.own}
    widths = {} if all(run.id in placed for run in runs) else _widths(folder, runs)
    batches = arrange_batches(runs, execution, known, next_number(folder), widths)
    return batches, [batch for batch in batches if batch not in known]


def checkpoints_of(batch: str, folder: ResultsFolder) -> Checkpoints:
    """The checkpoints of a batch, by its id."""
    return Checkpoints(folder.batch_path(batch) / "states")


def read_batches(folder: ResultsFolder, runs: Sequence[Run]) -> list[Batch]:
    """The batches that hold one of these runs, by their numbers; a run belongs to the last that holds it."""
    described = dict(_described(folder))
    last = {lane["run_id"]: batch for batch, lanes in described.items() for lane in lanes.runs}
    known = {run.id: run for run in runs}
    found = []
    for batch in sorted({last[id] for id in known if id in last}, key=list(described).index):
        lanes = [known.get(lane["run_id"]) or Run.from_json(lane) for lane in described[batch].runs]
        gone = frozenset(run.id for run in lanes if last[run.id] != batch)
        found.append(Batch(batch, tuple(lanes), described[batch].width, gone))
    return found


def runs_of_batch(experiment: Experiment, folder: ResultsFolder, batch: str) -> list[Run]:
    """The runs of an experiment that were put into a batch, also those that have begun again in another since.

    Raises:
        ConfigurationError: if there is no such batch, or none of its runs is one of the experiment's.
    """
    ids = [batch_id(number) for number in _numbers(folder)]
    if batch not in ids:
        raise unknown_name(
            "batch",
            batch,
            ids,
            f"In {str(folder.path)!r} batches are planned by reppo submit, or reppo run without it.",
        )
    lanes = {lane["run_id"] for lane in read_lanes(folder, batch).runs}
    runs = [run for run in experiment.runs() if run.id in lanes]
    require(
        runs,
        f"No run of {batch} in {str(folder.path)!r} is one of the experiment's. Give the options (--arms, --seeds, "
        "--set, ...) that it was planned with; if the file was changed since, run it anew without --batch.",
    )
    return runs


def next_number(folder: ResultsFolder) -> int:
    """A number that no batch has had: the folder of one may have been removed."""
    return max([folder.read_experiment().get("next_batch", 0), *(number + 1 for number in _numbers(folder))])


def without_gone(batch: Batch, folder: ResultsFolder, since: int) -> Batch:
    """A batch without the runs that have begun again in batches of this number or above."""
    first = max(since, (batch_number(batch.id) or 0) + 1)
    numbers = [number for number in _numbers(folder) if number >= first]
    gone = {lane["run_id"] for number in numbers for lane in read_lanes(folder, batch_id(number)).runs}
    return batch.without(run for run in batch.runs if run.id in gone)


def read_lanes(folder: ResultsFolder, batch: str) -> Lanes:
    """The runs of a batch by its file, or where that is damaged by its checkpoints; none if there are none either."""
    with contextlib.suppress(DamagedFile):
        described = read_json(folder.batch_path(batch) / "lanes.json")
        width, runs = described.get("width"), described.get("runs")
        if isinstance(width, int) and isinstance(runs, list):
            if all(isinstance(run, dict) and "spec" in run for run in runs):
                return Lanes(width, runs)
    checkpoints = checkpoints_of(batch, folder)
    for iteration in reversed(checkpoints.iterations()):
        with contextlib.suppress(DamagedFile):
            about = checkpoints.about(iteration)
            return Lanes(about["records"][0]["width"], about["runs"])
    return Lanes(0, [])


def _widths(folder: ResultsFolder, runs: Sequence[Run]) -> dict[Any, int]:
    """The width of the programs of all batches, by `compile_key`; of several that of the first."""
    known, widths = {run.id: run for run in runs}, {}
    for _, lanes in _described(folder):
        with contextlib.suppress(ConfigurationError):  # of a component that is not known here
            run = next((known[lane["run_id"]] for lane in lanes.runs if lane["run_id"] in known), None)
            run = run or (Run.from_json(lanes.runs[0]) if lanes.runs else None)
            if run is not None:
                widths.setdefault(compile_key(run.spec), lanes.width)
    return widths


def _described(folder: ResultsFolder) -> Iterator[tuple[str, Lanes]]:
    for batch in map(batch_id, _numbers(folder)):
        yield batch, read_lanes(folder, batch)


def _numbers(folder: ResultsFolder) -> list[int]:
    numbers = (batch_number(path.name) for path in (folder.path / "batches").glob("*"))
    return sorted(number for number in numbers if number is not None)
