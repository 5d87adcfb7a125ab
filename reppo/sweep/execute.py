"""Executing an experiment: batch by batch, chunk by chunk, with everything on disk as it comes."""

import importlib.metadata
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import jax
import numpy as np

from reppo.ablation import Arm
from reppo.policies import save_policy
from reppo.results import ResultsFolder, RunRecord, write_runs_csv
from reppo.results.lock import only_process
from reppo.spec import concerns, to_json
from reppo.sweep.experiment import Experiment, Run
from reppo.sweep.machine import return_freed_memory, use_all_cores
from reppo.sweep.plan import (
    Batch,
    Execution,
    by_program,
    decide_execution,
    make_batches,
    needed_bytes,
    refuse_other_runs,
)
from reppo.tracking import (
    AbstractTracker,
    BatchStarted,
    ChunkFinished,
    Compiling,
    Composite,
    JsonLines,
    LaneReport,
    LaneStart,
    RunFinished,
    SweepFinished,
    SweepStarted,
)
from reppo.training import BatchProgram, Checkpoints, ChunkReport
from reppo.training.plan import evaluation_points, total_iterations

CHECKPOINT_SECONDS = 15.0
"""A batch is saved after the first chunk that ends this long after the last save, and at its end."""

_PACKAGES = ("reppo", "jax", "jaxlib", "equinox", "optax", "numpy", "playground", "mujoco", "mujoco-mjx", "gymnax")


