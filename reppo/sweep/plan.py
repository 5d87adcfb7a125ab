"""Which runs go into which batch."""

import dataclasses
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import jax

from reppo.errors import ConfigurationError, require
from reppo.results import ResultsFolder
from reppo.results.files import read_json, write_json
from reppo.results.formatting import human_bytes
from reppo.spec import Spec, difference, format_value, from_json
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.machine import usable_memory
from reppo.training.lanes import compile_key, lanes_at_once, lanes_mode
from reppo.training.memory import abstract_state, lane_bytes, tree_bytes

MAX_WIDTH = 16
"""Most lanes of a program where the experiment has more seeds than that."""

RESIDENT_BYTES = 10**9
"""What a process on a CPU takes beside the arrays of training: libraries, compiled programs, the simulator's model."""


@final
@dataclasses.dataclass(frozen=True)
class Execution:
    """What a folder of results decided once, because the last bits of results depend on it.

    Attributes:
        mode: how lanes run, `"map"` or `"vmap"`.
        width: lanes of every program.
        devices: devices that the lanes are split over.
    """

    mode: str
    width: int
    devices: int

    @property
    def at_once(self) -> int:
        """Lanes that train at the same time."""
        return lanes_at_once(self.mode, self.width, self.devices)


@final
@dataclasses.dataclass(frozen=True)
class Batch:
    """Runs that execute in one compiled program; the last of its lanes may be padding.

    Attributes:
        id: name of its folder.
        runs: a run for each lane.
    """

    id: str
    runs: tuple[Run, ...]

    @property
    def key(self) -> Any:
        """Batches with equal keys share a program."""
        return compile_key(self.runs[0].spec)

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"{self.runs[0].environment} {', '.join(self.arms)}"

    @property
    def arms(self) -> list[str]:
        """Names of its arms, in the order of lanes."""
        return list(dict.fromkeys(run.arm for run in self.runs))


def choose_execution(experiment: Experiment, memory: int | None = None) -> Execution:
    """The way of batching of a new folder of results: a rule from backend, number of seeds and memory.

    Args:
        experiment: the experiment.
        memory: bytes that training may take; no limit by default. On a CPU that is the process's resident set above
            what it is at the start, so that `RESIDENT_BYTES` of it are not for arrays, and never more than
            `usable_memory`; elsewhere the device's memory. Where the seeds do not fit, fewer lanes train at the same
            time.

    Raises:
        ConfigurationError: if not even one lane fits.
    """
    chosen = Execution(lanes_mode(), min(len(tuple(experiment.seeds)), MAX_WIDTH), len(jax.local_devices()))
    if memory is None:
        return chosen
    runs = {compile_key(run.spec): run for run in experiment.runs()}
    need, name = max((needed_bytes(run)[0], run.environment) for run in runs.values())
    reserved = RESIDENT_BYTES if jax.default_backend() == "cpu" else 0
    if reserved:
        memory = min(memory, usable_memory() or memory)
    fit = (memory - reserved) // need
    require(
        fit >= 1,
        f"One run on {name} needs about {human_bytes(need)} while it trains{_besides(reserved)}, and "
        f"{human_bytes(memory)} are allowed (--memory). Allow more, or choose fewer environments, shorter rollouts or "
        "narrower networks.",
    )
    if chosen.mode == "vmap":
        return dataclasses.replace(chosen, width=min(chosen.width, fit))
    return dataclasses.replace(chosen, devices=min(chosen.devices, fit))


def needed_bytes(run: Run) -> tuple[int, int]:
    """`lane_bytes` of a run, and the bytes of its state, from tracing its update.

    Raises:
        ConfigurationError: if the update cannot be traced; names the arm, the fault and the user's line.
    """
    try:
        state = abstract_state(run.spec)
        return lane_bytes(run.spec, state), tree_bytes(state)
    except ConfigurationError:
        raise
    except Exception as error:
        fault = str(error).strip().partition("\n")[0].removesuffix(".")
        raise ConfigurationError(
            f"The arm {run.arm} cannot be trained on {run.environment}: {_user_line(error)}{type(error).__name__}: "
            f"{fault}. Hold each component of your own against the laws of its slot by the checks of reppo.testing."
        ) from error


def _user_line(error: Exception) -> str:
    """The last place of a traceback that is neither this library nor an installed package."""
    here = Path(__file__).parent.parent
    frames = traceback.extract_tb(error.__traceback__)
    files = [(Path(frame.filename), frame.lineno) for frame in frames]
    own = [
        f"{file}, line {line}: "
        for file, line in files
        if file.is_file() and here not in file.parents and "site-packages" not in file.parts
    ]
    return own[-1] if own else ""


