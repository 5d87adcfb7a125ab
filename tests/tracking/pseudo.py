"""A process in a real pseudo-terminal, which is resized while the process draws."""

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import reppo
from tests.tracking.terminal import Terminal

# The size changes right before a chosen drawing, and a mark is left in the output, so that it is known what was
# written before and what after.
_RESIZING = """
import fcntl, struct, termios
from reppo.tracking.screen import Screen

sizes, draw, drawn = {sizes!r}, Screen.draw, [0]

def resize_and_draw(self, *arguments, **keywords):
    drawn[0] += 1
    if drawn[0] in sizes:
        columns, rows = sizes[drawn[0]]
        fcntl.ioctl(self._stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._stream.write(f"\\x1b]{{columns}};{{rows}}\\x07")
    draw(self, *arguments, **keywords)

Screen.draw = resize_and_draw
"""


class Session:
    """What a process wrote to its terminal.

    Attributes:
        terminal: what the terminal shows at the end.
        code: the exit code.
        first: seconds to the first change of the screen.
        longest: the longest time in seconds without a change of the screen, from the first change on.
        seen: every state of the screen, as text.
    """

    def __init__(self, code, sizes, columns=80, rows=24, cwd=None):
        """Runs Python code.

        Args:
            code: the code.
            sizes: number of a drawing -> columns and rows of the terminal from there on.
            columns: at the beginning.
            rows: at the beginning.
            cwd: the working folder.
        """
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        unset = ("COLUMNS", "LINES", "NO_COLOR", "PYTHONIOENCODING")
        place = {name: value for name, value in os.environ.items() if name not in unset}
        place |= {"PYTHONPATH": str(Path(reppo.__file__).parents[1]), "TERM": "xterm-256color", "PYTHONUTF8": "1"}
        command = [sys.executable, "-c", _RESIZING.format(sizes=sizes) + code]
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=place, cwd=cwd)
        os.close(slave)
        self.terminal, self.seen = Terminal(columns, rows), []
        decoder, begun, waiting = codecs.getincrementaldecoder("utf-8")("replace"), time.monotonic(), ""
        changes = []
        while data := _read(master):
            waiting += decoder.decode(data)
            whole = re.match(r"(?s).*?(?=\x1b[^A-Za-z\x07]*\Z)|.*", waiting)[0]  # no sequence that goes on
            waiting = waiting[len(whole) :]
            for part in re.split(r"(\x1b\]\d+;\d+\x07)", whole):
                if size := re.fullmatch(r"\x1b\](\d+);(\d+)\x07", part):
                    self.terminal.resize(int(size[1]), int(size[2]))
                    continue
                for drawing in re.split(r"(?<=A\r)", part):  # several may come at once
                    self.terminal.write(drawing)
                    if not self.seen or self.terminal.visible != self.seen[-1]:
                        self.seen.append(self.terminal.visible)
                        changes.append(time.monotonic())
        self.code = process.wait()
        os.close(master)
        self.first = changes[0] - begun if changes else time.monotonic() - begun
        self.longest = max((b - a for a, b in zip(changes, changes[1:], strict=False)), default=0.0)

    def said(self, pattern):
        """Whether a pattern was on the screen at any time."""
        return any(re.search(pattern, "\n".join(screen)) for screen in self.seen)


def _read(master):
    try:
        return os.read(master, 1 << 16)
    except OSError:  # the other end is closed
        return b""
