"""What there is to do in a folder of results."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

from reppo.errors import ConfigurationError, DamagedFile, require
from reppo.results import ResultsFolder
from reppo.results.lock import only_process
from reppo.spec import Spec, difference, format_value, from_json
from reppo.spec.source import source_hashes
from reppo.sweep.batches import Batch, arrange_batches
from reppo.sweep.claims import PLANNING_SECONDS
from reppo.sweep.execution import Execution, Needed, choose_execution, decide_execution, known_execution
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.stored import checkpoints_of, find_batches, make_batches, next_number
from reppo.training.plan import total_iterations


def prepare_folder(
    experiment: Experiment, path: Path, memory: int | None = None, mode: str | None = None
) -> tuple[ResultsFolder, Execution]:
    """Begins or opens the folder of an experiment, and decides how its lanes are executed (see `decide_execution`).

    Raises:
        ConfigurationError: if the folder belongs to something else.
    """
    with only_process(path, PLANNING_SECONDS):
        folder = ResultsFolder.create_or_open(path, {"id": experiment.id, "name": experiment.name})
        return folder, decide_execution(experiment, folder, memory, mode)


@final
class Planned(NamedTuple):
    """What there is to do in a folder.

    Attributes:
        pending: the runs that are not done.
        notices: what is to be said about those that have begun.
        batches: the batches that hold them.
        next_number: the number of the next batch.
    """

    pending: list[Run]
    notices: list[str]
    batches: list[Batch]
    next_number: int


def plan_batches(experiment: Experiment, folder: ResultsFolder, execution: Execution) -> Planned:
    """Puts the runs that are not done into batches.

    Raises:
        ConfigurationError: if the folder holds other runs under their names.
    """
    with only_process(folder.path, PLANNING_SECONDS):
        pending, notices = look_through(experiment, folder)
        _note_declared(experiment, folder)
        batches = make_batches(pending, folder, execution)
        return Planned(pending, notices, batches, next_number(folder))


@final
class Outlook(NamedTuple):
    """What executing an experiment in a folder would do.

    Attributes:
        execution: how its lanes would be executed.
        batches: the batches of the runs that are not done.
        iterations: the iterations that batches have done, by id.
        runs_done: how many runs are done.
    """

    execution: Execution
    batches: list[Batch]
    iterations: dict[str, int]
    runs_done: int


def look_ahead(experiment: Experiment, path: Path, memory: int | None = None, needed: Needed | None = None) -> Outlook:
    """What there would be to do in a folder of results, which need not be there. Nothing is written.

    Args:
        experiment: the experiment.
        path: the folder.
        memory: see `choose_execution`.
        needed: see `choose_execution`.

    Raises:
        ConfigurationError: if the folder belongs to something else, or nothing fits into the memory.
    """
    if not any((path / name).exists() for name in ("experiment.json", "runs", "batches")):
        execution = choose_execution(experiment, memory, needed=needed)
        return Outlook(execution, arrange_batches(experiment.runs(), execution), {}, 0)
    folder = ResultsFolder.open(path)
    pending, _ = look_through(experiment, folder)
    execution = known_execution(folder) or choose_execution(experiment, memory, needed=needed)
    batches, _ = find_batches(pending, folder, execution)
    done = {batch.id: max(checkpoints_of(batch.id, folder).iterations(), default=0) for batch in batches}
    return Outlook(execution, batches, done, len(experiment.runs()) - len(pending))


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
        ConfigurationError: if the folder holds another run under the name of one of them, or another threshold; says
            in what they differ.
    """
    _require_thresholds(experiment, folder)
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


def _require_thresholds(experiment: Experiment, folder: ResultsFolder) -> None:
    """Raises `ConfigurationError` if a threshold is another than was written down before."""
    before = folder.read_experiment().get("thresholds", {})
    changed = [
        f"on {task} it was {before[task]:g} and is now {now:g}"
        for task, now in experiment.declared_thresholds().items()
        if before.get(task, now) != now
    ]
    require(
        not changed,
        f"Thresholds stay as they were written down when {str(folder.path)!r} was begun, so that none is chosen by "
        f"what was found: {'; '.join(changed)}. Write them as before, or give the experiment another name or --out.",
    )


def _note_declared(experiment: Experiment, folder: ResultsFolder) -> None:
    """Writes down for the report, which cannot import the experiment, what each ablation asks, and the thresholds."""
    described = folder.read_experiment()
    arms = [arm for arm in experiment.declared_arms() if not arm.search]
    asked = {a.name: a.question for arm in arms for a in arm.arm.ablations}
    for rival in (arm for arm in arms if arm.rival):
        own = [f"How does {rival.rival}, another preset, do?", *(a.question for a in rival.arm.ablations)]
        asked[rival.name] = " ".join(own)
    noted = {"questions": described.get("questions", {}) | asked}
    declared, before = experiment.declared_thresholds(), described.get("thresholds", {})
    if declared or before:
        noted["thresholds"] = before | declared
    if any(described.get(name, {}) != value for name, value in noted.items()):
        folder.update_experiment(described | noted)