def _besides(reserved: int) -> str:
    return f", besides {human_bytes(reserved)} for libraries and programs" if reserved else ""


def decide_execution(experiment: Experiment, folder: ResultsFolder, memory: int | None = None) -> Execution:
    """The way of batching: what the folder says, or for a new one `choose_execution`, which is then written to it.

    Raises:
        ConfigurationError: if the folder was begun on another kind of backend, or nothing fits into the memory.
    """
    described = folder.read_experiment()
    if "execution" not in described:
        decided = choose_execution(experiment, memory)
        folder.update_experiment(described | {"execution": dataclasses.asdict(decided)})
        return decided
    found = Execution(**described["execution"])
    if found.mode != lanes_mode():
        raise ConfigurationError(
            f"The results in {folder.path} were begun with lanes by {found.mode!r}, this machine runs them by "
            f"{lanes_mode()!r}, and numbers of the two do not agree to the last bit. Continue on the same kind of "
            "machine, or give another folder with --out."
        )
    if found.devices > len(jax.local_devices()):
        raise ConfigurationError(
            f"The results in {folder.path} were begun on {found.devices} devices, and this process has "
            f"{len(jax.local_devices())}. Continue with as many, or give another folder with --out."
        )
    return found


def make_batches(runs: Sequence[Run], folder: ResultsFolder, width: int) -> list[Batch]:
    """Puts every run into a batch, and writes new batches to the folder of results; see `arrange_batches`."""
    known = _read_batches(folder)
    batches = arrange_batches(runs, width, known)
    for batch in batches:
        if batch not in known:
            _write_batch(folder, batch, width)
    return batches


def arrange_batches(runs: Sequence[Run], width: int, known: Sequence[Batch] = ()) -> list[Batch]:
    """Puts every run into a batch.

    Runs that have one keep it; new runs fill new batches, grouped by what they can share a program with.

    Args:
        runs: the runs of the experiment.
        width: lanes of a batch.
        known: the batches that there are.

    Returns:
        Every batch that holds one of the runs, batches of one program next to each other.
    """
    place = {run.id: batch for batch in known for run in batch.runs}
    needed = {place[run.id].id: place[run.id] for run in runs if run.id in place}
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        if run.id not in place:
            groups.setdefault(compile_key(run.spec), []).append(run)
    number = len(known)
    for group in groups.values():
        for start in range(0, len(group), width):
            batch = Batch(f"batch{number:04d}", tuple(group[start : start + width]))
            needed[batch.id] = batch
            number += 1
    return [batch for group in by_program(list(needed.values())) for batch in group]


def by_program(batches: Sequence[Batch]) -> list[list[Batch]]:
    """Groups batches by the compiled program that they share, in the order of the first of each group."""
    groups: dict[Any, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(batch.key, []).append(batch)
    return list(groups.values())


def refuse_other_runs(runs: Sequence[Run], folder: ResultsFolder) -> None:
    """Checks that what the folder holds under the name of each run is that run.

    Raises:
        ConfigurationError: says in what the specs differ.
    """
    for run in runs:
        place = folder.run(run.arm, run.environment, run.seed)
        if not place.record_path.exists():
            continue
        record = place.read_record()
        if record.run_id != run.id:
            raise ConfigurationError(
                f"{place.path} holds another run under the same name. {_explain(record.spec, run.spec)} Give the "
                "experiment another name, choose another folder with --out, or remove the old results."
            )


def _explain(old: dict[str, Any], new: Spec) -> str:
    try:
        changed = difference(from_json(old), new)
    except ConfigurationError as error:
        return f"Its spec cannot be read here: {error}"
    shown = "; ".join(
        f"{path} was {format_value(before)} and is now {format_value(after)}" for path, before, after in changed[:3]
    )
    return f"Its spec differs: {shown}{'; ...' if len(changed) > 3 else ''}."


def _write_batch(folder: ResultsFolder, batch: Batch, width: int) -> None:
    write_json(
        folder.batch_path(batch.id) / "lanes.json", {"width": width, "runs": [run.to_json() for run in batch.runs]}
    )


def _read_batches(folder: ResultsFolder) -> list[Batch]:
    files = sorted((folder.path / "batches").glob("*/lanes.json"))
    return [Batch(file.parent.name, tuple(Run.from_json(run) for run in read_json(file)["runs"])) for file in files]
