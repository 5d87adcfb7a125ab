"""What a sweep tells of its lanes, in few words, and a sink that ends it."""

from reppo.results import RunRecord
from reppo.tracking import AbstractTracker, BatchStarted, ChunkFinished, LaneReport, LaneStart, SweepStarted


def start(arm, seed):
    names = [] if arm == "base" else [arm]
    return LaneStart(
        run_id=f"{arm}{seed}", arm=arm, environment="Task", seed=seed, ablations=names, spec={"algorithm": {"gamma": 1}}
    )


def report(arm, seed, returns, **metrics):
    return LaneReport(run_id=f"{arm}{seed}", arm=arm, environment="Task", seed=seed, returns=returns, metrics=metrics)


def chunk(steps, lanes):
    return ChunkFinished(
        label="l", environment="Task", arms=["base"], environment_steps=steps, lanes=lanes, steps_done=steps,
        steps_total=100, steps_per_second=1.0,
    )  # fmt: skip


def record(arm, seed, **changes):
    fields = dict(run_id=f"{arm}{seed}", experiment="e", arm=arm, environment="Task", seed=seed, status="finished")
    return RunRecord(**(fields | changes))


def begin(tracker, lanes):
    tracker.receive(SweepStarted(experiment="study", runs=len(lanes), steps_total=100, batches=1))
    tracker.receive(BatchStarted(label="l", environment="Task", arms=["base"], runs=len(lanes), lanes=lanes))


class KillAfter(AbstractTracker):
    """Interrupts a sweep at a number of environment steps."""

    def __init__(self, steps):
        self.steps = steps

    def receive(self, event):
        if isinstance(event, ChunkFinished) and event.environment_steps >= self.steps:
            raise KeyboardInterrupt

    def close(self):
        pass
