"""Tidy tables: columns of numbers that show themselves in a notebook, and write themselves in several formats."""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, final

import numpy as np

from reppo.analysis.templates import render
from reppo.errors import unknown_name
from reppo.results.formatting import human_count
from reppo.text import cell_text, markdown_text, plain

Kind = Literal["text", "number", "difference", "p", "share", "count", "steps", "yes"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\u2212": r"$-$",
    "\u2013": "--",
    "<": r"$<$",
    ">": r"$>$",
}


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, one observation per row. Ready for `pandas.DataFrame(table.columns)`.

    Attributes:
        name: a word that names its file.
        title: what it shows.
        columns: the values of each column by its name.
        kinds: how columns are shown; others by their values.
        intervals: columns that are shown together as `value [low, high]`: the name of the value -> those of the ends.
        notes: what has to be said with it.
    """

    name: str
    title: str
    columns: Mapping[str, Any]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    intervals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        rows: Iterable[Any],
        columns: Sequence[str],
        *,
        kinds: Mapping[str, Kind] | None = None,
        intervals: Mapping[str, tuple[str, str]] | None = None,
        notes: Sequence[str] = (),
    ) -> "Table":
        """Builds a table from records, one row each.

        Args:
            name: see the class.
            title: see the class.
            rows: dataclass instances or dictionaries.
            columns: which of their fields, in this order.
            kinds: see the class.
            intervals: see the class.
            notes: see the class.
        """
        records = [row if isinstance(row, dict) else _fields(row) for row in rows]
        values = {column: [record[column] for record in records] for column in columns}
        return cls(name, title, values, kinds or {}, intervals or {}, notes)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, column: str) -> Any:
        """The values of a column.

        Raises:
            ConfigurationError: if there is no such column.
        """
        if column not in self.columns:
            raise unknown_name("column", column, self.columns)
        return self.columns[column]

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]

    @property
    def shown(self) -> list[str]:
        """The columns as they are shown: ends of intervals are part of another column."""
        ends = {end for pair in self.intervals.values() for end in pair}
        return [column for column in self.columns if column not in ends]

    def is_text(self, column: str) -> bool:
        """Whether a column holds words, and is aligned to the left."""
        return self._kind(column) in ("text", "yes")

    def cells(self, column: str) -> list[str]:
        """The values of a column as they are shown."""
        kind, values = self._kind(column), self.columns[column]
        none = [None] * len(self)  # returns of tasks, and metrics, may differ by powers of ten
        scales = list(zip(self.columns.get("task", none), self.columns.get("metric", none), strict=True))
        groups: dict[Any, list[Any]] = {}
        for scale, value in zip(scales, values, strict=True):
            groups.setdefault(scale, []).append(value)
        digits = {
            scale: _decimals(v for v in own if isinstance(v, int | float | np.number) and not isinstance(v, bool))
            for scale, own in groups.items()
        }
        texts = [_write(value, kind, digits[scale]) for scale, value in zip(scales, values, strict=True)]
        if column in self.intervals:
            low, high = (self.columns[end] for end in self.intervals[column])
            for i, ends in enumerate(zip(low, high, strict=True)):
                if _known(values[i]) and all(map(_known, ends)):
                    texts[i] += f" [{', '.join(_write(end, kind, digits[scales[i]]) for end in ends)}]"
        return texts

    def _kind(self, column: str) -> Kind:
        if column in self.kinds:
            return self.kinds[column]
        values = [value for value in self.columns[column] if value is not None]
        if values and all(isinstance(value, bool | np.bool_) for value in values):
            return "yes"
        if values and all(isinstance(value, int | np.integer) for value in values):
            return "count"
        return "number" if values and all(isinstance(value, int | float | np.number) for value in values) else "text"

    def _grid(self) -> tuple[list[str], list[list[str]]]:
        heads = [_head(column) for column in self.shown]
        return heads, [list(row) for row in zip(*(self.cells(column) for column in self.shown), strict=True)]

    def __str__(self) -> str:
        heads, grid = self._grid()
        widths = [max(map(len, column)) for column in zip(heads, *grid, strict=True)]
        left = [self.is_text(column) for column in self.shown]

        def line(cells: Sequence[str]) -> str:
            both = zip(cells, widths, left, strict=True)
            return "  ".join(c.ljust(w) if text else c.rjust(w) for c, w, text in both).rstrip()

        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        lines = [self.title, rule, line(heads), rule, *map(line, grid), rule, *self.notes]
        return "\n".join(map(plain, lines))

    __repr__ = __str__

    def to_csv(self) -> str:
        """Tidy CSV: all columns, numbers in full, nothing for what is unknown; texts as `cell_text` has them."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.columns)
        for row in zip(*self.columns.values(), strict=True):
            writer.writerow("" if value is None or value != value else _plain(value) for value in map(cell_text, row))
        return stream.getvalue()

    def to_markdown(self) -> str:
        """A Markdown table with its title and notes."""

        def line(cells: Iterable[str]) -> str:
            return "| " + " | ".join(markdown_text(cell).replace("|", r"\|") for cell in cells) + " |"

        heads, grid = self._grid()
        rule = "|" + "|".join("---" if self.is_text(column) else "---:" for column in self.shown) + "|"
        table = "\n".join([line(heads), rule, *map(line, grid)])
        notes = "".join(f"\n\n{markdown_text(note)}" for note in self.notes)
        return f"**{markdown_text(self.title)}**\n\n{table}{notes}\n"

    def to_latex(self) -> str:
        """A LaTeX table for the package booktabs, with its title as caption and its notes below."""
        heads, grid = self._grid()
        lines = [" & ".join(map(_latex, row)) + r" \\" for row in (heads, *grid)]
        alignment = "".join("l" if self.is_text(column) else "r" for column in self.shown)
        notes = "".join(f"\n  \\par\\footnotesize {_latex(note)}" for note in self.notes)
        return "\n".join(
            [
                r"\begin{table}",
                r"  \centering",
                f"  \\caption{{{_latex(self.title)}}}",
                f"  \\label{{tab:{self.name}}}",
                f"  \\begin{{tabular}}{{{alignment}}}",
                r"    \toprule",
                f"    {lines[0]}",
                r"    \midrule",
                *(f"    {line}" for line in lines[1:]),
                r"    \bottomrule",
                f"  \\end{{tabular}}{notes}",
                r"\end{table}",
                "",
            ]
        )

    def to_html(self, sortable: bool = False) -> str:
        """An HTML table.

        Args:
            sortable: whether its heads are the buttons that the script of the report page sorts by.
        """
        return render("table.html", table=self, sortable=sortable) + render("notes.html", table=self)

    def heads(self) -> list[tuple[str, str]]:
        """The heads of the columns that are shown, each with the name of its column."""
        return [(_head(column), column) for column in self.shown]

    def keyed_cells(self) -> Iterator[list[tuple[str, bool, float | None]]]:
        """The rows as they are shown: of each cell its text, whether it is words, and the number to sort it by."""
        words = [self.is_text(column) for column in self.shown]
        for row in zip(
            *(zip(self.cells(column), self.columns[column], strict=True) for column in self.shown), strict=True
        ):
            yield [
                (text, own, float(value) if not own and _known(value) else None)
                for own, (text, value) in zip(words, row, strict=True)
            ]

    def _repr_html_(self) -> str:
        return self.to_html()


