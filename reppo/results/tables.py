"""Tables on disk, as CSV: appended row by row, and read back without a torn last row."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reppo.errors import ConfigurationError, require
from reppo.results.files import append_lines, read_whole_lines, write_atomically
from reppo.text import cell_text


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table for people and spreadsheets (see `cell_text`) atomically. Floats round-trip."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([columns, *(map(cell_text, row) for row in rows)])
    write_atomically(path, stream.getvalue().encode())


def _csv_line(row: Sequence[Any]) -> str:
    """Encodes one row. Python's `csv` writes floats with `repr`, so that they round-trip."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(row)
    line = stream.getvalue()
    if "\n" in line or "\r" in line:
        raise ValueError(f"A name in a table may not contain a line break: {row!r}.")
    return line


def append_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Appends rows to a table, which begins with the names of its columns."""
    append_lines(path, [_csv_line(row) for row in rows], header=_csv_line(columns))


def _read_rows(path: Path, columns: Sequence[str], kinds: Sequence[type]) -> list[tuple[Any, ...]]:
    lines = read_whole_lines(path)
    if not lines:
        return []
    require(
        lines[0] == _csv_line(columns),
        f"{str(path)!r} should have the columns {_csv_line(columns)} but begins with {lines[0]!r}.",
    )
    rows = []
    for number, fields in enumerate(csv.reader(lines[1:]), start=2):
        try:
            rows.append(tuple(kind(text) for kind, text in zip(kinds, fields, strict=True)))
        except ValueError:
            if number < len(lines):
                raise ConfigurationError(
                    f"{str(path)!r}, line {number}: cannot read {lines[number - 1]!r} as {_csv_line(columns)}. "
                    "Remove the run's folder and run the experiment again to repeat the run."
                ) from None
    return rows


def read_columns(path: Path, columns: Sequence[str], kinds: Sequence[type]) -> list[list[Any]]:
    """The columns of a table. Whole files are converted column by column, which takes a quarter of the time."""
    lines = read_whole_lines(path)
    if len(lines) > 1 and lines[0] == _csv_line(columns):
        try:
            texts = zip(*csv.reader(lines[1:]), strict=True)
            return [list(map(kind, column)) for kind, column in zip(kinds, texts, strict=True)]
        except ValueError:
            pass  # damaged: row by row, to keep what is whole or to say which line is not
    rows = _read_rows(path, columns, kinds)
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in columns]
