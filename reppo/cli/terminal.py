"""What is said while a command works, and texts as wide as the terminal."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from reppo.text import plain_lines, wrapped


def columns(stream: TextIO | io.TextIOBase | None) -> int | None:
    """The columns of a terminal; None for what is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream is not None else None
    except (OSError, ValueError, AttributeError):
        return None


def fitted(text: str, stream: TextIO | io.TextIOBase | None) -> str:
    """Text as `plain_lines`, its lines broken at blanks where they are longer than the terminal."""
    lines, width = plain_lines(text).split("\n"), columns(stream)
    return "\n".join(lines if width is None else [part for line in lines for part in wrapped(line, width)])


@contextmanager
def working(activity: str) -> Iterator[None]:
    """Shows in a terminal what is done while the context lasts; elsewhere nothing."""
    if columns(sys.stderr) is None:
        yield
        return
    from reppo.tracking import Console

    console = Console()
    console.working(activity)
    try:
        yield
    finally:
        console.close()
