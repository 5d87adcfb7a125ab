"""Executing an experiment: batch by batch, chunk by chunk, with everything on disk as it comes."""

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import jax
import numpy as np

from reppo.ablation import Arm
from reppo.errors import ConfigurationError, DamagedFile, RunDiverged, RunsFailed, require
from reppo.policies import save_policy
from reppo.results import ResultsFolder, RunFolder, RunRecord, write_runs_csv
from reppo.results.lock import only_process
from reppo.spec import Spec, concerns, to_json
from reppo.spec.source import source_hashes
from reppo.sweep.claims import (
    CLAIM_SECONDS,
    PLANNING_SECONDS,
    claim,
    claimed,
    claimed_batches,
    claimed_by,
    own_ledger,
)
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.machine import return_freed_memory, use_all_cores
from reppo.sweep.pace import Pace
from reppo.sweep.plan import (
    Batch,
    Execution,
    by_program,
    checkpoints_of,
    decide_execution,
    describe_fault,
    look_through,
    make_batches,
    needed_bytes,
    next_number,
    read_batches,
    runs_of_batch,
    without_gone,
)
from reppo.sweep.provenance import git_state, machine, versions
from reppo.tracking import (
    AbstractTracker,
    BatchFailed,
    BatchStarted,
    ChunkFinished,
    Compiling,
    Composite,
    JsonLines,
    LaneReport,
    LaneStart,
    Noticed,
    RunFinished,
    SweepEnded,
    SweepFinished,
    SweepStarted,
)
from reppo.training import BatchProgram, ChunkReport, LaneStates
from reppo.training.faults import suspects
from reppo.training.memory import tree_bytes
from reppo.training.plan import evaluation_points, total_iterations


def execute(
    experiment: Experiment,
    path: Path,
    tracker: AbstractTracker,
    memory: int | None = None,
    batch: str | None = None,
    *,
    stop_on_divergence: bool = False,
    source: Path | None = None,
) -> ResultsFolder:
    """Runs what is not done yet of an experiment, and is not being done by another process.

    Args:
        experiment: what to run.
        path: folder of results; made if it does not exist, continued if it does.
        tracker: told of everything that happens.
        memory: bytes that the arrays of all lanes may take while they train (see `choose_execution`).
        batch: only the runs of this batch, by its id; all of them by default.
        stop_on_divergence: whether to stop, with a checkpoint, soon after a run diverged.
        source: the file that declares the experiment; the ledger notes the commit of its repository.

    Returns:
        The folder.

    Raises:
        ConfigurationError: before anything is computed, if the folder belongs to something else, or the batch is
            unknown or another process's; later, if the folder cannot be written to any more.
        RunsFailed: at the end, if runs failed while they trained; all others are done then.
        RunDiverged: if a run diverged, and the sweep was to stop there.
    """
    use_all_cores(path)
    for environment in experiment.environments:
        environment.make()  # what only the task itself can refuse is refused before anything is written
    require(
        batch is None or path.exists(),
        f"There is no folder {str(path)!r}, so no batch {batch!r}. reppo submit plans batches, as does reppo run "
        "without --batch.",
    )
    folder, execution = prepare_folder(experiment, path, memory)
    with own_ledger(path, batch) as ledger:
        tracker = Composite([tracker, JsonLines(ledger)])
        attempt = {"versions": versions(), **machine(), **dataclasses.asdict(execution), **git_state(source)}
        sweep = _Sweep(experiment, folder, execution, tracker, batch, stop_on_divergence, attempt)
        try:
            failures = sweep.run()
            tracker.receive(SweepEnded(reason="runs failed" if failures else "finished"))
        except BaseException as error:
            tracker.receive(_ended_by(error))
            with contextlib.suppress(ConfigurationError, OSError):  # the first error is the one to tell
                _write_table(folder, seconds=1.0)
            raise
        finally:
            tracker.close()
    _write_table(folder)
    if failures:
        raise RunsFailed(
            "Some runs failed, and all others are done:\n"
            + "".join(f"  {label}: {reason}\n" for label, reason in failures)
            + f"The whole errors stand in {str(ledger)!r}. Run the same command again to try them once more."
        )
    return folder


