"""Which runs go into which batch."""

import contextlib
import dataclasses
import re
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

import jax

from reppo.errors import ConfigurationError, DamagedFile, require, unknown_name
from reppo.results import ResultsFolder
from reppo.results.files import read_json, write_json
from reppo.results.formatting import human_bytes
from reppo.runtime.machine import usable_memory
from reppo.spec import Spec, difference, format_value, from_json
from reppo.spec.source import source_hashes
from reppo.sweep.experiment import Experiment, Run
from reppo.training.checkpoints import Checkpoints
from reppo.training.lanes import compile_key, lane_devices, lanes_at_once, lanes_mode
from reppo.training.memory import abstract_state, lane_bytes, tree_bytes
from reppo.training.plan import total_iterations

_BATCH = "batch"

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

    def held_bytes(self, lane: int, state: int) -> int:
        """Memory of all lanes: of those that train, and of the states of the others (see `needed_bytes`)."""
        return self.at_once * lane + (self.width - self.at_once) * state


@final
@dataclasses.dataclass(frozen=True)
class Batch:
    """Runs that execute in one compiled program; the last of its lanes may be padding.

    Attributes:
        id: name of its folder, never used again for another batch.
        runs: a run for each lane.
        gone: ids of runs that began again in another batch; their lanes count for nothing any more.
    """

    id: str
    runs: tuple[Run, ...]
    gone: frozenset[str] = frozenset()

    @property
    def own(self) -> list[tuple[int, Run]]:
        """Lane and run of all that are not gone."""
        return [(lane, run) for lane, run in enumerate(self.runs) if run.id not in self.gone]

    def without(self, runs: Iterable[Run]) -> "Batch":
        """The batch after these runs have gone, as far as they are its own."""
        gone = {run.id for run in runs} & {run.id for run in self.runs}
        return dataclasses.replace(self, gone=self.gone | gone)

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
        return list(dict.fromkeys(run.arm for _, run in self.own))


def choose_execution(experiment: Experiment, memory: int | None = None, mode: str | None = None) -> Execution:
    """The way of batching of a new folder of results: a rule from backend, number of seeds and memory.

    Args:
        experiment: the experiment.
        memory: bytes that training may take; no limit by default. On a CPU that is the process's resident set above
            what it is at the start, so that `RESIDENT_BYTES` of it are not for arrays, and never more than
            `usable_memory`; elsewhere the device's memory. Where the seeds do not fit, fewer lanes train at the same
            time.
        mode: how lanes run where the experiment is executed; as on this machine by default.

    Raises:
        ConfigurationError: if not even one lane fits.
    """
    chosen = Execution(mode or lanes_mode(), min(len(tuple(experiment.seeds)), MAX_WIDTH), lane_devices())
    if memory is None:
        return chosen
    runs = {compile_key(run.spec): run for run in experiment.runs()}
    needed = [(*needed_bytes(run), run.environment) for run in runs.values()]
    need, _, name = max(needed)
    reserved = RESIDENT_BYTES if chosen.mode == lanes_mode() and jax.default_backend() == "cpu" else 0
    if reserved:
        memory = min(memory, usable_memory() or memory)
    require(
        need <= memory - reserved,
        f"One run on {name} needs about {human_bytes(need)} while it trains{_besides(reserved)}, and "
        f"{human_bytes(memory)} are allowed (--memory). Allow more, or choose fewer environments, shorter rollouts or "
        "narrower networks.",
    )
    devices = range(chosen.devices, 0, -1) if chosen.mode == "map" else [chosen.devices]
    narrower = [dataclasses.replace(chosen, devices=number) for number in devices]
    narrower += [dataclasses.replace(narrower[-1], width=width) for width in range(chosen.width - 1, 0, -1)]
    fits = (one for one in narrower if all(one.held_bytes(*each) <= memory - reserved for *each, _ in needed))
    return next(fits)


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
        raise ConfigurationError(
            f"The arm {run.arm} cannot be trained on {run.environment}: {describe_fault(error)}. Hold each component "
            "of your own against the laws of its slot by the checks of reppo.testing."
        ) from error


_FRAME = re.compile(r'^ *File "(.+)", line (\d+), in .*$', re.MULTILINE)


