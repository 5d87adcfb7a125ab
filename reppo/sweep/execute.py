"""Executing an experiment: batch by batch, chunk by chunk, with everything on disk as it comes."""

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from reppo.errors import ConfigurationError, RunDiverged, RunsFailed, require
from reppo.results import ResultsFolder, write_runs_csv
from reppo.results.lock import only_process
from reppo.results.status import batch_holders
from reppo.runtime.machine import return_freed_memory, use_all_cores
from reppo.runtime.timings import Timings
from reppo.sweep.batches import Batch, by_program
from reppo.sweep.claims import CLAIM_SECONDS, PLANNING_SECONDS, claim, claimed, claimed_by, own_ledger
from reppo.sweep.execution import Execution, needed_bytes, write_execution
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.failures import describe_fault
from reppo.sweep.past import Past, passes
from reppo.sweep.plan import Planned, look_through, plan_batches, prepare_folder
from reppo.sweep.progress import Costs, Progress
from reppo.sweep.provenance import git_state, machine, versions
from reppo.sweep.recording import Recorder, warnings_of
from reppo.sweep.stored import checkpoints_of, make_batches, next_number, read_batches, runs_of_batch, without_gone
from reppo.sweep.training import BatchTraining, Restored, restore
from reppo.tracking import (
    AbstractTracker,
    BatchFailed,
    Compiling,
    Composite,
    JsonLines,
    SweepEnded,
    SweepStarted,
    Working,
)
from reppo.training import AbstractProgram, make_program, pieces


