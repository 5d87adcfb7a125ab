"""What a sweep tells of two arms on one task, and a stream to show it on."""

import io
import math
from typing import Any

from reppo.results import RunRecord
from reppo.tracking import BatchStarted, ChunkFinished, Compiling, LaneReport, SweepStarted


class Stream(io.StringIO):
    """A stream that says whether it is a terminal, in an encoding of its own."""

    def __init__(self, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self.terminal, self._encoding = terminal, encoding

    encoding = property(lambda self: self._encoding)

    def isatty(self) -> bool:
        return self.terminal


def record(**changes: Any) -> RunRecord:
    fields: dict[str, Any] = dict(
        run_id="r0", experiment="e", arm="base", environment="CartpoleBalance", seed=0, status="finished", spec={"a": 1}
    )
    return RunRecord(**fields | changes)


ARMS = ("base", "kl/no_kl")


def lane(arm: str, seed: int, returns: list[float]) -> LaneReport:
    metrics = {"kl": (0.1, 0.0, math.inf)}
    return LaneReport(
        run_id=f"{arm}{seed}", arm=arm, environment="CartpoleBalance", seed=seed, returns=returns, metrics=metrics
    )


def chunk(number: int, lanes: list[LaneReport], **changes: Any) -> ChunkFinished:
    fields: dict[str, Any] = dict(
        label="CartpoleBalance", environment="CartpoleBalance", arms=ARMS, environment_steps=50_000 * number,
        lanes=lanes, steps_done=200_000 * number, steps_total=600_000, steps_per_second=51_234.0, seconds_left=125.0,
    )  # fmt: skip
    return ChunkFinished(**fields | changes)


START = [
    SweepStarted(experiment="quickstart", runs=4, steps_total=600_000, batches=1),
    BatchStarted(label="CartpoleBalance", environment="CartpoleBalance", arms=ARMS, runs=4),
    Compiling(label="CartpoleBalance"),
]