def describe_fault(error: Exception) -> str:
    """An error in one line: the user's line that it came from, if there is one, its kind, and what it says.

    An error inside a compiled program holds the traceback of a callback as text, which is read.
    """
    text = str(error).strip()
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    said = f"{type(error).__name__}: {text.partition(chr(10))[0]}"
    inside = list(_FRAME.finditer(text))
    if inside:
        called = [number for number, frame in enumerate(inside) if "/jax/_src/callback.py" in frame[1]]
        frames = [(frame[1], int(frame[2])) for frame in inside[max(called, default=-1) + 1 :]]
        rest = [line for line in text[inside[-1].end() :].splitlines() if line and not line.startswith(" ")]
        said = rest[0] if rest else said
    here = Path(__file__).parent.parent
    own = [
        f"{file}, line {line}: "
        for file, line in ((Path(name), line) for name, line in frames)
        if file.is_file() and here not in file.parents and "site-packages" not in file.parts
    ]
    return (own[-1] if own else "") + said.removesuffix(".")


def _besides(reserved: int) -> str:
    return f", besides {human_bytes(reserved)} for libraries and programs" if reserved else ""


def decide_execution(
    experiment: Experiment, folder: ResultsFolder, memory: int | None = None, mode: str | None = None
) -> Execution:
    """The way of batching: what the folder says, or for a new one `choose_execution`, which is then written to it.

    Args:
        experiment: the experiment.
        folder: its folder of results.
        memory: see `choose_execution`.
        mode: how lanes run where the experiment is executed; as on this machine by default.

    Raises:
        ConfigurationError: if the folder was begun on another kind of backend, or nothing fits into the memory.
    """
    described = folder.read_experiment()
    if "execution" not in described:
        decided = choose_execution(experiment, memory, mode)
        folder.update_experiment(described | {"execution": dataclasses.asdict(decided)})
        return decided
    found, mode = Execution(**described["execution"]), mode or lanes_mode()
    if found.mode != mode:
        raise ConfigurationError(
            f"The results in {folder.path} were begun with lanes by {found.mode!r} ('map' on CPUs, 'vmap' on "
            f"accelerators), they would now run by {mode!r}, and numbers of the two do not agree to the last bit. "
            "Continue on the same kind of machine, or give another folder with --out."
        )
    if found.devices > lane_devices():
        raise ConfigurationError(
            f"The results in {folder.path} were begun on {found.devices} devices, and this process has "
            f"{lane_devices()} (a single one with jax 0.11). Continue with as many, or give another folder with --out."
        )
    return found


def make_batches(runs: Sequence[Run], folder: ResultsFolder, width: int, again: bool = False) -> list[Batch]:
    """Puts every run into a batch, and writes new batches to the folder of results; see `arrange_batches`.

    Args:
        runs: the runs.
        folder: the folder of results.
        width: lanes of a batch.
        again: puts them into new batches, whether they have one or not.
    """
    known = [] if again else read_batches(folder, runs)
    batches = arrange_batches(runs, width, known, next_number(folder))
    new = [batch for batch in batches if batch not in known]
    if new:
        folder.update_experiment(folder.read_experiment() | {"next_batch": _number(new[-1].id) + 1})
    for batch in new:
        _write_batch(folder, batch, width)
    return batches


def arrange_batches(runs: Sequence[Run], width: int, known: Sequence[Batch] = (), number: int = 0) -> list[Batch]:
    """Puts every run into a batch.

    Runs that have one keep it; new runs fill new batches, grouped by what they can share a program with.

    Args:
        runs: the runs of the experiment.
        width: lanes of a batch.
        known: the batches that there are.
        number: of the first new batch.

    Returns:
        Every batch that holds one of the runs, batches of one program next to each other.
    """
    place = {run.id: batch for batch in known for _, run in batch.own}
    needed = {place[run.id].id: place[run.id] for run in runs if run.id in place}
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        if run.id not in place:
            groups.setdefault(compile_key(run.spec), []).append(run)
    batches = list(needed.values())
    for group in groups.values():
        for start in range(0, len(group), width):
            batches.append(Batch(_batch_id(number), tuple(group[start : start + width])))
            number += 1
    return [batch for group in by_program(batches) for batch in group]