def execute(experiment: Experiment, path: Path, tracker: AbstractTracker, memory: int | None = None) -> ResultsFolder:
    """Runs what is not done yet of an experiment.

    Args:
        experiment: what to run.
        path: folder of results; made if it does not exist, continued if it does.
        tracker: told of everything that happens.
        memory: bytes that the arrays of all lanes may take while they train (see `choose_execution`).

    Returns:
        The folder.

    Raises:
        ConfigurationError: before anything is computed, if the folder belongs to something else.
    """
    use_all_cores(path)
    runs = experiment.runs()
    for environment in experiment.environments:
        environment.make()  # what only the task itself can refuse is refused before anything is written
    with only_process(path):
        folder = ResultsFolder.create_or_open(path, {"id": experiment.id, "name": experiment.name})
        refuse_other_runs(runs, folder)
        _note_questions(experiment, folder)
        execution = decide_execution(experiment, folder, memory)
        batches = make_batches(runs, folder, execution.width)
        tracker = Composite([tracker, JsonLines(folder.path / "ledger.jsonl")])
        try:
            _Sweep(experiment, folder, execution, batches, tracker).run()
        finally:
            tracker.close()
            write_runs_csv(folder.path)
    return folder


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
        batches: Sequence[Batch],
        tracker: AbstractTracker,
    ):
        self.experiment = experiment
        self.folder = folder
        self.execution = execution
        self.tracker = tracker
        self.versions = _versions()
        self.checkpoints = {batch.id: Checkpoints(folder.batch_path(batch.id) / "states") for batch in batches}
        self.done = {batch.id: self.checkpoints[batch.id].latest() for batch in batches}
        self.batches = [batch for batch in batches if (self.done[batch.id] or 0) < self._end(batch)]
        self.steps_total = sum(len(b.runs) * self._steps(b, self._end(b)) for b in batches)
        self.steps_done = sum(len(b.runs) * self._steps(b, min(self.done[b.id] or 0, self._end(b))) for b in batches)
        self.steps_before = self.steps_done
        self.started = time.perf_counter()
        self.compilations = 0
        self.compile_seconds = 0.0
        self.train_seconds = 0.0
        self.program_bytes = 0

    def run(self) -> None:
        """Executes the batches that are not done."""
        self.tracker.receive(
            SweepStarted(
                experiment=self.experiment.name,
                runs=sum(len(batch.runs) for batch in self.batches),
                steps_total=self.steps_total,
                steps_done=self.steps_done,
                batches=len(self.batches),
                warnings=list(
                    dict.fromkeys(line for batch in self.batches for run in batch.runs for line in _said(run))
                ),
            )
        )
        groups = by_program(self.batches)
        needed = [
            needed_bytes(group[0].runs[0])[0] for group in groups
        ]  # a component that fails does so before training
        for group in groups:
            program = self._compile(group[0])
            for batch in group:
                self._run_batch(batch, program)
            del program  # hundreds of megabytes, for a physics engine
        self.tracker.receive(
            SweepFinished(
                compilations=(len(groups), self.compilations),
                bytes=(self.execution.at_once * max(needed, default=0), self.program_bytes),
                compile_seconds=self.compile_seconds,
                train_seconds=self.train_seconds,
            )
        )

    def _compile(self, batch: Batch) -> BatchProgram:
        """The program of a batch, compiled when it is needed.

        Not ahead in another thread: on CPUs compilation and training share XLA's threads, and training then ran at a
        tenth of its speed.
        """
        self.tracker.receive(Compiling(label=batch.label))
        spec, execution = batch.runs[0].spec, self.execution
        program = BatchProgram(spec, execution.width, execution.mode, devices=execution.devices)
        program.compile()
        return_freed_memory()
        self.compilations += 1
        self.compile_seconds += program.compile_seconds
        self.program_bytes = max(self.program_bytes, program.bytes)
        return program

    def _run_batch(self, batch: Batch, program: BatchProgram) -> None:
        checkpoints, done = self.checkpoints[batch.id], self.done[batch.id]
        specs, seeds = [run.spec for run in batch.runs], [run.seed for run in batch.runs]
        self.tracker.receive(
            BatchStarted(
                label=batch.label,
                environment=batch.runs[0].environment,
                arms=batch.arms,
                runs=len(batch.runs),
                lanes=[
                    LaneStart(
                        run_id=run.id,
                        arm=run.arm,
                        environment=run.environment,
                        seed=run.seed,
                        ablations=run.ablations,
                        spec=to_json(run.spec),
                    )
                    for run in batch.runs
                ],
            )
        )
        for run in batch.runs:
            self._run_folder(run).truncate_after(-1 if done is None else self._steps(batch, done))
        if done is None:
            states, iteration, seconds = program.start(specs, seeds), 0, 0.0
        else:
            states, iteration = checkpoints.restore(done, program.abstract_states), done
            seconds = float(self._run_folder(batch.runs[0]).read_evaluations().seconds[-1])
        saved = time.perf_counter()
        for point in evaluation_points(specs[0], self.experiment.steps, done):
            start = time.perf_counter()
            states, report = program.advance(states, specs, point - iteration)
            report = jax.tree.map(np.asarray, report)
            spent = time.perf_counter() - start
            seconds += spent
            self.train_seconds += spent
            steps = len(batch.runs) * self._steps(batch, point - iteration)
            iteration = point
            self.steps_done += steps
            lanes = self._record_chunk(batch, report, iteration, seconds)
            self._tell(batch, lanes, iteration, steps / spent)
            last = iteration == self._end(batch)
            if last or time.perf_counter() - saved > CHECKPOINT_SECONDS:
                self._save(batch, program, states, iteration)
                self._write_records(batch, program, report, iteration, seconds, last)
                saved = time.perf_counter()
        checkpoints.close()

    def _record_chunk(self, batch: Batch, report: ChunkReport, iteration: int, seconds: float) -> list[LaneReport]:
        """Appends a chunk to the records of every run."""
        lanes = []
        for lane, run in enumerate(batch.runs):
            folder, steps = self._run_folder(run), self._steps(batch, iteration)
            returns = report.evaluated.episode_return[lane].astype(np.float64)
            folder.append_evaluation(steps, seconds, returns, report.evaluated.episode_length[lane].astype(np.int64))
            metrics = {
                name: (float(s.total[lane] / s.count[lane]), float(s.minimum[lane]), float(s.maximum[lane]))
                for name, s in report.metrics.items()
                if s.count[lane] > 0
            }
            folder.append_metrics(steps, metrics)
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

    def _tell(self, batch: Batch, lanes: list[LaneReport], iteration: int, speed: float) -> None:
        elapsed = time.perf_counter() - self.started
        here = self.steps_done - self.steps_before
        left = (self.steps_total - self.steps_done) * elapsed / here if here else None
        self.tracker.receive(
            ChunkFinished(
                label=batch.label,
                environment=batch.runs[0].environment,
                arms=batch.arms,
                environment_steps=self._steps(batch, iteration),
                lanes=lanes,
                steps_done=self.steps_done,
                steps_total=self.steps_total,
                steps_per_second=speed,
                seconds_left=left,
            )
        )

    def _save(self, batch: Batch, program: BatchProgram, states: Any, iteration: int) -> None:
        """Saves the states of all lanes, and the last and best policy of each run."""
        self.checkpoints[batch.id].save(iteration, states)
        for lane, run in enumerate(batch.runs):
            state = program.lane(states, lane)
            folder = self._run_folder(run).policy_path
            save_policy(folder / "last.npz", run.spec.algorithm.policy(state.algorithm), run.spec)
            save_policy(folder / "best.npz", state.best_policy, run.spec)

    def _write_records(
        self, batch: Batch, program: BatchProgram, report: ChunkReport, iteration: int, seconds: float, last: bool
    ) -> None:
        for lane, run in enumerate(batch.runs):
            diverged_at = int(report.diverged_at[lane])
            steps = self._steps(batch, iteration)
            record = RunRecord(
                run_id=run.id,
                experiment=self.experiment.id,
                arm=run.arm,
                environment=run.environment,
                seed=run.seed,
                status="diverged" if diverged_at >= 0 else "finished" if last else "running",
                environment_steps=steps,
                diverged_at=self._steps(batch, diverged_at) if diverged_at >= 0 else None,
                spec=to_json(run.spec),
                ablations=list(run.ablations),
                warnings=_said(run),
                versions=self.versions,
                backend=jax.default_backend(),
                device=jax.devices()[0].device_kind,
                width=self.execution.width,
                batch=batch.id,
                lanes_mode=self.execution.mode,  # pyright: ignore[reportArgumentType]
                matmul_precision=run.spec.matmul_precision,
                train_seconds=seconds,
                compile_seconds=program.compile_seconds,
                program_bytes=program.bytes or None,
                steps_per_second=len(batch.runs) * steps / seconds,
            )
            self._run_folder(run).write_record(record)
            if last:
                self.tracker.receive(RunFinished(record=record))

    def _run_folder(self, run: Run) -> Any:
        return self.folder.run(run.arm, run.environment, run.seed)

    def _end(self, batch: Batch) -> int:
        return total_iterations(batch.runs[0].spec, self.experiment.steps)

    def _steps(self, batch: Batch, iterations: int) -> int:
        return iterations * batch.runs[0].spec.algorithm.steps_per_iteration


def _said(run: Run) -> list[str]:
    """What is said about a run before it begins, with its arm."""
    return [f"{run.arm}: {line}" for line in concerns(run.spec)]


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}
