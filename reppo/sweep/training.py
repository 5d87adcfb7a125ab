"""Training of one batch: from its newest whole checkpoint to its end, with everything on disk as it comes."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import jax
import numpy as np

from reppo.arrays import changed_forms
from reppo.errors import DamagedFile, RunDiverged
from reppo.results import ResultsFolder, RunRecord
from reppo.sweep.batches import Batch
from reppo.sweep.interruption import postponed
from reppo.sweep.pace import Pace
from reppo.sweep.progress import Costs, Progress
from reppo.sweep.recording import Recorder
from reppo.sweep.stored import checkpoints_of
from reppo.tracking import Kept
from reppo.training import AbstractProgram, LaneView
from reppo.training.memory import tree_bytes


@final
class Restored(NamedTuple):
    """A checkpoint: iterations done, the states of all lanes, and the record of each as it was then."""

    iteration: int
    states: Any
    records: list[RunRecord]


def restore(
    batch: Batch, program: AbstractProgram, folder: ResultsFolder, say: Callable[[str], None]
) -> Restored | None:
    """The newest checkpoint of a batch that is whole; None if there is none, or the runs are others.

    Args:
        batch: the batch.
        program: its program.
        folder: the folder of results.
        say: told what was wrong with others.
    """
    checkpoints = checkpoints_of(batch.id, folder)
    for iteration in reversed(checkpoints.iterations()):
        try:
            about = checkpoints.about(iteration)
            if [run["run_id"] for run in about["runs"]] != [run.id for run in batch.runs]:
                say(f"The checkpoints in {str(checkpoints.path)!r} are those of other runs, and are left alone.")
                return None
            saved = checkpoints.restore(iteration, program.saved(program.abstract_states))
            states = program.restored(saved, [run.spec for run in batch.runs], [run.seed for run in batch.runs])
        except DamagedFile as error:
            say(f"The checkpoint {error} The one before is used, if there is one.")
            continue
        return Restored(iteration, states, [RunRecord.from_json(record) for record in about["records"]])
    return None


@final
class BatchTraining:
    """Trains a batch, which this process has claimed, to its end."""

    def __init__(
        self,
        batch: Batch,
        program: AbstractProgram,
        recorder: Recorder,
        progress: Progress,
        costs: Costs,
        stop_on_divergence: bool,
    ):
        """Prepares.

        Args:
            batch: the batch.
            program: its program.
            recorder: writes what its runs leave.
            progress: of the sweep.
            costs: of the sweep.
            stop_on_divergence: whether to stop, with a checkpoint, soon after a run diverged.
        """
        self.batch = batch
        self.program = program
        self.recorder = recorder
        self.progress = progress
        self.costs = costs
        self.stop_on_divergence = stop_on_divergence
        self.specs = [run.spec for run in batch.runs]
        self.end = progress.end(batch.spec)
        self._iterated = self._evaluated = (0, 0.0)  # how many, and their time

    def is_over(self, restored: Restored | None) -> bool:
        """Whether a checkpoint is that of the end, so that nothing is left to train."""
        if restored is None or restored.iteration < self.end:
            return False
        return self.program.is_evaluated(restored.states)

    def spent(self, sets: int) -> tuple[float, float] | None:
        """Time of an iteration and of an evaluation of one of so many sets of lanes; None if there was none yet."""
        if not (self._iterated[0] and self._evaluated[0]):
            return None
        iteration, evaluation = (seconds / number / sets for number, seconds in (self._iterated, self._evaluated))
        return iteration, evaluation

    def write_again(self, restored: Restored) -> None:
        """Writes what the checkpoint of the end says, for runs that do not agree with it."""
        self.recorder.begin(self.batch)
        records = [
            dataclasses.replace(r, status="finished" if r.status == "running" else r.status) for r in restored.records
        ]
        self.recorder.publish(self.batch, self._views(restored.states), records, last=True)
        self.progress.done[self.batch.id] = self.end

    def run(self, restored: Restored | None, lost: set[str]) -> None:
        """Trains to the end.

        Args:
            restored: the checkpoint to go on from; None to start.
            lost: ids of runs of which it was said already that they start again.
        """
        batch, recorder = self.batch, self.recorder
        recorder.begin(batch)
        if restored is None:
            for _, run in batch.own:
                folder = recorder.run_folder(run)
                if folder.record_path.exists() and run.id not in lost:
                    recorder.say_again(run, "no checkpoint of it is left")
                folder.clear()
            recorder.work("starting", batch)
            states, iteration, seconds = self.program.start(self.specs, [run.seed for run in batch.runs]), 0, 0.0
        else:
            for lane, run in batch.own:
                before = restored.records[lane]
                recorder.run_folder(run).cut(before.files)
                recorder.sources[run.id] = before.sources
                recorder.compiled[run.id] = before.compile_seconds or 0.0
                recorder.data_lost[run.id] = before.data_lost_at + self._data_lost(before, restored.iteration)
            states, iteration = restored.states, restored.iteration
            seconds = restored.records[0].train_seconds or 0.0
        self.progress.done[batch.id] = iteration
        points = [
            point
            for point in recorder.experiment.evaluation_points(batch.spec)
            if restored is None
            or point > iteration
            or (point == iteration and not self.program.is_evaluated(restored.states))
        ]
        with postponed() as must_leave:
            # A checkpoint beyond an end that came nearer is evaluated where it is.
            self._train(states, iteration, seconds, points or [iteration], must_leave)

    def _train(
        self, states: Any, iteration: int, seconds: float, points: Sequence[int], must_leave: Callable[[], bool]
    ) -> None:
        """Trains with an evaluation at each point, and a checkpoint whenever it is time.

        Where the sweep is to stop, a checkpoint is made after the piece or the evaluation that is at work, and training
        is left. An evaluation that is due is made after the checkpoint is restored; only that of the end is waited for,
        since a run that has all its steps is taken for done.
        """
        batch, program, specs = self.batch, self.program, self.specs
        pace, diverged = Pace(), self._diverged(states)
        must_stop = lambda: self.stop_on_divergence and self._diverged(states) - diverged
        work = lambda activity: self.recorder.work(activity, batch, self.progress.steps_done)

        def save(last: bool = False) -> None:
            work("saving")
            start = time.perf_counter()
            records = self._save(states, iteration, seconds, last)
            pace.saved(time.perf_counter() - start)
            if stopped := must_stop():
                self._stop(next(record for record in records if record.run_id in stopped))

        for point in points:
            first, before = iteration, seconds
            while iteration < point:
                work("training")
                piece, start = pace.piece(point - iteration), time.perf_counter()
                states = jax.block_until_ready(program.iterate(states, specs, piece))
                spent = time.perf_counter() - start
                pace.took(piece, spent)
                seconds += spent
                self._iterated = self._iterated[0] + piece, self._iterated[1] + spent
                self.progress.done[batch.id] = iteration = iteration + piece
                if must_leave() and iteration < self.end:
                    return save()
                if iteration < point and (pace.must_save or must_stop()):
                    save()
            work("evaluating")
            start = time.perf_counter()
            states, report = program.assess(states, specs)
            report = jax.tree.map(np.asarray, report)
            spent = time.perf_counter() - start
            seconds += spent
            self._evaluated = self._evaluated[0] + 1, self._evaluated[1] + spent
            lanes = self.recorder.append(batch, report, iteration, seconds)
            steps = len(batch.own) * (iteration - first) * batch.spec.algorithm.steps_per_iteration
            self.recorder.tracker.receive(self.progress.chunk(batch, lanes, iteration, steps / (seconds - before)))
            self.costs.train_seconds += seconds - before
            if point == points[-1] or pace.must_save or must_stop() or must_leave():
                save(last=iteration >= self.end)
            if must_leave():
                return

    def _data_lost(self, before: RunRecord, iteration: int) -> list[int]:
        """At how many steps a run goes on to train without what it had collected; nowhere if nothing is lost."""
        goes_on = before.status != "diverged" and 0 < iteration < self.end
        return [before.environment_steps] if goes_on and not self.batch.spec.algorithm.saves_data else []

    def _save(self, states: Any, iteration: int, seconds: float, last: bool) -> list[RunRecord]:
        """Makes a checkpoint, the last one or not, and what the runs have on disk agree with it."""
        batch, views = self.batch, self._views(states)
        records = self.recorder.records(batch, self.program, views, iteration, seconds, last)
        about = {"runs": [run.to_json() for run in batch.runs], "records": [r.to_json() for r in records]}
        also = sum(2 * tree_bytes(views[lane].best_policy) + 2**16 for lane, _ in batch.own)
        saved = self._checked(self.program.saved(states))
        checkpoints = checkpoints_of(batch.id, self.recorder.folder)
        checkpoints.save(iteration, saved, about, also)
        self.recorder.publish(batch, views, records, last)
        if last:  # what more steps go on from
            checkpoints.keep_only(iteration)
        self.recorder.tracker.receive(Kept(steps=self.progress.steps_done))
        return records

    def _checked(self, saved: Any) -> Any:
        """What shall be saved, if it is what the program says that it will expect."""
        for name, said, made in changed_forms(self.program.saved(self.program.abstract_states), saved):
            raise TypeError(
                f"{type(self.program).__name__}.abstract_states says that {name!r} is {said}, and it is {made}: no run "
                "could go on from such a checkpoint"
            )
        return saved

    def _stop(self, record: RunRecord) -> None:
        """Ends the sweep because of a run that diverged."""
        folder = self.recorder.folder.run(record.arm, record.environment, record.seed)
        raise RunDiverged(
            f"{record.arm} on {record.environment}, seed {record.seed}, {record.divergence}. The sweep stops here, "
            f"with a checkpoint, as it was told to. See: reppo inspect {str(folder.path)!r}"
        )

    def _views(self, states: Any) -> list[LaneView]:
        return [self.program.view(states, lane, run.spec) for lane, run in enumerate(self.batch.runs)]

    def _diverged(self, states: Any) -> set[str]:
        """The ids of runs that have diverged."""
        at = self.program.diverged_at(states)
        return {run.id for lane, run in self.batch.own if at[lane] >= 0}
