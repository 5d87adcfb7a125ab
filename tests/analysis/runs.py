"""Runs in memory, for tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from reppo.algorithms import Reppo
from reppo.analysis import Report, build_report
from reppo.results import Evaluations, Metrics, RunData, RunFolder, RunRecord

WATCHED = [watched.to_json() for watched in Reppo().watched()]
CONTROL = {"environment": {"component": "PlaygroundTask", "task": "CheetahRun", "config": []}}


def run(
    arm: str,
    seed: int,
    means: list[float],
    environment: str = "E",
    diverged: bool = False,
    interval: int = 100,
    start: int = 1,
) -> RunData:
    """A run whose evaluations, of two episodes each, have the given means."""
    steps = np.repeat([(i + start) * interval for i in range(len(means))], 2).astype(np.int64)
    record = RunRecord(
        run_id=f"{arm}-{environment}-{seed}",
        experiment="e",
        arm=arm,
        environment=environment,
        seed=seed,
        status="diverged" if diverged else "finished",
        diverged_at=int(steps[-1]) if diverged else None,
        environment_steps=int(steps[-1]) if len(means) else 0,
        steps_per_second=1000.0 + seed,
        settings={},
        watched=WATCHED,
    )
    offsets = np.tile([-1.0, 1.0], len(means))
    evaluations = Evaluations(
        environment_steps=steps,
        seconds=steps / 10,
        episode=np.tile([0, 1], len(means)),
        returns=np.repeat(np.array(means, np.float64), 2) + offsets,
        lengths=np.full(2 * len(means), 100),
    )
    return RunData(record, evaluations, RunFolder(Path("unused")))


def known(one: RunData) -> RunData:
    return replace(one, record=replace(one.record, spec=CONTROL))


def runs(arm: str, finals, environment: str = "E", first: float = 0.0) -> list[RunData]:
    return [run(arm, seed, [first, last], environment, start=0) for seed, last in enumerate(finals)]


def made_by(one: RunData, *ablations: str, **fields) -> RunData:
    return replace(one, record=replace(one.record, ablations=list(ablations), **fields))


def report_on(results: list[RunData], **settings) -> Report:
    """The report on runs that recorded no metrics."""
    empty = np.zeros(0)
    none = Metrics(environment_steps=empty.astype(np.int64), names=[], mean=empty, minimum=empty, maximum=empty)
    return build_report(results, metrics=[none] * len(results), **settings)
