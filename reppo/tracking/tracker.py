"""The one interface of trackers, and the trackers that show nothing by themselves."""

import abc
import io
import sys
from collections.abc import Sequence
from typing import TextIO, final

from reppo.tracking.events import Event


class AbstractTracker(abc.ABC):
    """Receives the events of a sweep on the host, between chunks; nothing of it sits in compiled code.

    To send them elsewhere (a dashboard, a database) implement these two methods and ignore events you do not know:
    more kinds may come.
    """

    @abc.abstractmethod
    def receive(self, event: Event) -> None:
        """Takes note of an event. Training waits for it, so it should be quick."""

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

    Args:
        trackers: the trackers, in the order in which they hear of an event.
        errors: where a dropped tracker is reported; standard error by default.
    """

    def __init__(self, trackers: Sequence[AbstractTracker], errors: TextIO | io.TextIOBase | None = None) -> None:
        self._trackers = list(trackers)
        self._errors = sys.stderr if errors is None else errors

    @property
    def trackers(self) -> tuple[AbstractTracker, ...]:
        """The trackers that are still in use."""
        return tuple(self._trackers)

    def receive(self, event: Event) -> None:
        """Passes the event on."""
        for tracker in self.trackers:
            try:
                tracker.receive(event)
            except Exception as error:  # whatever it is, results matter more than their display
                self._drop(tracker, error)

    def close(self) -> None:
        """Closes every tracker."""
        for tracker in self.trackers:
            try:
                tracker.close()
            except Exception as error:
                self._drop(tracker, error)

    def _drop(self, tracker: AbstractTracker, error: Exception) -> None:
        self._trackers.remove(tracker)
        name = type(tracker).__name__
        try:
            self._errors.write(
                f"The tracker {name} failed and is switched off for the rest of this sweep ({type(error).__name__}: "
                f"{error}). Training goes on; results are written as before.\n"
            )
            self._errors.flush()
        except (OSError, ValueError, AttributeError):  # standard error is closed: nobody is left to tell
            pass
