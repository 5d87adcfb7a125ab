"""TensorBoard: a folder of events for each run, written by tensorboardX."""

import importlib.util
import math
from pathlib import Path
from typing import Any, ClassVar, final

from reppo.errors import require
from reppo.results.folder import ResultsFolder
from reppo.results.run_folder import RunFolder
from reppo.tracking.events import BatchStarted, ChunkFinished, Event, LaneStart, RunFinished, SweepStarted
from reppo.tracking.rows import row_of, rows_on_disk
from reppo.tracking.tracker import AbstractTracker

FOLDER = "tensorboard"


@final
class TensorBoard(AbstractTracker):
    """Writes every run of a sweep for TensorBoard, into `tensorboard/<arm>/<environment>/seed<k>` of its results.

    A run that goes on is written anew, from the rows that are on disk: its folder holds one file, in which no step is
    lost or doubled, whatever happened before. So is a finished run whose file is missing or was not completed.

    Args:
        folder: the folder of results.

    Raises:
        ConfigurationError: if tensorboardX is not installed.
    """

    background: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        require(
            importlib.util.find_spec("tensorboardX") is not None,
            "--tensorboard needs the package tensorboardX, which is not installed. Install it with: pip install "
            "'reppo[tensorboard]'",
        )
        self._folder = folder
        self._lanes: dict[str, LaneStart] = {}
        self._writers: dict[str, Any] = {}

    def receive(self, event: Event) -> None:
        """Opens, feeds and ends files."""
        match event:
            case SweepStarted():
                for run in ResultsFolder(self._folder).runs():
                    if run.read_record().status != "running" and not self._is_written(run):
                        self._begin(run).close()
            case BatchStarted():
                self._lanes |= {lane.run_id: lane for lane in event.lanes}
            case ChunkFinished():
                for lane in event.lanes:
                    if lane.run_id not in self._writers:
                        self._open(lane.run_id, event.environment_steps)
                    _write(self._writers[lane.run_id], event.environment_steps, row_of(lane.returns, lane.metrics))
            case RunFinished():
                if event.record.run_id in self._lanes and event.record.run_id not in self._writers:
                    self._open(event.record.run_id, event.record.environment_steps + 1)
                if (writer := self._writers.pop(event.record.run_id, None)) is not None:
                    writer.close()
            case _:
                pass

    def close(self) -> None:
        """Ends what is still open."""
        while self._writers:
            self._writers.popitem()[1].close()

    def _open(self, run_id: str, steps: int) -> None:
        lane = self._lanes[run_id]
        run = ResultsFolder(self._folder).run(lane.arm, lane.environment, lane.seed)
        self._writers[run_id] = self._begin(run, steps)

    def _begin(self, run: RunFolder, before: float | int = math.inf) -> Any:
        """A new file of a run, in place of those that are there, with its rows from before a number of steps."""
        from tensorboardX import SummaryWriter

        place = self._place(run)
        for file in place.glob("events.out.tfevents.*"):
            file.unlink()
        writer = SummaryWriter(logdir=str(place))
        for steps, row in rows_on_disk(run, before):
            _write(writer, steps, row)
        return writer

    def _place(self, run: RunFolder) -> Path:
        return self._folder / FOLDER / run.path.relative_to(self._folder / "runs")

    def _is_written(self, run: RunFolder) -> bool:
        """Whether the file of a finished run was closed after its record was written."""
        written = [file.stat().st_mtime_ns for file in self._place(run).glob("events.out.tfevents.*")]
        return max(written, default=0) > run.record_path.stat().st_mtime_ns


def _write(writer: Any, steps: int, row: dict[str, float]) -> None:
    for name, value in row.items():
        writer.add_scalar(name, value, steps)
    writer.flush()
