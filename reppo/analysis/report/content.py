"""What a report says, before it is laid out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from reppo.analysis.figures.style import Picture
from reppo.analysis.report.findings import Finding
from reppo.analysis.tables.table import Table
from reppo.analysis.templates import render
from reppo.errors import unknown_name
from reppo.text import counted, plain

_WIDTH = 160
"""Most characters of a line of a report that is shown as text."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Section:
    """A part of a report: words, figures and tables on one matter.

    Attributes:
        key: a word that names it in addresses and files.
        title: its heading.
        text: a paragraph on how to read it; may be empty.
        pictures: figures, each with the stem of its file name.
        tables: tables.
    """

    key: str
    title: str
    text: str = ""
    pictures: tuple[tuple[str, Picture], ...] = ()
    tables: tuple[Table, ...] = ()

    def __repr__(self) -> str:
        held = {"tables": [table.name for table in self.tables], "pictures": [name for name, _ in self.pictures]}
        said = "".join(f"; {kind}: {', '.join(names)}" for kind, names in held.items() if names)
        return f"Section({self.key}: {self.title}{said})"


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class RunCurve:
    """The evaluations of one run.

    Attributes:
        environment_steps: the training steps before each, ascending.
        returns: the mean return of each; None where it is not finite.
    """

    environment_steps: tuple[int, ...]
    returns: tuple[float | None, ...]


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """A report, ready to be written in any format.

    Attributes:
        title: name of the experiment.
        question: what it asks.
        summary: how well the base does.
        findings: what the runs say about each arm, ranked.
        score: how the scores came about.
        caveats: what should not be read into it, the gravest first.
        sections: the rest.
        runs: every run.
        curves: the evaluations of each row of `runs`.
        base_spec: the resolved spec of the base on the first task, as JSON data.
    """

    title: str
    question: str
    summary: str
    findings: tuple[Finding, ...]
    score: str
    caveats: tuple[str, ...]
    sections: tuple[Section, ...]
    runs: Table
    curves: tuple[RunCurve, ...]
    base_spec: Any

    def section(self, key: str) -> Section:
        """A part by its key.

        Raises:
            ConfigurationError: if this report has no such part.
        """
        known = {section.key: section for section in self.sections}
        if key not in known:
            raise unknown_name("section", key, known)
        return known[key]

    def table(self, name: str) -> Table:
        """A table by its name.

        Raises:
            ConfigurationError: if this report has no such table.
        """
        known = {table.name: table for section in self.sections for table in section.tables} | {"runs": self.runs}
        if name not in known:
            raise unknown_name("table", name, known)
        return known[name]

    def __repr__(self) -> str:
        """In at most ten lines: the question, the answer, the first arms and caveats, and what is in it."""
        findings = [f"{i:>3}. {one.arm} {one.sentence}" for i, one in enumerate(self.findings, 1)]
        caveats = [f"  ! {caveat}" for caveat in self.caveats]
        lines = [f"Report on {self.title}: {counted(len(self.runs), 'run')}", self.question, self.summary]
        lines += [*_first(findings, 3, "arms"), *_first(caveats, 2, "caveats")]
        lines.append(f"sections: {', '.join(section.key for section in self.sections)}")
        return "\n".join(plain(line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}...") for line in lines)

    def _repr_html_(self) -> str:
        """The question, the answer and the caveats, as a notebook shows them."""
        return render("notebook.html", report=self, heading="h4")


def _first(lines: Sequence[str], most: int, what: str) -> list[str]:
    """The first lines; the last of as many as are allowed says how many more there are."""
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], f"     and {len(lines) - most + 1} more {what}"]
