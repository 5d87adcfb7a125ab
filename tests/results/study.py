"""A folder of results that no sweep has written."""

import itertools

from reppo.results import ResultsFolder, RunRecord
from reppo.results.files import write_json
from reppo.tracking import BatchStarted, JsonLines, LaneStart, SweepStarted

ATTEMPT = {"host": "node1", "device": "cpu", "commit": "0123456789abcdef", "dirty": True, "versions": {"jax": "1"}}


def run(arm, seed, task="Task"):
    return {"run_id": f"{arm} {task} {seed}", "arm": arm, "environment": task, "seed": seed}


def lane(**fields):
    return LaneStart(**fields)


class Study:
    """A folder of results, written as a sweep writes it."""

    def __init__(self, path, batches):
        self.folder = ResultsFolder.create_or_open(path, {"id": "x", "name": "study"})
        self.ledger = JsonLines(path / "ledger.jsonl", clock=itertools.count(0.0).__next__)
        for number, runs in enumerate(batches):
            write_json(self.folder.batch_path(f"batch{number:04d}") / "lanes.json", {"width": 2, "runs": runs})

    def tell(self, *events):
        for event in events:
            self.ledger.receive(event)

    def started(self, *runs):
        self.tell(
            SweepStarted(experiment="study", runs=1, steps_total=1, batches=1, attempt=ATTEMPT), self.batch(*runs)
        )

    def batch(self, *runs):
        lanes = [lane(**one) for one in runs]
        return BatchStarted(label="b", environment="Task", arms=["base"], runs=len(runs), lanes=lanes)

    def record(self, one, status="running", **fields):
        record = RunRecord(**one, experiment="x", status=status, **fields)
        self.folder.run(one["arm"], one["environment"], one["seed"]).write_record(record)
        return record
