"""Events as lines of JSON, for `tail -f`, `jq` and scripts."""

import dataclasses
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import final

from reppo.results.files import append_lines, json_line
from reppo.results.folder import timestamp
from reppo.tracking.events import BatchStarted, Event, Kept, RunFinished, Working
from reppo.tracking.tracker import AbstractTracker


@final
class JsonLines(AbstractTracker):
    """Appends each event to a file: `time` (UTC), `event` (such as `"chunk_finished"`), then the event's fields.

    Strict JSON: non-finite numbers become null. Specs are left out; each `record.json` has its run's.

    Args:
        path: the file; it is created if need be, and continued if it exists.
        clock: gives the seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def receive(self, event: Event) -> None:
        """Writes the event, unless it is of the moment alone."""
        if isinstance(event, Working | Kept):
            return
        fields = dataclasses.asdict(event)
        if isinstance(event, RunFinished):
            del fields["record"]["spec"]
        if isinstance(event, BatchStarted):
            for lane in fields["lanes"]:
                del lane["spec"]
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        append_lines(self._path, [json_line({"time": timestamp(self._clock()), "event": kind, **fields})])

    def close(self) -> None:
        """Does nothing: every line is on its way to the disk already."""