def _ended_by(error: BaseException) -> SweepEnded:
    if isinstance(error, RunDiverged):
        return SweepEnded(reason="diverged", fault=str(error))
    if isinstance(error, ConfigurationError):
        return SweepEnded(reason="error", fault=str(error))
    if isinstance(error, Exception):
        return SweepEnded(reason="error", fault=describe_fault(error))
    return SweepEnded(reason="interrupted")


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
        _note_questions(experiment, folder)
        batches = make_batches(pending, folder, execution.width)
        return Planned(pending, notices, batches, next_number(folder))


def _write_table(folder: ResultsFolder, seconds: float = PLANNING_SECONDS) -> None:
    """Writes the table of all runs, unless other processes are at work: the last of them does."""
    with only_process(folder.path, seconds):
        if not claimed_batches(folder):
            write_runs_csv(folder.path)


def _note_questions(experiment: Experiment, folder: ResultsFolder) -> None:
    """Writes down what each ablation asks, for the report, which cannot import the ablations."""
    described = folder.read_experiment()
    asked = {a.name: a.question for arm in experiment.arms for a in (Arm() + arm).ablations}
    questions = described.get("questions", {}) | asked
    if questions != described.get("questions", {}):
        folder.update_experiment(described | {"questions": questions})


@final
class _Sweep:
    """One execution of an experiment on this machine."""

    def __init__(
        self,
        experiment: Experiment,
        folder: ResultsFolder,
        execution: Execution,
        tracker: AbstractTracker,
        batch: str | None,
        stop_on_divergence: bool,
        attempt: Mapping[str, Any],
    ):
        self.experiment = experiment
        self.folder = folder
        self.execution = execution
        self.tracker = tracker
        self.stop_on_divergence = stop_on_divergence
        self.attempt = attempt
        self.sources: dict[str, dict[str, str]] = {}
        self.only = None if batch is None else runs_of_batch(experiment, folder, batch)
        self.pending: set[str] = set()
        self.lost: set[str] = set()
        self.waiting: list[Batch] = []
        self.taken: set[str] = set()
        self.left: set[str] = set()
        self.shared = False
        self.failures: list[tuple[str, str]] = []
        self.batches: dict[str, Batch] = {}
        self.done: dict[str, int] = {}
        self._plan()
        here = {run.id for batch in self.batches.values() for _, run in batch.own}
        finished = [run for run in self.only or experiment.runs() if run.id not in here]
        self.steps_finished = sum(self._steps(run.spec, self._end(run.spec)) for run in finished)
        self.steps_before = self.steps_done
        self.started = time.perf_counter()
        self.programs = 0
        self.needed = 0
        self.compiled: BatchProgram | None = None
        self.compilations = 0
        self.compile_seconds = 0.0
        self.train_seconds = 0.0
        self.program_bytes = 0
        self.said: set[str] = set()

    def _plan(self) -> list[Batch]:
        """Takes up what is not done now; returns the batches of it that this process has not had yet."""
        if self.only is None:
            planned = plan_batches(self.experiment, self.folder, self.execution)
        else:
            pending, notices = look_through(self.experiment, self.folder, self.only)
            planned = Planned(pending, notices, read_batches(self.folder, pending), next_number(self.folder))
        self.notices, self.next_number = planned.notices, planned.next_number
        self.pending |= {run.id for run in planned.pending}
        fresh = {batch.id: batch for batch in planned.batches if batch.id not in self.taken}
        self.batches |= fresh
        self.done |= {id: self._iterations_done(batch) for id, batch in fresh.items()}
        self.left, self.shared = set(), False
        return list(fresh.values())

    @property
    def steps_done(self) -> int:
        """Environment steps done by now over all runs."""
        by_batch = (len(b.own) * self._steps(b.runs[0].spec, self.done[b.id]) for b in self.batches.values())
        return self.steps_finished + sum(by_batch)

    @property
    def steps_total(self) -> int:
        """Environment steps over all runs."""
        ends = (len(b.own) * self._steps(b.runs[0].spec, self._end(b.runs[0].spec)) for b in self.batches.values())
        return self.steps_finished + sum(ends)

    def run(self) -> list[tuple[str, str]]:
        """Executes the batches that are not done; returns those that failed, each with the reason."""
        batches = list(self.batches.values())
        said = [*self.notices, *(line for batch in batches for _, run in batch.own for line in _said(run))]
        self.tracker.receive(
            SweepStarted(
                experiment=self.experiment.name,
                runs=sum(len(batch.own) for batch in batches),
                steps_total=self.steps_total,
                steps_done=self.steps_done,
                batches=len(batches),
                attempt=self.attempt,
                warnings=list(dict.fromkeys(said)),
            )
        )
        while batches:
            self._train_groups(by_program(batches))
            # Where others were at work too, what they left is done at the end.
            batches = [batch for batch in self._plan() if self._is_free(batch)] if self.shared else []
        if self.left:
            holders = "; ".join(f"{id}: {claimed_by(self.folder, id)}" for id in sorted(self.left))
            self._say(f"The rest is left to other processes, which train it. {holders}.")
        self.tracker.receive(
            SweepFinished(
                compilations=(self.programs, self.compilations),
                bytes=(self.needed, self.program_bytes),
                compile_seconds=self.compile_seconds,
                train_seconds=self.train_seconds,
            )
        )
        return self.failures

    def _train_groups(self, groups: list[list[Batch]]) -> None:
        """Trains batches, by program, but for those that other processes train."""
        # A faulty component fails here, before training.
        needed = [self.execution.held_bytes(*needed_bytes(group[0].runs[0])) for group in groups]
        self.needed = max(self.needed, *needed)
        while groups:
            # Not the program that another process has, while there are others: each is compiled by one then.
            claims = (any(claimed(self.folder, batch.id) for batch in group) for group in groups)
            group = groups.pop(next((number for number, busy in enumerate(claims) if not busy), 0))
            self.waiting += group
            program = None
            while self.waiting:
                batch = self.waiting.pop(0)
                with claim(self.folder, batch.id, CLAIM_SECONDS if self.only else 0.0) as held:
                    if held is not None and self.only:
                        raise held
                    if held is not None:
                        self._leave(batch)
                        continue
                    self.taken.add(batch.id)
                    if not self._is_still_to_do(batch.id):
                        continue
                    if program is None:
                        program = self._program(batch)
                        self.programs += 1
                    if not self._attempt(self.batches[batch.id], program):
                        program = self._program(batch)
            self.compiled = None
            del program  # hundreds of megabytes, for a physics engine

    def _program(self, batch: Batch) -> BatchProgram:
        execution = self.execution
        return BatchProgram(batch.runs[0].spec, execution.width, execution.mode, devices=execution.devices)

    def _attempt(self, batch: Batch, program: BatchProgram) -> bool:
        """Trains a batch; whether its program may go on, which it may not where memory ran out."""
        try:
            self._run_batch(batch, program)
        except (ConfigurationError, RunDiverged):
            raise
        except Exception as error:
            if self._take_less_memory(error):
                self.waiting.insert(0, batch)
                return False
            self._fail(batch, error)
        return True

    def _take_less_memory(self, error: Exception) -> bool:
        """After memory ran out, whether lanes can train one at a time, which on a CPU gives the same runs."""
        ran_out = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
        if not ran_out or self.execution.mode != "map" or self.execution.at_once == 1:
            return False
        self._say(f"Memory ran out: from now on one lane trains at a time, not {self.execution.at_once}.")
        self.execution = dataclasses.replace(self.execution, devices=1)
        with only_process(self.folder.path, PLANNING_SECONDS):
            described = self.folder.read_experiment()
            self.folder.update_experiment(described | {"execution": dataclasses.asdict(self.execution)})
        self.compiled = None
        return True

    def _is_free(self, batch: Batch) -> bool:
        """Whether no other process has a batch; otherwise it is left to that one."""
        free = not claimed(self.folder, batch.id)
        if not free:
            self._leave(batch)
        return free

    def _leave(self, batch: Batch) -> None:
        self.left.add(batch.id)
        self.shared = True
        del self.batches[batch.id]

    def _is_still_to_do(self, id: str) -> bool:
        """Takes up what other processes did to a batch since it was planned; whether something is left to do."""
        before = self.steps_done
        planned = self.batches[id]
        self.batches[id] = batch = without_gone(planned, self.folder, self.next_number)
        runs = [run for _, run in batch.own if run.id in self.pending]
        pending, _ = look_through(self.experiment, self.folder, runs)
        self.pending -= {run.id for run in runs} - {run.id for run in pending}
        self.shared |= not pending or batch != planned
        self.done[id] = self._iterations_done(batch) if pending else self._end(batch.runs[0].spec)
        self.steps_before += self.steps_done - before
        return bool(pending)

    def _fail(self, batch: Batch, error: Exception) -> None:
        """Notes the failure of a batch. One with several arms is split, so that an arm harms no other."""
        batch, reason = self.batches[batch.id], describe_fault(error)
        whole = "".join(traceback.format_exception(error))
        runs = [run for _, run in batch.own]
        self.tracker.receive(
            BatchFailed(label=batch.label, run_ids=[run.id for run in runs], reason=reason, traceback=whole)
        )
        if len(batch.arms) == 1 or self.compiled is None:
            self.failures.append((batch.label, reason))
            return
        self._say(f"{batch.label}: each arm starts again in a batch of its own, because one of them failed.")
        for arm in batch.arms:
            self._again([run for run in runs if run.arm == arm])

    def _again(self, runs: Sequence[Run]) -> None:
        """Puts runs into new batches, in which they start again."""
        if not runs:
            return
        with only_process(self.folder.path, PLANNING_SECONDS):
            again = make_batches(runs, self.folder, self.execution.width, again=True)
        self.waiting += again
        self.batches = {id: batch.without(runs) for id, batch in self.batches.items()} | {b.id: b for b in again}
        self.done |= {batch.id: 0 for batch in again}
        self.pending |= {run.id for run in runs}
        self.lost |= {run.id for run in runs}

    def _compile(self, batch: Batch, program: BatchProgram) -> None:
        """Compiles the program of a batch when it is needed.

        Not ahead in another thread: on CPUs compilation and training share XLA's threads, and training then ran at a
        tenth of its speed.
        """
        if self.compiled is program:
            return
        self.tracker.receive(Compiling(label=batch.label))
        program.compile()
        return_freed_memory()
        self.compiled = program
        self.compilations += 1
        self.compile_seconds += program.compile_seconds
        self.program_bytes = max(self.program_bytes, program.bytes)

    def _run_batch(self, batch: Batch, program: BatchProgram) -> None:
        """Trains a batch to its end, from its newest whole checkpoint."""
        restored = self._restore(batch, program)
        lost = self._lost(batch, restored)
        self._again(lost)
        batch, self.done[batch.id] = self.batches[batch.id], 0
        if not any(run.id in self.pending for _, run in batch.own):
            return
        specs, seeds, end = (
            [run.spec for run in batch.runs],
            [run.seed for run in batch.runs],
            self._end(batch.runs[0].spec),
        )
        if restored is not None and restored.iteration >= end and restored.is_evaluated:
            self._announce(batch)
            records = [
                dataclasses.replace(r, status="finished" if r.status == "running" else r.status)
                for r in restored.records
            ]
            self._publish(batch, program, restored.states, records, last=True)
            self.done[batch.id] = end
            return
        self._compile(batch, program)
        self._announce(batch)
        if restored is None:
            for _, run in batch.own:
                folder = self._run_folder(run)
                if folder.record_path.exists() and run.id not in self.lost:
                    self._say_again(run, "no checkpoint of it is left")
                folder.clear()
            states, iteration, seconds = program.start(specs, seeds), 0, 0.0
        else:
            for lane, run in batch.own:
                self._run_folder(run).cut(restored.records[lane].files)
                self.sources[run.id] = restored.records[lane].sources
            states, iteration = restored.states, restored.iteration
            seconds = restored.records[0].train_seconds or 0.0
        self.done[batch.id] = iteration
        points = evaluation_points(specs[0], self.experiment.steps, None if restored is None else iteration)
        # A checkpoint beyond an end that came nearer is evaluated where it is.
        self._train(batch, program, states, iteration, seconds, points or [iteration])

    def _train(
        self,
        batch: Batch,
        program: BatchProgram,
        states: LaneStates,
        iteration: int,
        seconds: float,
        points: Sequence[int],
    ) -> None:
        """Trains a batch to its end, with an evaluation at each point, and a checkpoint whenever it is time."""
        specs, pace, diverged = [run.spec for run in batch.runs], Pace(), _diverged(batch, states)
        must_stop = lambda: self.stop_on_divergence and _diverged(batch, states) - diverged

        def save() -> None:
            start = time.perf_counter()
            records = self._save(batch, program, states, iteration, seconds)
            pace.saved(time.perf_counter() - start)
            if stopped := must_stop():
                self._stop(next(record for record in records if record.run_id in stopped))

        for point in points:
            first, before = iteration, seconds
            while iteration < point:
                piece, start = pace.piece(point - iteration), time.perf_counter()
                states = jax.block_until_ready(program.iterate(states, specs, piece))
                spent = time.perf_counter() - start
                pace.took(piece, spent)
                seconds += spent
                self.done[batch.id] = iteration = iteration + piece
                if iteration < point and (pace.must_save or must_stop()):
                    save()
            start = time.perf_counter()
            states, report = program.assess(states, specs)
            report = jax.tree.map(np.asarray, report)
            seconds += time.perf_counter() - start
            lanes = self._record_chunk(batch, report, iteration, seconds)
            steps = len(batch.own) * self._steps(specs[0], iteration - first)
            self._tell(batch, lanes, iteration, steps / (seconds - before))
            self.train_seconds += seconds - before
            if point == points[-1] or pace.must_save or must_stop():
                save()

    def _save(
        self, batch: Batch, program: BatchProgram, states: LaneStates, iteration: int, seconds: float
    ) -> list[RunRecord]:
        """Makes a checkpoint, and what the runs have on disk agree with it."""
        last = iteration >= self._end(batch.runs[0].spec)
        records = self._records(batch, program, states, iteration, seconds, last)
        about = {"runs": [run.to_json() for run in batch.runs], "records": [r.to_json() for r in records]}
        also = sum(2 * tree_bytes(program.lane(states, lane).best_policy) + 2**16 for lane, _ in batch.own)
        checkpoints_of(batch.id, self.folder).save(iteration, states, about, also)
        self._publish(batch, program, states, records, last)
        return records

    def _stop(self, record: RunRecord) -> None:
        """Ends the sweep because of a run that diverged."""
        folder = self.folder.run(record.arm, record.environment, record.seed)
        raise RunDiverged(
            f"{record.arm} on {record.environment}, seed {record.seed}, {record.divergence}. The sweep stops here, "
            f"with a checkpoint, as it was told to. See: reppo inspect {str(folder.path)!r}"
        )

    def _restore(self, batch: Batch, program: BatchProgram) -> "_Restored | None":
        """The newest checkpoint of a batch that is whole; None if there is none, or the runs are others."""
        checkpoints = checkpoints_of(batch.id, self.folder)
        for iteration in reversed(checkpoints.iterations()):
            try:
                about = checkpoints.about(iteration)
                if [run["run_id"] for run in about["runs"]] != [run.id for run in batch.runs]:
                    self._say(
                        f"The checkpoints in {str(checkpoints.path)!r} are those of other runs, and are left alone."
                    )
                    return None
                states = checkpoints.restore(iteration, program.abstract_states)
            except DamagedFile as error:
                self._say(f"The checkpoint {error} The one before is used, if there is one.")
                continue
            return _Restored(iteration, states, [RunRecord.from_json(record) for record in about["records"]])
        return None

    def _lost(self, batch: Batch, restored: "_Restored | None") -> list[Run]:
        """The runs of a batch that must start again in another one; says why."""
        if restored is not None:
            lost = [
                run for lane, run in batch.own if not self._run_folder(run).begins_with(restored.records[lane].files)
            ]
            reason = "what was recorded of it does not agree with its checkpoint"
        elif (
            checkpoints_of(batch.id, self.folder).iterations()
            or not all(r.id in self.pending for r in batch.runs)
            or batch.gone
        ):
            lost = [run for _, run in batch.own if run.id in self.pending]
            reason = "no checkpoint of it is left"
        else:
            return []  # it has not got as far as a checkpoint
        for run in lost:
            self._say_again(run, reason)
        return lost

    def _announce(self, batch: Batch) -> None:
        self.tracker.receive(
            BatchStarted(
                label=batch.label,
                environment=batch.runs[0].environment,
                arms=batch.arms,
                runs=len(batch.own),
                lanes=[
                    LaneStart(
                        run_id=run.id,
                        arm=run.arm,
                        environment=run.environment,
                        seed=run.seed,
                        ablations=run.ablations,
                        spec=to_json(run.spec),
                    )
                    for _, run in batch.own
                ],
            )
        )

    def _record_chunk(self, batch: Batch, report: ChunkReport, iteration: int, seconds: float) -> list[LaneReport]:
        """Appends a chunk to the records of every run."""
        lanes = []
        for lane, run in batch.own:
            folder, steps = self._run_folder(run), self._steps(run.spec, iteration)
            returns = np.asarray(report.evaluated.episode_return[lane], np.float64)
            folder.append_evaluation(steps, seconds, returns, np.asarray(report.evaluated.episode_length[lane]))
            metrics = {
                name: (float(s.total[lane] / s.count[lane]), float(s.minimum[lane]), float(s.maximum[lane]))
                for name, s in report.metrics.items()
                if s.count[lane] > 0
            }
            folder.append_metrics(steps, metrics)
            self._notice_faults(run, int(np.isnan(returns).sum()), metrics)
            lanes.append(
                LaneReport(
                    run_id=run.id,
                    arm=run.arm,
                    environment=run.environment,
                    seed=run.seed,
                    returns=returns.tolist(),
                    metrics=metrics,
                )
            )
        return lanes

    def _notice_faults(self, run: Run, broken: int, metrics: dict[str, tuple[float, float, float]]) -> None:
        """Says, once for each arm and task, what of the simulation makes numbers doubtful."""
        found = []
        if broken:
            found.append("the simulation broke in evaluation episodes, which have no return (nan in evaluations.csv)")
        if any(metrics.get(f"{kind}/overflow", (0.0, 0.0, 0.0))[2] > 0 for kind in ("episodes", "evaluation")):
            found.append(
                "the physics had no room for all contacts or constraints and left some out: give the task more in its "
                'config, "naconmax" (all copies together) or "njmax" (each copy)'
            )
        for fault in found:
            text = f"{run.environment} {run.arm}: {fault}."
            if text not in self.said:
                self.said.add(text)
                self._say(text)

    def _tell(self, batch: Batch, lanes: list[LaneReport], iteration: int, speed: float) -> None:
        elapsed = time.perf_counter() - self.started
        here = self.steps_done - self.steps_before
        left = (self.steps_total - self.steps_done) * elapsed / here if here else None
        self.tracker.receive(
            ChunkFinished(
                label=batch.label,
                environment=batch.runs[0].environment,
                arms=batch.arms,
                environment_steps=self._steps(batch.runs[0].spec, iteration),
                lanes=lanes,
                steps_done=self.steps_done,
                steps_total=self.steps_total,
                steps_per_second=speed,
                seconds_left=left,
            )
        )

    def _publish(
        self, batch: Batch, program: BatchProgram, states: Any, records: Sequence[RunRecord], last: bool
    ) -> None:
        """Makes tables, policies and records of the runs agree with a checkpoint, in this order."""
        for lane, run in batch.own:
            state, folder = program.lane(states, lane), self._run_folder(run)
            folder.cut(records[lane].files)
            save_policy(folder.policy_path / "last.npz", run.spec.algorithm.policy(state.algorithm), run.spec)
            save_policy(folder.policy_path / "best.npz", state.best_policy, run.spec)
            files = records[lane].files | folder.policy_fingerprints()
            record = dataclasses.replace(records[lane], files=files)
            folder.write_record(record)
            if last:
                self.tracker.receive(RunFinished(record=record))

    def _records(
        self, batch: Batch, program: BatchProgram, states: LaneStates, iteration: int, seconds: float, last: bool
    ) -> list[RunRecord]:
        """The record of each lane; those of lanes that are gone agree with no files."""
        records = []
        named = suspects(batch.runs[0].spec.algorithm, program.lane(states, 0).algorithm, states.metrics)
        for lane, run in enumerate(batch.runs):
            diverged_at = int(states.arrays.diverged_at[lane])
            steps, lost = self._steps(run.spec, iteration), diverged_at >= 0
            record = RunRecord(
                run_id=run.id,
                experiment=self.experiment.id,
                arm=run.arm,
                environment=run.environment,
                seed=run.seed,
                status="diverged" if lost else "finished" if last else "running",
                environment_steps=steps,
                diverged_at=self._steps(run.spec, diverged_at) if lost else None,
                diverged_iteration=diverged_at if lost else None,
                diverged_by=named[int(states.arrays.diverged_by[lane])] if lost else None,
                spec=to_json(run.spec),
                sources=self.sources.get(run.id) or source_hashes(run.spec),
                ablations=list(run.ablations),
                settings=run.settings_in_json(),
                watched=[watched.to_json() for watched in run.spec.algorithm.watched()],
                warnings=_said(run),
                versions=self.attempt["versions"],
                backend=jax.default_backend(),
                device=jax.devices()[0].device_kind,
                width=self.execution.width,
                batch=batch.id,
                lanes_mode=self.execution.mode,  # pyright: ignore[reportArgumentType]
                matmul_precision=run.spec.matmul_precision,
                train_seconds=seconds,
                compile_seconds=program.compile_seconds,
                program_bytes=program.bytes or None,
                steps_per_second=len(batch.own) * steps / seconds,
                files={} if run.id in batch.gone else self._run_folder(run).table_fingerprints(),
            )
            records.append(record)
        return records

    def _say_again(self, run: Run, reason: str) -> None:
        self._say(f"{run.arm} on {run.environment}, seed {run.seed}, starts again: {reason}.")

    def _say(self, text: str) -> None:
        self.tracker.receive(Noticed(text=text))

    def _run_folder(self, run: Run) -> RunFolder:
        return self.folder.run(run.arm, run.environment, run.seed)

    def _iterations_done(self, batch: Batch) -> int:
        """Iterations of the newest checkpoint, up to the end; whether it is whole is seen when it is read."""
        found = checkpoints_of(batch.id, self.folder).iterations()
        return min(max(found, default=0), self._end(batch.runs[0].spec))

    def _end(self, spec: Spec) -> int:
        return total_iterations(spec, self.experiment.steps)

    def _steps(self, spec: Spec, iterations: int) -> int:
        return iterations * spec.algorithm.steps_per_iteration


def _diverged(batch: Batch, states: LaneStates) -> set[str]:
    """The ids of runs that have diverged."""
    return {run.id for lane, run in batch.own if states.arrays.diverged_at[lane] >= 0}


@final
class _Restored(NamedTuple):
    """A checkpoint: iterations done, the states of all lanes, and the record of each as it was then."""

    iteration: int
    states: LaneStates
    records: list[RunRecord]

    @property
    def is_evaluated(self) -> bool:
        """Whether nothing was summarized since the last evaluation, so that there was no iteration either."""
        return not any(np.any(metric.count > 0) for metric in self.states.metrics.values())


def _said(run: Run) -> list[str]:
    """What is said about a run before it begins, with its arm."""
    return [f"{run.arm}: {line}" for line in concerns(run.spec)]
