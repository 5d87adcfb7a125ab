"""The one interface of trackers, and the trackers that show nothing by themselves."""

import abc
import io
import queue
import sys
import threading
from collections.abc import Sequence
from typing import ClassVar, TextIO, final

from reppo.tracking.events import Event

CLOSE_SECONDS = 30.0
"""How long the end of a sweep waits for a sink in the background."""

MOST_WAITING = 10_000
"""Events that a sink in the background may be behind."""


class AbstractTracker(abc.ABC):
    """Receives the events of a sweep on the host, between chunks; nothing of it sits in compiled code.

    To send them elsewhere (a dashboard, a database) implement these two methods and ignore events you do not know:
    more kinds may come.

    Attributes:
        background: whether a `Composite` gives it its events in a thread of its own, in their order, because it may
            wait, say for a server. Training waits for any other.
    """

    background: ClassVar[bool] = False

    @abc.abstractmethod
    def receive(self, event: Event) -> None:
        """Takes note of an event. Training waits for it, unless `background` is set."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends tracking: after the last event, an interruption or an error. May be called more than once."""


@final
class NoTracker(AbstractTracker):
    """Shows and stores nothing."""

    def receive(self, event: Event) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


@final
class Composite(AbstractTracker):
    """Passes every event to several trackers. One that raises is reported once and dropped; training goes on.

    So is one in the background that falls far behind, or has not ended `CLOSE_SECONDS` after the last event.

    Args:
        trackers: the trackers, in the order in which they hear of an event.
        errors: where a dropped tracker is reported; standard error by default.
    """

    def __init__(self, trackers: Sequence[AbstractTracker], errors: TextIO | io.TextIOBase | None = None) -> None:
        self._trackers = [_InBackground(tracker) if tracker.background else tracker for tracker in trackers]
        self._errors = sys.stderr if errors is None else errors

    @property
    def trackers(self) -> tuple[AbstractTracker, ...]:
        """The trackers that are still in use."""
        return tuple(t.tracker if isinstance(t, _InBackground) else t for t in self._trackers)

    def receive(self, event: Event) -> None:
        """Passes the event on."""
        for tracker in tuple(self._trackers):
            try:
                tracker.receive(event)
            except Exception as error:  # whatever it is, results matter more than their display
                self._drop(tracker, error)

    def close(self) -> None:
        """Closes every tracker."""
        for tracker in tuple(self._trackers):
            try:
                tracker.close()
            except Exception as error:
                self._drop(tracker, error)

    def _drop(self, tracker: AbstractTracker, error: Exception) -> None:
        self._trackers.remove(tracker)
        name = type(tracker.tracker if isinstance(tracker, _InBackground) else tracker).__name__
        try:
            self._errors.write(
                f"The tracker {name} failed and is switched off for the rest of this sweep ({type(error).__name__}: "
                f"{error}). Training goes on; results are written as before.\n"
            )
            self._errors.flush()
        except (OSError, ValueError, AttributeError):  # standard error is closed: nobody is left to tell
            pass


@final
class _InBackground(AbstractTracker):
    """Passes events to a tracker in a thread, and raises here, at the next event, what it raised there.

    The thread ends with the process, whatever the tracker waits for.
    """

    def __init__(self, tracker: AbstractTracker) -> None:
        self.tracker = tracker
        self._events: queue.Queue[Event | None] = queue.Queue(MOST_WAITING)
        self._fault: Exception | None = None
        self._thread: threading.Thread | None = None

    def receive(self, event: Event) -> None:
        self._raise_fault()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=type(self.tracker).__name__, daemon=True)
            self._thread.start()
        try:
            self._events.put_nowait(event)
        except queue.Full:
            raise TimeoutError(f"it is {MOST_WAITING} events behind") from None

    def close(self) -> None:
        if self._thread is None:
            self.tracker.close()
            return
        if self._thread.is_alive():
            self._events.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(CLOSE_SECONDS)
        self._raise_fault()
        if self._thread.is_alive():
            raise TimeoutError(f"it was not done {CLOSE_SECONDS:.0f} s after the end")

    def _work(self) -> None:
        try:
            while (event := self._events.get()) is not None:
                self.tracker.receive(event)
            self.tracker.close()
        except BaseException as error:  # SystemExit too: nobody else hears of it in a thread
            self._fault = error if isinstance(error, Exception) else RuntimeError(repr(error))

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
