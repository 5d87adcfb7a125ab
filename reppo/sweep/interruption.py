"""Signals that ask a sweep to stop: it leaves within seconds, whatever it is doing, after a checkpoint where it can."""

import contextlib
import dataclasses
import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn, final

from reppo.tracking import Console

GRACE_SECONDS = 8.0
"""How long the first signal leaves for an end in order. Files are whole at any moment, so that none is needed."""


@final
@dataclasses.dataclass
class _Stop:
    """What was heard of signals in a context of `stoppable`."""

    console: Console | None
    asked: int | None = None  # the first signal
    waits: bool = False  # for the end of a context of `postponed`
    unsaid: threading.Semaphore = dataclasses.field(default_factory=lambda: threading.Semaphore(1))

    def leave(self) -> NoReturn:
        """Ends what the main thread does."""
        if self.asked == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self.asked or 0))

    def say(self, number: int) -> None:
        """Says once what happens, by whoever hears of the signal first."""
        if self.unsaid.acquire(blocking=False):
            how = "stopping after a checkpoint, within seconds" if self.waits else f"stopping. {self._kept()}"
            self._write(f"reppo: {signal.Signals(number).name}: {how}. A second signal stops at once.")

    def end(self, number: int, second: bool) -> NoReturn:
        """Ends the process where nothing else does."""
        if not second:
            self._write(f"reppo: stopped at once, because what runs could not be waited for. {self._kept()}.")
        if self.console is not None:
            with contextlib.suppress(Exception):
                self.console.close()
        os._exit(128 + number)

    def _kept(self) -> str:
        kept = self.console.kept if self.console is not None else ""
        return f"The last checkpoint is kept{f': {kept}' if kept else ''}"

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # nobody may be listening
            if self.console is not None:
                self.console.say(line)
            else:
                sys.stderr.write(f"\n{line}\n")
                sys.stderr.flush()


_stop: _Stop | None = None  # of the context that lasts


@contextlib.contextmanager
def stoppable(console: Console | None = None) -> Iterator[None]:
    """While the context lasts, SIGINT and SIGTERM end this process within `GRACE_SECONDS`, a second one at once.

    The exit code is 128 and the number of the signal: 130 and 143. Python hears a signal only between two steps of its
    own, and a compilation is a single one; so a thread hears of it, says so, and ends the process if nobody else does.
    For a process that is there for the sweep alone: once a signal has come, it ends even if the sweep has ended first.

    Args:
        console: what shows the sweep, and says what happens; the standard error by default.
    """
    global _stop
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    stop = _stop = _Stop(console)
    threading.Thread(target=_watch, args=(heard, stop), daemon=True).start()

    def hear(number: int, frame: FrameType | None) -> None:
        if stop.asked is not None:
            stop.end(number, second=True)
        stop.asked = number
        stop.say(number)
        if not stop.waits:
            stop.leave()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    told_before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield
    finally:
        _stop = None
        if stop.asked is None:
            signal.set_wakeup_fd(told_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.write(told, _NOTHING)
            os.close(told)


@contextlib.contextmanager
def postponed() -> Iterator[Callable[[], bool]]:
    """While the context lasts, a first signal that `stoppable` hears waits for its end.

    Yields:
        Whether there is one: what can be kept shall be kept then, and the context left, within `GRACE_SECONDS`.
    """
    stop = _stop
    if stop is None or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    stop.waits = True
    try:
        yield lambda: stop.asked is not None
    finally:
        stop.waits = False
        if stop.asked is not None:
            stop.leave()


_NOTHING = b"\0"


def _watch(heard: int, stop: _Stop) -> None:
    first = _next(heard)
    if first:
        stop.say(first)
        second = _next(heard, GRACE_SECONDS)
        stop.end(second or first, second=second is not None)
    os.close(heard)


def _next(heard: int, seconds: float = math.inf) -> int | None:
    """The next signal that asks to stop, 0 for `_NOTHING`; None if there is none within so many seconds.

    Python writes here the number of every signal that it handles, also of those that somebody else has a handler for.
    """
    end = time.monotonic() + seconds
    while True:
        left = None if math.isinf(end) else max(end - time.monotonic(), 0.0)
        if not select.select([heard], [], [], left)[0]:
            return None
        number = os.read(heard, 1)[0]
        if number in (*_NOTHING, signal.SIGINT, signal.SIGTERM):
            return number
