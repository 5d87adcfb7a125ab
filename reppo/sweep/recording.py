"""What runs leave: rows, policies and records on disk, and events for trackers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import final

import jax
import numpy as np

from reppo.policies import save_policy
from reppo.results import ResultsFolder, RunFolder, RunRecord
from reppo.spec import Spec, concerns, to_json
from reppo.spec.source import source_hashes
from reppo.sweep.batches import Batch
from reppo.sweep.execution import Execution
from reppo.sweep.experiment import Experiment, Run
from reppo.tracking import AbstractTracker, BatchStarted, LaneReport, LaneStart, Noticed, RunFinished, Working
from reppo.training import AbstractProgram, ChunkReport, LaneView

Metrics = dict[str, tuple[float, float, float]]
"""Mean, minimum and maximum by name."""


@final
class Recorder:
    """Writes what the lanes of batches give, and tells it.

    Attributes:
        experiment: the experiment.
        folder: its folder of results.
        tracker: told of everything that happens.
        sources: the hashes of sources that runs began with, by run; as they are now where it does not say.
        compiled: what compilation took before runs were continued, by run: the cache held the program afterwards.
        data_lost: at how many steps runs were continued without what they had collected, by run.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: ResultsFolder,
        execution: Execution,
        tracker: AbstractTracker,
        versions: Mapping[str, str],
    ):
        """For one execution of an experiment."""
        self.experiment = experiment
        self.folder = folder
        self.tracker = tracker
        self.sources: dict[str, dict[str, str]] = {}
        self.compiled: dict[str, float] = {}
        self.data_lost: dict[str, list[int]] = {}
        self._mode = execution.mode
        self._versions = dict(versions)
        self._said: set[str] = set()

    def run_folder(self, run: Run) -> RunFolder:
        """Where the files of a run are."""
        return self.folder.run(run.arm, run.environment, run.seed)

    def say(self, text: str) -> None:
        """Tells a line."""
        self.tracker.receive(Noticed(text=text))

    def say_again(self, run: Run, reason: str) -> None:
        """Tells that a run starts again."""
        self.say(f"{run.arm} on {run.environment}, seed {run.seed}, starts again: {reason}.")

    def work(self, activity: str, batch: Batch, steps_done: int | None = None) -> None:
        """Tells what is done from now on, and how many steps were done over all runs if some were added."""
        self.tracker.receive(Working(activity=activity, label=batch.label, steps_done=steps_done))

    def begin(self, batch: Batch) -> None:
        """Tells that a batch begins or continues."""
        lanes = [
            LaneStart(
                run_id=run.id,
                arm=run.arm,
                environment=run.environment,
                seed=run.seed,
                ablations=run.ablations,
                rival=run.rival,
                spec=to_json(run.spec),
            )
            for _, run in batch.own
        ]
        self.tracker.receive(
            BatchStarted(
                label=batch.label, environment=batch.environment, arms=batch.groups, runs=len(batch.own), lanes=lanes
            )
        )

    def append(self, batch: Batch, report: ChunkReport, iteration: int, seconds: float) -> list[LaneReport]:
        """Appends a chunk to the tables of every run."""
        lanes = []
        for lane, run in batch.own:
            folder, steps = self.run_folder(run), _steps(run.spec, iteration)
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
                    group=run.group,
                )
            )
        return lanes

    def _notice_faults(self, run: Run, broken: int, metrics: Metrics) -> None:
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
            if text not in self._said:
                self._said.add(text)
                self.say(text)

    def publish(self, batch: Batch, views: Sequence[LaneView], records: Sequence[RunRecord], last: bool) -> None:
        """Makes tables, policies and records of the runs agree with a checkpoint, in this order."""
        for lane, run in batch.own:
            folder = self.run_folder(run)
            folder.cut(records[lane].files)
            save_policy(folder.policy_path / "last.npz", views[lane].policy, run.spec)
            save_policy(folder.policy_path / "best.npz", views[lane].best_policy, run.spec)
            files = records[lane].files | folder.policy_fingerprints()
            record = dataclasses.replace(records[lane], files=files)
            folder.write_record(record)
            if last:
                self.tracker.receive(RunFinished(record=record))

    def records(
        self,
        batch: Batch,
        program: AbstractProgram,
        views: Sequence[LaneView],
        iteration: int,
        seconds: float,
        last: bool,
    ) -> list[RunRecord]:
        """The record of each lane; those of lanes that are gone agree with no files."""
        records = []
        for run, view in zip(batch.runs, views, strict=True):
            steps, lost = _steps(run.spec, iteration), view.diverged_at >= 0
            record = RunRecord(
                run_id=run.id,
                experiment=self.experiment.id,
                arm=run.arm,
                environment=run.environment,
                seed=run.seed,
                status="diverged" if lost else "finished" if last else "running",
                environment_steps=steps,
                steps_per_iteration=_steps(run.spec, 1),
                data_lost_at=self.data_lost.get(run.id, []),
                diverged_at=_steps(run.spec, view.diverged_at) if lost else None,
                diverged_iteration=view.diverged_at if lost else None,
                diverged_by=view.diverged_by,
                spec=to_json(run.spec),
                sources=self.sources.get(run.id) or source_hashes(run.spec),
                ablations=list(run.ablations),
                rival=run.rival or None,
                settings=run.settings,
                search=run.search,
                watched=[watched.to_json() for watched in run.spec.algorithm.watched()],
                warnings=warnings_of(run),
                versions=self._versions,
                backend=jax.default_backend(),
                device=jax.devices()[0].device_kind,
                width=batch.width,
                batch=batch.id,
                lanes_mode=self._mode,  # pyright: ignore[reportArgumentType]
                matmul_precision=run.spec.matmul_precision,
                train_seconds=seconds,
                compile_seconds=max(program.compile_seconds, self.compiled.get(run.id, 0.0)),
                program_bytes=program.bytes or None,
                steps_per_second=len(batch.own) * steps / seconds,
                files={} if run.id in batch.gone else self.run_folder(run).table_fingerprints(),
            )
            records.append(record)
        return records


def warnings_of(run: Run) -> list[str]:
    """What is said about a run before it begins, with its arm."""
    return [f"{run.arm}: {line}" for line in concerns(run.spec)]


def _steps(spec: Spec, iterations: int) -> int:
    return iterations * spec.algorithm.steps_per_iteration
