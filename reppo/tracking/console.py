"""Progress for people: a live region in a terminal, plain lines elsewhere."""

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO, final

from reppo.results.formatting import human_bytes, human_count, human_seconds
from reppo.results.record import RunRecord
from reppo.text import counted, plain
from reppo.tracking.events import (
    BatchFailed,
    BatchStarted,
    ChunkFinished,
    Compiling,
    Event,
    Kept,
    Noticed,
    RunFinished,
    SweepEnded,
    SweepFinished,
    SweepStarted,
    Working,
)
from reppo.tracking.returns import ArmReturns
from reppo.tracking.screen import BOLD, DIM, RED, YELLOW, Line, Screen, Ticker
from reppo.tracking.tracker import AbstractTracker

TICK_SECONDS = 0.5
"""How often the region is drawn while nothing is told: seconds count, and a sign turns."""

QUIET_SECONDS = 30.0
"""Outside a terminal a line says what is done after so long without one."""

_BAR_WIDTH, _LEAST_BAR_WIDTH = 24, 8
_REDRAW_SECONDS = 0.1
_SHORT_SECONDS = 1.5  # what takes no longer is not worth a plain line
_LOCK_SECONDS = 1.0  # a signal does not wait longer for a terminal that takes nothing


@final
class Console(AbstractTracker):
    """Shows what runs, how far it is, how fast, how long it will take, and the last return of every arm.

    In a terminal it keeps one region up to date; lasting lines (a batch ended, a run diverged) scroll by above it. A
    thread draws it while nothing is told, so that it moves in a compilation too. Elsewhere, or where `TERM` is `dumb`,
    it prints plain lines, progress at most once per `interval`, and what is done after 30 s without a line. `NO_COLOR`
    is honored (https://no-color.org).

    Args:
        stream: where to write; standard error by default.
        clock: gives seconds from any fixed moment.
        interval: least seconds between progress lines outside a terminal.
        environ: the environment variables.
        size: gives the size of the terminal; that of the stream by default, asked at each redraw.
        tick: seconds between two redraws while nothing is told; None for none.
    """

    def __init__(
        self,
        stream: TextIO | io.TextIOBase | None = None,
        clock: Callable[[], float] = time.monotonic,
        interval: float = 5.0,
        environ: Mapping[str, str] | None = None,
        size: Callable[[], os.terminal_size] | None = None,
        tick: float | None = TICK_SECONDS,
    ) -> None:
        environ = os.environ if environ is None else environ
        stream = sys.stderr if stream is None else stream
        stream = open(os.devnull, "w") if stream is None else stream  # standard error may be closed
        self._clock = clock
        self._interval = interval
        self._live = stream.isatty() and environ.get("TERM") != "dumb"
        self._screen = Screen(stream, size, color=self._live and not environ.get("NO_COLOR"))
        self._ticker = Ticker(self._tick, tick)
        self._lock = threading.RLock()
        unicode = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")
        self._bar = ("█", "░") if unicode else ("#", ".")
        self._signs = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if unicode else "|/-\\"
        self._started = clock()
        self._sweep: SweepStarted | None = None
        self._batch: BatchStarted | None = None
        self._batch_number = 0
        self._working: Working | None = None
        self._usual_seconds: float | None = None
        self._since = self._started  # when that began
        self._told: set[Working] = set()  # what a plain line has said of this batch
        self._chunk: ChunkFinished | None = None
        self._returns = ArmReturns()
        self._steps_done = self._steps_kept = 0
        self._finished = self._diverged = 0
        self._last_shown, self._last_line = -float("inf"), self._started
        self._pending = False  # whether something has not been shown yet

    def receive(self, event: Event) -> None:
        """Shows the event."""
        with self._locked():
            self._ticker.start()
            self._take_in(event)

    def working(self, activity: str) -> None:
        """Shows what is done from now on where no sweep tells it, before and after one."""
        self.receive(Working(activity=activity))

    def say(self, text: str) -> None:
        """Shows a lasting line, from any thread; a signal may come while another line is written."""
        with self._locked():
            self._print(text, YELLOW)

    @property
    def kept(self) -> str:
        """What of the sweep is in checkpoints; empty before it begins."""
        if self._sweep is None:
            return ""
        done = f"{self._finished} of {counted(self._sweep.runs, 'run')} done" if self._finished else ""
        kept = f"{human_count(self._steps_kept)} of {human_count(self._sweep.steps_total)} steps kept"
        return f"{kept}, {done}" if done else kept

    def close(self) -> None:
        """Shows what was held back and leaves the region on the screen."""
        with self._locked():
            self._ticker.stop()
            self._working = None
            if self._live:
                self._screen.leave(self._region())
            elif self._pending:
                self._refresh(force=True)
            self._sweep = self._batch = None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        held = self._lock.acquire(timeout=_LOCK_SECONDS)
        try:
            yield
        finally:
            if held:
                self._lock.release()

    def _take_in(self, event: Event) -> None:
        match event:
            case SweepStarted():
                self._start_sweep(event)
            case BatchStarted():
                self._end_batch()
                self._batch = event
                self._batch_number += 1
                self._told = set()
                self._note(f"{self._describe_batch()} ({', '.join(event.arms)})")
            case Compiling():
                compiling = Working(activity="compiling", label=event.label)
                self._work_on(compiling, event.usual_seconds)
                self._told.add(compiling)
                last = self._last_time()
                self._note(f"compiling {event.label}{last and f', {last}'}")
            case Working():
                self._work_on(event)
                if self._live:
                    self._refresh(force=True)
            case Kept():
                self._steps_kept = event.steps
            case ChunkFinished():
                self._chunk, self._steps_done = event, event.steps_done
                self._returns.take_in(event.lanes)
                self._refresh()
            case RunFinished():
                self._finish_run(event.record)
            case BatchFailed():
                self._batch = self._chunk = None
                self._print(f"{self._stamp()} failed: {event.label}: {event.reason}", RED)
            case Noticed():
                self._print(f"{self._stamp()} {event.text}", YELLOW)
            case SweepFinished():
                self._finish_sweep(event)
            case SweepEnded():
                self._working = None
                if event.reason == "interrupted" and self._sweep is not None:
                    self._print(f"{self._stamp()} stopped: {self.kept}", BOLD)

    def _start_sweep(self, event: SweepStarted) -> None:
        self._sweep, self._batch, self._chunk = event, None, None
        self._started, self._steps_done, self._steps_kept = self._clock(), event.steps_done, event.steps_done
        self._batch_number = self._finished = self._diverged = 0
        self._returns = ArmReturns()
        continued = f", {human_count(event.steps_done)} of them done before" if event.steps_done else ""
        steps = f"{human_count(event.steps_total)} environment steps{continued}"
        runs = f"{counted(event.runs, 'run')} in {counted(event.batches, 'batch', 'batches')}"
        self._print(f"{event.experiment}: {runs}, {steps}", BOLD)
        for warning in event.warnings:
            self._print(f"warning: {warning}", YELLOW)

    def _work_on(self, working: Working, usual_seconds: float | None = None) -> None:
        if self._batch is not None and working.label not in ("", self._batch.label):
            self._end_batch()
        same = self._working is not None and self._working.activity == working.activity == "training"
        self._since = self._since if same else self._clock()
        self._working, self._usual_seconds = working, usual_seconds
        if working.steps_done is not None:
            self._steps_done = working.steps_done

    def _end_batch(self) -> None:
        """Leaves the last state of the batch in the scrollback."""
        batch, chunk = self._batch, self._chunk
        if batch is not None and chunk is not None:
            if self._live:
                at = f"{batch.environment}, {human_count(chunk.environment_steps)} steps per run"
                self._print(f"{self._stamp()} {at}: {self._returns_in_words()}")
            elif self._pending:
                self._refresh(force=True)
        self._batch = self._chunk = None

    def _finish_run(self, record: RunRecord) -> None:
        self._finished += 1
        if record.status == "diverged":
            self._diverged += 1
            run = f"{record.arm}, {record.environment}, seed {record.seed}"
            self._print(f"{self._stamp()} {run}: {record.divergence}", RED)

    def _finish_sweep(self, event: SweepFinished) -> None:
        self._end_batch()
        self._sweep = self._working = None  # and with it the region
        diverged = f", {self._diverged} of them diverged" if self._diverged else ""
        took = human_seconds(self._clock() - self._started)
        self._print(f"Finished {counted(self._finished, 'run')} in {took}{diverged}.", BOLD)
        if event.compilations is not None and event.bytes is not None:
            (planned, done), (forecast, used) = event.compilations, event.bytes
            compiled, trained = human_seconds(event.compile_seconds), human_seconds(event.train_seconds)
            shared = f", {counted(event.shared_steps, 'step')} of them shared" if event.shared_steps else ""
            self._print(
                f"Programs: {planned} planned, {done} compiled or read from the cache in {compiled}{shared}. "
                f"Training and evaluation: {trained}. "
                f"Memory of arrays: {human_bytes(forecast)} forecast, {human_bytes(used)} used."
            )

    def _tick(self) -> None:
        """What the thread does."""
        with self._locked():
            now, working = self._clock(), self._working
            if self._live:
                self._refresh()
            elif working is not None:
                lasts, quiet = now - self._since, now - self._last_line
                told = Working(activity=working.activity, label=working.label)
                if lasts < _SHORT_SECONDS or quiet < self._interval:
                    return
                if told not in self._told:
                    self._told.add(told)
                    self._note(self._doing())
                elif quiet >= QUIET_SECONDS:
                    self._note(f"{self._doing()}, for {human_seconds(lasts)} now")

    def _note(self, line: str) -> None:
        """Tells what begins: a line of its own outside a terminal, part of the region within."""
        if self._live:
            self._refresh(force=True)
        else:
            self._write_line(f"{self._stamp()} {line}")

    def _refresh(self, force: bool = False) -> None:
        """Shows how far the sweep is, unless that was done a moment ago."""
        now = self._clock()
        self._pending = not force and now - self._last_shown < (_REDRAW_SECONDS if self._live else self._interval)
        if self._pending:
            return
        self._last_shown = now
        if self._live:
            self._screen.draw(self._region())
        else:
            self._write_line(f"{self._stamp()} {self._progress_in_words()}")

    def _print(self, line: str, style: str | None = None) -> None:
        """Prints a lasting line, above the region if there is one."""
        if self._live:
            self._screen.draw(self._region(), above=[(line, style)])
        else:
            self._write_line(line)

    def _write_line(self, line: str) -> None:
        self._last_line = self._clock()
        self._screen.write(f"{plain(line)}\n")

    def _region(self) -> list[Line]:
        columns, rows = self._screen.size
        doing = [(self._doing_in_words(), None)] if self._working is not None else []
        if self._sweep is None:
            return list(doing)
        lines: list[Line] = [(self._headline(columns), BOLD)]
        if self._batch is not None:
            evaluated = self._chunk.environment_steps if self._chunk is not None else 0
            at = f", evaluated at {human_count(evaluated)} steps per run" if evaluated else ""
            lines.append((f"{self._describe_batch()}{at}", None))
        lines += doing
        table = [] if self._batch is None else self._returns.table(self._batch.environment, columns)
        room = max(rows - len(lines), 0)
        if len(table) > room:
            hidden = len(table) - max(room - 1, 0)
            table = [*table[: max(room - 1, 0)], f"  and {hidden} more"][:room]
        return lines + [(line, DIM if i == 0 else None) for i, line in enumerate(table)]

    def _doing(self) -> str:
        """What is done now, and of what, where the line of the batch does not say it."""
        working = self._working
        if working is None:
            return ""
        named = self._batch is not None and self._live
        return working.activity if named else f"{working.activity} {working.label}".strip()

    def _doing_in_words(self) -> str:
        """A sign that turns, what is done now, how long it took so far, and how long the last time."""
        lasts = self._clock() - self._since
        sign = self._signs[int(lasts / TICK_SECONDS) % len(self._signs)]
        last = self._last_time()
        return f"{sign} {self._doing()}, {human_seconds(lasts)}{last and f' ({last})'}"

    def _last_time(self) -> str:
        """How long what is done took the last time; empty where it is unknown, or took no second."""
        usual = self._usual_seconds
        return "" if usual is None or usual < 1.0 else f"{human_seconds(usual)} last time"

    def _headline(self, columns: int) -> str:
        """The bar and the numbers beside it, as many as there is room for."""
        if self._sweep is None:
            return ""
        done, total = self._steps_done, self._sweep.steps_total
        share = min(done / max(total, 1), 1.0)
        steps = f"{human_count(done)}/{human_count(total)} steps"
        speed, left = self._pace_in_words()
        words = percent = f"{int(100 * share):3d}%"
        for parts in ([steps, speed, left], [steps, left], [left], []):
            words = "  ".join([percent, *filter(None, parts)])
            width = min(_BAR_WIDTH, columns - len(words) - 1)
            if width >= _LEAST_BAR_WIDTH:
                full = int(share * width)
                return f"{self._bar[0] * full}{self._bar[1] * (width - full)} {words}"
        return words.strip()

    def _pace_in_words(self) -> tuple[str, str]:
        """Speed and time left; empty as long as they are unknown."""
        chunk = self._chunk
        speed = f"{human_count(chunk.steps_per_second)} steps/s" if chunk and chunk.steps_per_second > 0 else ""
        known = chunk is not None and chunk.seconds_left is not None
        return speed, f"{human_seconds(chunk.seconds_left)} left" if known and chunk is not None else ""

    def _describe_batch(self) -> str:
        if self._batch is None or self._sweep is None:
            return ""
        number = f"batch {self._batch_number}/{max(self._batch_number, self._sweep.batches)}"
        return f"{number}, {self._batch.label}, {counted(self._batch.runs, 'run')}"

    def _progress_in_words(self) -> str:
        chunk = self._chunk
        if chunk is None:
            return ""
        share = int(100 * min(chunk.steps_done / max(chunk.steps_total, 1), 1.0))
        at = f"{chunk.environment} {human_count(chunk.environment_steps)} steps per run"
        parts = (f"{share:3d}%", at, *self._pace_in_words(), self._returns_in_words())
        return "  ".join(part for part in parts if part)

    def _returns_in_words(self) -> str:
        """The mean return of every arm of the batch in progress."""
        return "" if self._batch is None else self._returns.in_words(self._batch.environment, self._batch.arms)

    def _stamp(self) -> str:
        return f"[{human_seconds(self._clock() - self._started)}]"
