"""What is drawn again and again at the end of a terminal, and the thread that draws it while nothing is told."""

import contextlib
import io
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from typing import TextIO, final

from reppo.text import padded, plain, wrapped

BOLD, DIM, RED, YELLOW = "1", "2", "31", "33"

Line = tuple[str, str | None]
"""A line and its style, which is None for that of the terminal."""


@final
class Screen:
    """A region of lines at the end of a terminal; lasting lines scroll by above it.

    The cursor rests on the first line of the region, which is empty. So all of it is erased from there whatever became
    of its lines when the terminal was made narrower, and what others print in the meantime, such as a warning or the
    echo of a key, has a line of its own. Lines of the region are cut to the width that the terminal has at that moment,
    lasting ones are broken at blanks.
    """

    def __init__(
        self, stream: TextIO | io.TextIOBase, size: Callable[[], os.terminal_size] | None = None, color: bool = True
    ) -> None:
        """Draws nothing yet.

        Args:
            stream: the terminal.
            size: gives its size; that of the stream by default.
            color: whether styles are shown.
        """
        self._stream = stream
        self._size = size or self._own_size
        self._color = color
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._drawn = False

    @property
    def size(self) -> os.terminal_size:
        """Columns that lines may take, and rows that a region may have."""
        columns, rows = self._size()
        return os.terminal_size((max(columns - 1, 1), max(rows - 2, 1)))

    def draw(self, region: Sequence[Line], above: Sequence[Line] = ()) -> None:
        """Draws the region anew, with lasting lines above it.

        Args:
            region: its lines, no more than `size` has rows; none erases it.
            above: the lasting lines.
        """
        columns, rows = self.size
        written = []
        if above:
            written.append("\r\x1b[J" if self._drawn else "")
            for text, style in above:
                written += [f"{self._styled(part, style)}\n" for part in wrapped(plain(text), columns)]
        lines = [self._styled(padded(plain(text), columns).rstrip(), style) for text, style in region[:rows]]
        if lines:
            written.append("\r" + "".join(f"\x1b[K\n{line}" for line in lines) + f"\x1b[J\x1b[{len(lines)}A\r")
        elif self._drawn:
            written.append("\r\x1b[J")
        self._drawn = bool(lines)
        if text := "".join(written):
            self.write(text)

    def leave(self, region: Sequence[Line]) -> None:
        """Draws the region for good; what is written next stands below it."""
        columns, rows = self.size
        self.draw([], above=[(padded(plain(text), columns).rstrip(), style) for text, style in region[:rows]])

    def write(self, text: str) -> None:
        """Writes text as it is, but for characters that the encoding lacks."""
        self._stream.write(text.encode(self._encoding, "replace").decode(self._encoding))
        self._stream.flush()

    def _styled(self, text: str, style: str | None) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._color and style is not None and text else text

    def _own_size(self) -> os.terminal_size:
        with contextlib.suppress(OSError, ValueError):  # no terminal, or a stream without a file
            size = os.get_terminal_size(self._stream.fileno())
            if size.columns > 0 and size.lines > 0:
                return size
        return shutil.get_terminal_size()


@final
class Ticker:
    """Calls a function again and again in a thread of its own, until it is stopped or the process ends."""

    def __init__(self, function: Callable[[], None], seconds: float | None) -> None:
        """Prepares.

        Args:
            function: called every so many seconds; ends the thread if it raises.
            seconds: between two calls; None for none at all.
        """
        self._function = function
        self._seconds = seconds
        self._stopped: threading.Event | None = None

    def start(self) -> None:
        """Begins, unless it has begun."""
        if self._seconds is not None and self._stopped is None:
            self._stopped = threading.Event()
            threading.Thread(target=self._work, args=(self._stopped, self._seconds), daemon=True).start()

    def stop(self) -> None:
        """Ends; a call that is at work is not waited for."""
        if self._stopped is not None:
            self._stopped.set()
        self._stopped = None

    def _work(self, stopped: threading.Event, seconds: float) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone
            while not stopped.wait(seconds):
                self._function()