def by_program(batches: Sequence[Batch]) -> list[list[Batch]]:
    """Groups batches by the compiled program that they share, in the order of the first of each group."""
    groups: dict[Any, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(batch.key, []).append(batch)
    return list(groups.values())


def look_through(
    experiment: Experiment, folder: ResultsFolder, runs: Iterable[Run] | None = None
) -> tuple[list[Run], list[str]]:
    """The runs that are not done, and what there is to say about those that have begun.

    A run is not done if its record is not at the end, or does not agree with the run's files.

    Args:
        experiment: the experiment.
        folder: its folder of results.
        runs: those of its runs that are asked for; all by default.

    Raises:
        ConfigurationError: if the folder holds another run under the name of one of them; says in what they differ.
    """
    pending, changed = [], {}
    for run in experiment.runs() if runs is None else runs:
        place = folder.run(run.arm, run.environment, run.seed)
        try:
            record = place.read_record()
        except DamagedFile:
            pending.append(run)
            continue
        if record.run_id != run.id:
            raise ConfigurationError(
                f"{place.path} holds another run under the same name. {_explain(record.spec, run.spec)} Give the "
                "experiment another name, choose another folder with --out, or remove the old results."
            )
        for name, source in source_hashes(run.spec).items():
            if record.sources.get(name, source) != source:
                changed.setdefault(name, []).append(run)
        end = total_iterations(run.spec, experiment.steps) * run.spec.algorithm.steps_per_iteration
        at_the_end = record.status != "running" and record.environment_steps >= end
        if not (at_the_end and place.is_complete(record.files)):
            pending.append(run)
    return pending, [_say_changed(name, runs) for name, runs in changed.items()]


def _say_changed(name: str, runs: Sequence[Run]) -> str:
    arms = list(dict.fromkeys(run.arm for run in runs))
    shown = ", ".join(arms[:3]) + (f" and {len(arms) - 3} more arms" if len(arms) > 3 else "")
    return (
        f"The source of {name} is not what it was for {len(runs)} run{'' if len(runs) == 1 else 's'} of this folder "
        f"({shown}), which are kept and go on. If it computes something else now, give another folder with --out."
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


def checkpoints_of(batch: str, folder: ResultsFolder) -> Checkpoints:
    """The checkpoints of a batch, by its id."""
    return Checkpoints(folder.batch_path(batch) / "states")


def read_batches(folder: ResultsFolder, runs: Sequence[Run]) -> list[Batch]:
    """The batches that hold one of these runs, by their numbers; a run belongs to the last that holds it."""
    described = {batch: read_lanes(folder, batch) for batch in map(_batch_id, _numbers(folder))}
    last = {lane["run_id"]: batch for batch, lanes in described.items() for lane in lanes}
    known = {run.id: run for run in runs}
    found = []
    for batch in sorted({last[id] for id in known if id in last}, key=list(described).index):
        lanes = [known.get(lane["run_id"]) or Run.from_json(lane) for lane in described[batch]]
        found.append(Batch(batch, tuple(lanes), frozenset(run.id for run in lanes if last[run.id] != batch)))
    return found


def runs_of_batch(experiment: Experiment, folder: ResultsFolder, batch: str) -> list[Run]:
    """The runs of an experiment that were put into a batch, also those that have begun again in another since.

    Raises:
        ConfigurationError: if there is no such batch, or none of its runs is one of the experiment's.
    """
    ids = [_batch_id(number) for number in _numbers(folder)]
    if batch not in ids:
        raise unknown_name(
            "batch",
            batch,
            ids,
            f"In {str(folder.path)!r} batches are planned by reppo submit, or reppo run without it.",
        )
    lanes = {lane["run_id"] for lane in read_lanes(folder, batch)}
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
    first = max(since, _number(batch.id) + 1)
    numbers = [number for number in _numbers(folder) if number >= first]
    gone = {lane["run_id"] for number in numbers for lane in read_lanes(folder, _batch_id(number))}
    return batch.without(run for run in batch.runs if run.id in gone)


def read_lanes(folder: ResultsFolder, batch: str) -> list[dict[str, Any]]:
    """The runs of a batch by its file, or where that is damaged by its checkpoints; none if there are none either."""
    file = folder.batch_path(batch) / "lanes.json"
    with contextlib.suppress(DamagedFile):
        lanes = read_json(file).get("runs")
        if isinstance(lanes, list) and all(isinstance(lane, dict) and "spec" in lane for lane in lanes):
            return lanes
    checkpoints = checkpoints_of(batch, folder)
    for iteration in reversed(checkpoints.iterations()):
        with contextlib.suppress(DamagedFile):
            return checkpoints.about(iteration)["runs"]
    return []


def _batch_id(number: int) -> str:
    return f"{_BATCH}{number:04d}"


def _number(batch: str) -> int:
    return int(batch.removeprefix(_BATCH))


def _numbers(folder: ResultsFolder) -> list[int]:
    names = [path.name for path in (folder.path / "batches").glob(f"{_BATCH}*")]
    return sorted(_number(name) for name in names if name.removeprefix(_BATCH).isdecimal())
