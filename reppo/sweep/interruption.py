"""Signals that ask a sweep to stop: it leaves within seconds, whatever it is doing."""

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

GRACE_SECONDS = 8.0
"""How long the first signal leaves for an end in order. Files are whole at any moment, so that none is needed."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """While the context lasts, SIGINT and SIGTERM end this process within `GRACE_SECONDS`, a second one at once.

    The exit code is 128 and the number of the signal: 130 and 143. Python hears a signal only between two steps of its
    own, and a compilation is a single one; so a thread hears of it, says so, and ends the process if nobody else does.
    For a process that is there for the sweep alone: once a signal has come, it ends even if the sweep has ended first.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    unsaid = threading.Semaphore(1)
    threading.Thread(target=_watch, args=(heard, unsaid), daemon=True).start()
    leaving = False

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal leaving
        leaving = True
        _say(number, unsaid)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    told_before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield
    finally:
        if not leaving:
            signal.set_wakeup_fd(told_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.write(told, _NOTHING)
            os.close(told)


_NOTHING = b"\0"


def _watch(heard: int, unsaid: threading.Semaphore) -> None:
    first = os.read(heard, 1)
    if first != _NOTHING:
        _say(first[0], unsaid)
        second, _, _ = select.select([heard], [], [], GRACE_SECONDS)
        os._exit(128 + (os.read(heard, 1) if second else first)[0])
    os.close(heard)


def _say(number: int, unsaid: threading.Semaphore) -> None:
    """Says once what happens, by whoever hears of the signal first."""
    if unsaid.acquire(blocking=False):
        name = signal.Signals(number).name
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # nobody may be listening
            sys.stderr.write(
                f"\nreppo: {name}: stopping. The last checkpoint is kept. A second signal stops at once.\n"
            )
            sys.stderr.flush()
