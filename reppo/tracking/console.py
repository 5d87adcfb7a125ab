"""Progress for people: a live region in a terminal, plain lines elsewhere."""

import io
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO, final

from reppo.results.formatting import human_bytes, human_count, human_seconds, natural_order
from reppo.results.record import RunRecord
from reppo.text import counted, plain
from reppo.tracking.events import (
    BatchFailed,
    BatchStarted,
    ChunkFinished,
    Compiling,
    Event,
    Noticed,
    RunFinished,
    SweepFinished,
    SweepStarted,
)
from reppo.tracking.tracker import AbstractTracker

_BOLD, _DIM, _RED, _YELLOW = "1", "2", "31", "33"
_BAR_WIDTH = 24
_REDRAW_SECONDS = 0.1
_ARMS_PER_LINE = 8


@final
class Console(AbstractTracker):
    """Shows what runs, how far it is, how fast, how long it will take, and the last return of every arm.

    In a terminal it keeps one region up to date; lasting lines (a batch ended, a run diverged) scroll by above it.
    Elsewhere, or where `TERM` is `dumb`, it prints plain lines, at most one per `interval`. `NO_COLOR` is honored
    (https://no-color.org).

    Args:
        stream: where to write; standard error by default.
        clock: gives seconds from any fixed moment.
        interval: least seconds between progress lines outside a terminal.
        environ: the environment variables.
        size: gives the size of the terminal.
    """

    def __init__(
        self,
        stream: TextIO | io.TextIOBase | None = None,
        clock: Callable[[], float] = time.monotonic,
        interval: float = 5.0,
        environ: Mapping[str, str] | None = None,
        size: Callable[[], os.terminal_size] = shutil.get_terminal_size,
    ) -> None:
        environ = os.environ if environ is None else environ
        stream = sys.stderr if stream is None else stream
        self._stream = open(os.devnull, "w") if stream is None else stream  # standard error may be closed
        self._clock = clock
        self._interval = interval
        self._size = size
        self._live = self._stream.isatty() and environ.get("TERM") != "dumb"
        self._color = self._live and not environ.get("NO_COLOR")
        self._encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._bar = ("█", "░") if self._encoding.lower().replace("-", "").startswith("utf") else ("#", ".")
        self._started = clock()
        self._sweep: SweepStarted | None = None
        self._batch: BatchStarted | None = None
        self._batch_number = 0
        self._compiling: str | None = None
        self._chunk: ChunkFinished | None = None
        self._returns: dict[tuple[str, str], dict[str, float]] = {}  # (environment, arm) -> run -> mean return
        self._steps_done = 0
        self._finished = 0
        self._diverged = 0
        self._drawn = 0  # lines of the live region on the screen
        self._last_shown = -float("inf")
        self._pending = False  # whether something has not been shown yet

    def receive(self, event: Event) -> None:
        """Shows the event."""
        match event:
            case SweepStarted():
                self._start_sweep(event)
            case BatchStarted():
                self._end_batch()
                self._batch, self._compiling = event, None
                self._batch_number += 1
                self._note(f"{self._describe_batch()} ({', '.join(event.arms)})")
            case Compiling():
                self._compiling = event.label
                self._note(f"compiling {event.label}")
            case ChunkFinished():
                self._compiling, self._chunk, self._steps_done = None, event, event.steps_done
                self._remember(event)
                self._refresh()
            case RunFinished():
                self._finish_run(event.record)
            case BatchFailed():
                self._batch = self._chunk = None
                self._print(f"{self._stamp()} failed: {event.label}: {event.reason}", _RED)
            case Noticed():
                self._print(f"{self._stamp()} {event.text}", _YELLOW)
            case SweepFinished():
                self._finish_sweep(event)

    def close(self) -> None:
        """Shows what was held back and leaves the region on the screen."""
        if self._pending:
            self._refresh(force=True)
        self._drawn = 0

    def _start_sweep(self, event: SweepStarted) -> None:
        self._sweep, self._batch, self._chunk = event, None, None
        self._started, self._steps_done = self._clock(), event.steps_done
        self._batch_number = self._finished = self._diverged = 0
        self._returns = {}
        continued = f", {human_count(event.steps_done)} of them done before" if event.steps_done else ""
        steps = f"{human_count(event.steps_total)} environment steps{continued}"
        runs = f"{counted(event.runs, 'run')} in {counted(event.batches, 'batch', 'batches')}"
        self._print(f"{event.experiment}: {runs}, {steps}", _BOLD)
        for warning in event.warnings:
            self._print(f"warning: {warning}", _YELLOW)

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
            self._print(f"{self._stamp()} {run}: {record.divergence}", _RED)

    def _finish_sweep(self, event: SweepFinished) -> None:
        self._end_batch()
        self._sweep = None  # and with it the region
        diverged = f", {self._diverged} of them diverged" if self._diverged else ""
        took = human_seconds(self._clock() - self._started)
        self._print(f"Finished {counted(self._finished, 'run')} in {took}{diverged}.", _BOLD)
        if event.compilations is not None and event.bytes is not None:
            (planned, done), (forecast, used) = event.compilations, event.bytes
            compiled, trained = human_seconds(event.compile_seconds), human_seconds(event.train_seconds)
            self._print(
                f"Compilations: {planned} planned, {done} done in {compiled}. Training and evaluation: {trained}. "
                f"Memory of arrays: {human_bytes(forecast)} forecast, {human_bytes(used)} used."
            )

    def _remember(self, chunk: ChunkFinished) -> None:
        for lane in chunk.lanes:
            if len(lane.returns):
                finite = [value for value in lane.returns if math.isfinite(value)]
                means = self._returns.setdefault((lane.environment, lane.arm), {})
                means[lane.run_id] = sum(finite) / len(finite) if finite else math.nan

    def _note(self, line: str) -> None:
        """Tells what begins: a line of its own outside a terminal, part of the region within."""
        if self._live:
            self._refresh(force=True)
        else:
            self._write(f"{self._stamp()} {plain(line)}\n")

    def _refresh(self, force: bool = False) -> None:
        """Shows how far the sweep is, unless that was done a moment ago."""
        now = self._clock()
        self._pending = not force and now - self._last_shown < (_REDRAW_SECONDS if self._live else self._interval)
        if self._pending:
            return
        self._last_shown = now
        words = "" if self._live else f"{self._stamp()} {plain(self._progress_in_words())}\n"
        self._write(self._erase() + self._region() if self._live else words)

    def _print(self, line: str, style: str | None = None) -> None:
        """Prints a lasting line, above the region if there is one."""
        self._write(self._erase() + self._styled(line, style) + "\n" + (self._region() if self._live else ""))

    def _erase(self) -> str:
        """Moves to the first line of the region and clears from there."""
        lines, self._drawn = self._drawn, 0
        return f"\x1b[{lines}A\r\x1b[J" if lines else ""

    def _region(self) -> str:
        if self._sweep is None:
            return ""
        columns, rows = self._size()
        width = max(columns - 1, 1)
        lines = [self._styled(plain(text)[:width], style) for text, style in self._region_lines(rows)]
        self._drawn = len(lines)
        return "".join(f"{line}\n" for line in lines)

    def _region_lines(self, rows: int) -> list[tuple[str, str | None]]:
        lines: list[tuple[str, str | None]] = [(self._headline(), _BOLD)]
        if self._batch is None:
            return lines
        doing = f"compiling {self._compiling}" if self._compiling is not None else ""
        if self._chunk is not None and not doing:
            doing = f"{human_count(self._chunk.environment_steps)} steps per run"
        lines.append((f"{self._describe_batch()}{': ' if doing else ''}{doing}", None))
        table = self._table()
        room = max(rows - len(lines) - 1, 0)  # the cursor needs a line of its own
        if len(table) > room:
            hidden = len(table) - max(room - 1, 0)
            table = [*table[: max(room - 1, 0)], f"  and {hidden} more"][:room]
        return lines + [(line, _DIM if i == 0 else None) for i, line in enumerate(table)]

    def _headline(self) -> str:
        if self._sweep is None:
            return ""
        chunk, done = self._chunk, self._steps_done
        share = min(done / max(self._sweep.steps_total, 1), 1.0)
        full = int(share * _BAR_WIDTH)
        bar = self._bar[0] * full + self._bar[1] * (_BAR_WIDTH - full)
        parts = [f"{bar} {int(100 * share):3d}%  {human_count(done)}/{human_count(self._sweep.steps_total)} steps"]
        if chunk is not None:
            parts.append(f"{human_count(chunk.steps_per_second)} steps/s")
            parts.append(f"{human_seconds(chunk.seconds_left)} left")
        return "  ".join(parts)

    def _describe_batch(self) -> str:
        if self._batch is None or self._sweep is None:
            return ""
        number = f"batch {self._batch_number}/{self._sweep.batches}"
        return f"{number}, {self._batch.label}, {counted(self._batch.runs, 'run')}"

    def _table(self) -> list[str]:
        """One line per arm of the current environment, those of earlier batches too."""
        if self._batch is None:
            return []
        arms = [arm for environment, arm in self._returns if environment == self._batch.environment]
        if not arms:
            return []
        width = max(len("arm"), *map(len, arms))
        rows = [f"  {'arm':{width}}  {'return':>9}  {'lowest':>9}  {'highest':>9}  runs"]
        for arm in sorted(arms, key=lambda arm: (arm != "base", natural_order(arm))):
            finite, lost = self._known_returns(self._batch.environment, arm)
            numbers = (sum(finite) / len(finite), min(finite), max(finite)) if finite else (math.nan,) * 3
            cells = "  ".join(f"{_number(x):>9}" for x in numbers)
            rows.append(f"  {arm:{width}}  {cells}  {len(finite)}{f' ({lost} not finite)' if lost else ''}")
        return rows

    def _progress_in_words(self) -> str:
        chunk = self._chunk
        if chunk is None:
            return ""
        share = int(100 * min(chunk.steps_done / max(chunk.steps_total, 1), 1.0))
        parts = (
            f"{share:3d}%",
            f"{chunk.environment} {human_count(chunk.environment_steps)} steps per run",
            f"{human_count(chunk.steps_per_second)} steps/s",
            f"{human_seconds(chunk.seconds_left)} left",
            self._returns_in_words(),
        )
        return "  ".join(part for part in parts if part)

    def _returns_in_words(self) -> str:
        """The mean return of every arm of the batch in progress."""
        if self._batch is None:
            return ""
        words = []
        for arm in self._batch.arms[:_ARMS_PER_LINE]:
            finite, _ = self._known_returns(self._batch.environment, arm)
            words.append(f"{arm} {_number(sum(finite) / len(finite)) if finite else '-'}")
        more = len(self._batch.arms) - _ARMS_PER_LINE
        if more > 0:
            words.append(f"and {counted(more, 'arm')} more")
        return ", ".join(words)

    def _known_returns(self, environment: str, arm: str) -> tuple[list[float], int]:
        """The last finite mean return of each run of an arm, and how many runs' last one is not finite."""
        means = self._returns.get((environment, arm), {}).values()
        finite = [mean for mean in means if math.isfinite(mean)]
        return finite, len(means) - len(finite)

    def _stamp(self) -> str:
        return f"[{human_seconds(self._clock() - self._started)}]"

    def _styled(self, text: str, style: str | None) -> str:
        text = plain(text)  # names are the user's
        return f"\x1b[{style}m{text}\x1b[0m" if self._color and style is not None else text

    def _write(self, text: str) -> None:
        # A name may hold a character that the terminal's encoding lacks.
        self._stream.write(text.encode(self._encoding, "replace").decode(self._encoding))
        self._stream.flush()


def _number(value: float) -> str:
    """Writes a return with about four significant digits, never in powers of ten unless it is huge."""
    if not math.isfinite(value):
        return "-"
    size = abs(value)
    return f"{value:.3g}" if size >= 1e7 else f"{value:.{0 if size >= 1000 else 1 if size >= 10 else 2}f}"