def _fields(row: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(row):
        return {f.name: getattr(row, f.name) for f in dataclasses.fields(row)}
    return row._asdict()


def _known(value: Any) -> bool:
    return value is not None and not isinstance(value, str) and math.isfinite(value)


def _head(column: str) -> str:
    return {
        "p_holm": "p (Holm)",
        "smallest_p": "smallest p",
        "smallest_p_holm": "smallest p (Holm)",
        "p_signs": "p (signs)",
    }.get(column, column.replace("_", " "))


def _decimals(numbers: Iterable[Any]) -> int:
    """Decimals that show about three significant digits of the largest of some numbers, at most four."""
    largest = max((abs(float(n)) for n in numbers if math.isfinite(n)), default=0.0)
    return 0 if largest >= 1000 else 1 if largest >= 100 else 2 if largest >= 10 else 3 if largest >= 0.1 else 4


def _write(value: Any, kind: Kind, digits: int) -> str:
    if value is None:
        return "\u2013"
    if kind == "text":
        return str(value)
    if kind == "yes":
        return "yes" if value else "no"
    if not math.isfinite(value):
        return "\u2013" if math.isnan(value) else ("\u2212" if value < 0 else "") + "\u221e"
    if kind == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if kind == "share":
        return f"{100 * value:.0f}%"
    if kind == "steps":
        return human_count(value)
    if kind == "count":
        return f"{value:,.0f}"
    text = f"{value:+.{digits}f}" if kind == "difference" else f"{value:.{digits}f}"
    if not text.strip("+-0."):  # no sign of nothing
        text = text.lstrip("+-")
    return text.replace("-", "\u2212")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