def execute(
    experiment: Experiment,
    path: Path,
    tracker: AbstractTracker,
    memory: int | None = None,
    batch: str | None = None,
    *,
    stop_on_divergence: bool = False,
    source: Path | None = None,
    timings: Timings | None = None,
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
        timings: keeps what programs take on this machine, and knows what they took; by default nothing.

    Returns:
        The folder.

    Raises:
        ConfigurationError: before anything is computed, if the folder belongs to something else, or the batch is
            unknown or another process's; later, if the folder cannot be written to any more.
        RunsFailed: at the end, if runs failed while they trained; all others are done then.
        RunDiverged: if a run diverged, and the sweep was to stop there.
    """
    with contextlib.closing(Composite([tracker])) as told:
        use_all_cores(path)
        told.receive(Working(activity="loading tasks"))
        for environment in experiment.environments:
            environment.make()  # what only the task itself can refuse is refused before anything is written
        require(
            batch is None or path.exists(),
            f"There is no folder {str(path)!r}, so no batch {batch!r}. reppo submit plans batches, as does reppo run "
            "without --batch.",
        )
        told.receive(Working(activity="planning"))
        folder, execution = prepare_folder(experiment, path, memory)
        with own_ledger(path, batch) as ledger:
            tracker = Composite([told, JsonLines(ledger)])
            attempt = {"versions": versions(), **machine(), **dataclasses.asdict(execution), **git_state(source)}
            sweep = _Sweep(experiment, folder, execution, tracker, batch, stop_on_divergence, attempt, Past(timings))
            try:
                failures = sweep.run()
                tracker.receive(SweepEnded(reason="runs failed" if failures else "finished"))
            except BaseException as error:
                tracker.receive(_ended_by(error))
                with contextlib.suppress(ConfigurationError, OSError):  # the first error is the one to tell
                    _write_table(folder, seconds=1.0)
                raise
            finally:
                pieces.forget()
        told.receive(Working(activity="writing the table of runs"))
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


def _write_table(folder: ResultsFolder, seconds: float = PLANNING_SECONDS) -> None:
    """Writes the table of all runs, unless other processes are at work: the last of them does."""
    with only_process(folder.path, seconds):
        if not batch_holders(folder):
            write_runs_csv(folder.path)


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
        attempt: dict[str, Any],
        past: Past,
    ):
        self.experiment = experiment
        self.folder = folder
        self.execution = execution
        self.tracker = tracker
        self.stop_on_divergence = stop_on_divergence
        self.attempt = attempt
        self.past = past
        self.recorder = Recorder(experiment, folder, execution, tracker, attempt["versions"])
        self.only = None if batch is None else runs_of_batch(experiment, folder, batch)
        self.progress = Progress(experiment)
        self.costs = Costs()
        self.pending: set[str] = set()  # runs that are not done
        self.lost: set[str] = set()  # runs that start again
        self.waiting: list[Batch] = []  # of the program at work
        self.taken: set[str] = set()  # batches that this process has had
        self.left: set[str] = set()  # batches that others have
        self.shared = False  # whether others were at work here
        self.compiled: AbstractProgram | None = None
        self.failures: list[tuple[str, str]] = []
        self._plan()
        self.progress.begin(self.only or experiment.runs())

    def run(self) -> list[tuple[str, str]]:
        """Executes the batches that are not done; returns those that failed, each with the reason."""
        batches = list(self.progress.batches.values())
        said = [*self.notices, *(line for batch in batches for _, run in batch.own for line in warnings_of(run))]
        self.tracker.receive(
            SweepStarted(
                experiment=self.experiment.name,
                runs=sum(len(batch.own) for batch in batches),
                steps_total=self.progress.steps_total,
                steps_done=self.progress.steps_done,
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
            self.recorder.say(f"The rest is left to other processes, which train it. {holders}.")
        self.tracker.receive(self.costs.event())
        return self.failures

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
        self.progress.batches |= fresh
        self.progress.done |= {id: self._iterations_done(batch) for id, batch in fresh.items()}
        self.left, self.shared = set(), False
        return list(fresh.values())

    def _train_groups(self, groups: list[list[Batch]]) -> None:
        """Trains batches, by program, but for those that other processes train."""
        # A faulty component fails here, before training.
        for first in [group[0] for group in groups]:
            self.recorder.work("tracing", first)
            needed = needed_bytes(first.runs[0])
            self.past.needs(first.spec, needed)
            self.costs.needed = max(self.costs.needed, self.execution.held_bytes(first.width, *needed))
        while groups:
            # Not the program that another process has, while there are others: each is compiled by one then.
            claims = (any(claimed(self.folder, batch.id) for batch in group) for group in groups)
            self.waiting += groups.pop(next((number for number, busy in enumerate(claims) if not busy), 0))
            program, environment = None, self.waiting[0].environment
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
                    program = self._attempt(self.progress.batches[batch.id], program)
            self.compiled = None
            del program  # hundreds of megabytes, for a physics engine
            if not any(group[0].environment == environment for group in groups):
                pieces.forget()

    def _program(self, batch: Batch) -> AbstractProgram:
        self.recorder.work("preparing", batch)
        return make_program(batch.spec, batch.width, self.execution.mode, self.execution.devices)

    def _attempt(self, batch: Batch, program: AbstractProgram | None) -> AbstractProgram | None:
        """Trains a batch; returns the program of the next: the same, or a new one where memory ran out."""
        try:
            if program is None:
                program = self._program(batch)
                self.costs.programs += 1
            self._run_batch(batch, program)
        except (ConfigurationError, RunDiverged):
            raise
        except Exception as error:
            if self._take_less_memory(batch, error):
                self.waiting.insert(0, batch)
                return self._program(batch)
            self._fail(batch, error)
        return program

    def _run_batch(self, batch: Batch, program: AbstractProgram) -> None:
        """Trains a batch to its end, from its newest whole checkpoint."""
        restored = restore(batch, program, self.folder, self.recorder.say)
        self._again(self._lost(batch, restored))
        batch, self.progress.done[batch.id] = self.progress.batches[batch.id], 0
        if not any(run.id in self.pending for _, run in batch.own):
            return
        training = BatchTraining(batch, program, self.recorder, self.progress, self.costs, self.stop_on_divergence)
        if restored is not None and training.is_over(restored):
            training.write_again(restored)
            return
        self._compile(batch, program)
        try:
            training.run(restored, self.lost)
        finally:
            if spent := training.spent(passes(batch.runs, batch.width, self.execution)):
                self.past.trained(batch.spec, batch.width, self.execution, *spent)

    def _compile(self, batch: Batch, program: AbstractProgram) -> None:
        """Compiles the program of a batch when it is needed.

        Not ahead in another thread: on CPUs compilation and training share XLA's threads, and training then ran at a
        tenth of its speed.
        """
        if self.compiled is program:
            return
        last, begun = self.past.compile_seconds(batch.spec, batch.width, self.execution), time.perf_counter()
        self.tracker.receive(Compiling(label=batch.label, usual_seconds=last))
        program.compile()
        seconds = time.perf_counter() - begun  # without what other programs had compiled
        return_freed_memory()
        self.past.compiled(batch.spec, batch.width, self.execution, seconds)
        self.compiled = program
        self.costs.compiled(program, seconds)

    def _take_less_memory(self, batch: Batch, error: Exception) -> bool:
        """After memory ran out, whether lanes can train one at a time, which on a CPU gives the same runs."""
        ran_out = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
        at_once = self.execution.at_once(batch.width)
        if not ran_out or self.execution.mode != "map" or at_once == 1:
            return False
        self.recorder.say(f"Memory ran out: from now on one lane trains at a time, not {at_once}.")
        self.execution = dataclasses.replace(self.execution, devices=1)
        with only_process(self.folder.path, PLANNING_SECONDS):
            write_execution(self.folder, self.execution)
        self.compiled = None
        pieces.forget()
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
        del self.progress.batches[batch.id]

    def _is_still_to_do(self, id: str) -> bool:
        """Takes up what other processes did to a batch since it was planned; whether something is left to do."""
        planned = self.progress.batches[id]
        batch = without_gone(planned, self.folder, self.next_number)
        runs = [run for _, run in batch.own if run.id in self.pending]
        pending, _ = look_through(self.experiment, self.folder, runs)
        self.pending -= {run.id for run in runs} - {run.id for run in pending}
        self.shared |= not pending or batch != planned
        self.progress.take_up(batch, self._iterations_done(batch) if pending else self.progress.end(batch.spec))
        return bool(pending)

    def _lost(self, batch: Batch, restored: Restored | None) -> list[Run]:
        """The runs of a batch that must start again in another one; says why."""
        if restored is not None:
            begins = lambda lane, run: self.recorder.run_folder(run).begins_with(restored.records[lane].files)
            lost = [run for lane, run in batch.own if not begins(lane, run)]
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
            self.recorder.say_again(run, reason)
        return lost

    def _again(self, runs: Sequence[Run]) -> None:
        """Puts runs into new batches, in which they start again."""
        if not runs:
            return
        with only_process(self.folder.path, PLANNING_SECONDS):
            again = make_batches(runs, self.folder, self.execution, again=True)
        self.waiting += again
        known = {id: batch.without(runs) for id, batch in self.progress.batches.items()}
        self.progress.batches = known | {batch.id: batch for batch in again}
        self.progress.done |= {batch.id: 0 for batch in again}
        self.pending |= {run.id for run in runs}
        self.lost |= {run.id for run in runs}

    def _fail(self, batch: Batch, error: Exception) -> None:
        """Notes the failure of a batch. One with several arms is split, so that an arm harms no other."""
        batch, reason = self.progress.batches[batch.id], describe_fault(error)
        whole = "".join(traceback.format_exception(error))
        runs = [run for _, run in batch.own]
        self.tracker.receive(
            BatchFailed(label=batch.label, run_ids=[run.id for run in runs], reason=reason, traceback=whole)
        )
        if len(batch.arms) == 1 or self.compiled is None:
            self.failures.append((batch.label, reason))
            return
        self.recorder.say(f"{batch.label}: each arm starts again in a batch of its own, because one of them failed.")
        for arm in batch.arms:
            self._again([run for run in runs if run.arm == arm])

    def _iterations_done(self, batch: Batch) -> int:
        """Iterations of the newest checkpoint, up to the end; whether it is whole is seen when it is read."""
        found = checkpoints_of(batch.id, self.folder).iterations()
        return min(max(found, default=0), self.progress.end(batch.spec))
