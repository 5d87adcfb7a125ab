"""What an experiment will cost, by abstract evaluation and by what this machine did before; nothing is compiled."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax

from reppo.results.formatting import human_bytes, human_count, human_seconds
from reppo.runtime.machine import usable_memory
from reppo.runtime.measuring import timed
from reppo.spec import Spec, difference
from reppo.sweep.batches import Batch, by_program
from reppo.sweep.execution import RESIDENT_BYTES, Execution
from reppo.sweep.experiment import Experiment
from reppo.sweep.past import Past, passes
from reppo.training import make_program
from reppo.training.plan import total_iterations


@final
@dataclasses.dataclass(frozen=True)
class Measured:
    """What one chunk of a group's training showed on this machine.

    Attributes:
        compile_seconds: time of tracing and compilation; little where the compilation cache holds the program.
        seconds: time that all its training and evaluation will take at the speed of that chunk.
        bytes: memory of the arrays that train at the same time, as the compiler laid them out.
    """

    compile_seconds: float
    seconds: float
    bytes: int


@final
@dataclasses.dataclass(frozen=True)
class Remembered:
    """What a group will take by what this machine did before.

    Attributes:
        compile_seconds: time of tracing and compilation, as it was; less where the compilation cache holds the program.
        seconds: time of all its training and evaluation.
        itself: whether that is of the very program; otherwise of its like, on the same task with as many environments
            and as long rollouts.
    """

    compile_seconds: float
    seconds: float
    itself: bool


@final
@dataclasses.dataclass(frozen=True)
class GroupForecast:
    """The batches that share a compiled program.

    Attributes:
        environment: name of the environment.
        arms: names of the arms; `search`, or `RIVAL+search`, for all settings of a search.
        runs: number of runs.
        searched: how many of them are of settings of searches.
        batches: number of batches.
        width: lanes of the program.
        at_once: lanes that train at the same time.
        differs: the paths for which it needs a program of its own: where its shapes or code differ from those of the
            first group of the environment, or of its rival.
        steps_per_iteration: environment steps of an iteration.
        training_steps: environment steps of training that are left, all runs together.
        evaluation_steps: environment steps of evaluation that are left, all runs together: at most, since an evaluation
            stops when its last episode is over.
        bytes: memory of the lanes that train at the same time (see `reppo.training.lane_bytes`) and of the states of
            the others.
        left: for each batch the iterations and the evaluations of its runs that are still to be made.
        expected: what it will take by what this machine did before; None where nothing is known.
        measured: what `measure` found, once it was asked.
    """

    environment: str
    arms: tuple[str, ...]
    runs: int
    batches: int
    width: int
    at_once: int
    differs: tuple[str, ...]
    steps_per_iteration: int
    training_steps: int
    evaluation_steps: int
    bytes: int
    searched: int = 0
    left: tuple[tuple[int, int], ...] = ()
    expected: Remembered | None = None
    measured: Measured | None = None


@final
@dataclasses.dataclass(frozen=True)
class Forecast:
    """What an experiment will cost.

    Attributes:
        name: the experiment's name.
        execution: how lanes are executed.
        groups: the groups, in the order in which they run.
    """

    name: str
    execution: Execution
    groups: tuple[GroupForecast, ...]

    @property
    def compilations(self) -> int:
        """Programs to compile, each of all the steps of training; those that are shared are compiled once."""
        return len(self.groups)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "experiment": self.name,
            "execution": dataclasses.asdict(self.execution),
            "compilations": self.compilations,
            "runs": sum(group.runs for group in self.groups),
            "batches": sum(group.batches for group in self.groups),
            "training_steps": sum(group.training_steps for group in self.groups),
            "evaluation_steps": sum(group.evaluation_steps for group in self.groups),
            "bytes": max((group.bytes for group in self.groups), default=0),
            "groups": [dataclasses.asdict(group) for group in self.groups],
        }


def forecast(
    experiment: Experiment,
    batches: Sequence[Batch],
    execution: Execution,
    past: Past | None = None,
    done: Mapping[str, int] | None = None,
) -> Forecast:
    """Forecasts every group of batches that share a program.

    Args:
        experiment: the experiment.
        batches: its batches, as `make_batches` arranges them.
        execution: how lanes are executed.
        past: what this machine did before; nothing by default.
        done: the iterations that batches have done already, by id; none by default.
    """
    past, done = past or Past(), done or {}
    first: dict[tuple[str, str], Spec] = {}
    groups = []
    for group in by_program(batches):
        runs = [run for batch in group for _, run in batch.own]
        spec = runs[0].spec
        of_base = first.setdefault((spec.environment.name, ""), spec)
        reference = first.get((spec.environment.name, runs[0].rival), of_base)
        first.setdefault((spec.environment.name, runs[0].rival), spec)
        horizon = spec.environment.horizon or spec.environment.make().horizon
        left = [_left(experiment, spec, done.get(batch.id, 0)) for batch in group]
        lanes = [len(batch.own) for batch in group]
        iterations, evaluations = (sum(n * one[i] for n, one in zip(lanes, left, strict=True)) for i in (0, 1))
        groups.append(
            GroupForecast(
                environment=spec.environment.name,
                arms=tuple(dict.fromkeys(run.group for run in runs)),
                runs=len(runs),
                searched=sum(run.search for run in runs),
                batches=len(group),
                width=group[0].width,
                at_once=execution.at_once(group[0].width),
                differs=tuple(_structural(reference, spec)),
                steps_per_iteration=spec.algorithm.steps_per_iteration,
                training_steps=iterations * spec.algorithm.steps_per_iteration,
                evaluation_steps=evaluations * spec.evaluation.episodes * horizon,
                bytes=execution.held_bytes(group[0].width, *past.needed_bytes(runs[0])),
                left=tuple(left),
                expected=_expected(group, left, execution, past),
            )
        )
    return Forecast(experiment.name, execution, tuple(groups))


def _left(experiment: Experiment, spec: Spec, done: int) -> tuple[int, int]:
    """The iterations and the evaluations of a run that are still to be made."""
    points = experiment.evaluation_points(spec, done or None)
    return max(total_iterations(spec, experiment.steps) - done, 0), len(points)


def _expected(
    group: Sequence[Batch], left: Sequence[tuple[int, int]], execution: Execution, past: Past
) -> Remembered | None:
    width = group[0].width
    known = past.expected(group[0].spec, width, execution)
    if known is None:
        return None
    sets = [passes(batch.runs, width, execution) for batch in group]
    seconds = sum(known.seconds(number, *one) for number, one in zip(sets, left, strict=True))
    return Remembered(known.compile_seconds, seconds, known.itself)


def measure(planned: Forecast, experiment: Experiment, batches: Sequence[Batch]) -> Forecast:
    """Compiles the program of every group and times its first chunk that learns. Nothing is written.

    Args:
        planned: the forecast of these batches.
        experiment: the experiment.
        batches: its batches.
    """
    execution, groups = planned.execution, []
    for group, own in zip(planned.groups, by_program(batches), strict=True):
        specs, seeds = [run.spec for run in own[0].runs], [run.seed for run in own[0].runs]
        compiled, program = timed(make_program(specs[0], own[0].width, execution.mode, execution.devices).compile)
        points = experiment.evaluation_points(specs[0])
        states = program.iterate(program.start(specs, seeds), specs, specs[0].algorithm.idle_iterations)
        chunk, states = timed(program.iterate, states, specs, points[1])
        evaluation, _ = timed(program.assess, states, specs)
        iteration = chunk / points[1]
        seconds = sum(evaluations * evaluation + iterations * iteration for iterations, evaluations in group.left)
        groups.append(dataclasses.replace(group, measured=Measured(compiled, seconds, program.bytes)))
    return dataclasses.replace(planned, groups=tuple(groups))


def format_forecast(planned: Forecast) -> str:
    """A forecast as text: a paragraph a group, and the sums."""
    total = planned.to_json()
    width = max((group.width for group in planned.groups), default=0)
    at_once = max((group.at_once for group in planned.groups), default=0)
    lines = [
        f"{planned.name}: {total['runs']} runs in {total['batches']} batches of up to {width} lanes by "
        f"{planned.execution.mode}, {at_once} at a time"
    ]
    for number, group in enumerate(planned.groups, start=1):
        lines += [
            f"{number:3}. {group.environment}: {', '.join(group.arms)}",
            f"       {group.runs} runs{_of_searches(group.searched)} in {group.batches} of the batches, "
            f"{human_count(group.training_steps)} steps of training, up to "
            f"{human_count(group.evaluation_steps)} of evaluation, {human_bytes(group.bytes)}",
        ]
        if group.differs:
            lines.append(f"       its own program for {', '.join(group.differs)}")
        if group.expected is not None and group.measured is None:
            took = group.expected
            source = "before" if took.itself else "programs like it took"
            lines.append(
                f"       {human_seconds(took.compile_seconds)} to compile, {human_seconds(took.seconds)} to train and "
                f"evaluate, as {source} on this machine"
            )
        if group.measured is not None:
            took = group.measured
            lines.append(
                f"       measured: {human_seconds(took.compile_seconds)} to compile, {human_seconds(took.seconds)} to "
                f"train and evaluate, {human_bytes(took.bytes)}"
            )
    lines.append(
        f"{planned.compilations} compilations, {human_count(total['training_steps'])} steps of training, "
        f"up to {human_count(total['evaluation_steps'])} of evaluation, up to {human_bytes(total['bytes'])} of arrays"
    )
    usable = usable_memory() if jax.default_backend() == "cpu" else None
    if usable is not None and total["bytes"] + RESIDENT_BYTES > usable:
        lines.append(
            f"more than this process may use: {human_bytes(usable)}, {human_bytes(RESIDENT_BYTES)} of them for "
            f"libraries and programs. With --memory {usable // 10**6}MB fewer lanes train at a time"
        )
    lengths: dict[str, set[int]] = {}
    for group in planned.groups:
        lengths.setdefault(group.environment, set()).add(group.steps_per_iteration)
    for environment, own in lengths.items():
        if len(own) > 1:
            lines.append(
                f"iterations take {min(own):,} to {max(own):,} steps on {environment}: its arms are evaluated and "
                "compared at the same steps up to one iteration"
            )
    return "\n".join([*lines, *_time_in_words(planned.groups)])


def _of_searches(runs: int) -> str:
    return f" ({runs} of searches)" if runs else ""


def _time_in_words(groups: Sequence[GroupForecast]) -> list[str]:
    """How long it will take, and where that is from; nothing where nothing is known."""
    measured = [group.measured for group in groups if group.measured is not None]
    found = measured or [group.expected for group in groups if group.expected is not None]
    if not found:
        return []
    compiling, training = sum(one.compile_seconds for one in found), sum(one.seconds for one in found)
    line = (
        f"about {human_seconds(compiling + training)}: {human_seconds(compiling)} of compilation and "
        f"{human_seconds(training)} of training and evaluation"
    )
    if measured:
        return [line]
    unknown = len(groups) - len(found)
    of = f", for {len(found)} of {len(groups)} programs; nothing is known here of the other{'s' * (unknown > 1)}"
    return [
        f"{line}, by what this machine took before{of if unknown else ''}. Compilation takes less where the cache "
        "holds the programs"
    ]


def _structural(reference: Spec, spec: Spec) -> list[str]:
    """Where two specs differ in more than the value of a scalar."""
    return [
        path
        for path, before, after in difference(reference, spec)
        if not (eqx.is_array(before) and eqx.is_array(after))
    ]
