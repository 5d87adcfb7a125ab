"""A report as files: the page, Markdown, LaTeX, CSV and figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from reppo.analysis.figures.style import FORMATS
from reppo.analysis.report.content import Report
from reppo.analysis.report.markdown import to_markdown
from reppo.analysis.report.page import to_html
from reppo.errors import require
from reppo.results.files import make_folder, write_atomically

REPORT_FORMATS = ("html", "md", "latex", "csv")
"""What a report can be written as."""


def check_formats(formats: Sequence[str], figures: Sequence[str]) -> None:
    """Raises `ConfigurationError` if a format of the report or of its figures is unknown."""
    for name, given, allowed in (("format", formats, REPORT_FORMATS), ("figures", figures, FORMATS)):
        unknown = [item for item in given if item not in allowed]
        require(not unknown, f"--{name} {', '.join(unknown)} is unknown. Choose from {', '.join(allowed)}.")


def write_report(
    report: Report, folder: str | Path, formats: Sequence[str] = ("html",), figures: Sequence[str] = ()
) -> list[Path]:
    """Writes a report into a folder: `index.html`, `report.md`, `tables.tex`, `NAME.csv`, `figures/NAME.FORMAT`.

    Args:
        report: what to write.
        folder: where to; it is made if need be, and other files in it stay.
        formats: some of `"html"`, `"md"`, `"latex"` and `"csv"`.
        figures: some of `"png"`, `"svg"` and `"pdf"`. Markdown shows its figures, so it brings PNG files.

    Returns:
        The files, the page first.

    Raises:
        ConfigurationError: if a format is unknown.
    """
    check_formats(formats, figures)
    writer = _Writer(Path(folder))
    make_folder(writer.folder)
    tables = [table for section in report.sections for table in section.tables if len(table)]
    if "html" in formats:
        writer.write("index.html", to_html(report))
    if "md" in formats:
        writer.write("report.md", to_markdown(report))
    if "latex" in formats:
        head = "% Needs the package booktabs.\n\n"
        writer.write("tables.tex", head + "\n".join(table.to_latex() for table in tables))
    if "csv" in formats:
        for table in (*tables, report.runs):
            writer.write(f"{table.name}.csv", table.to_csv())
    kinds = list(dict.fromkeys([*figures, *(["png"] if "md" in formats else [])]))
    for section in report.sections:
        for stem, picture in section.pictures:
            for kind in kinds:
                writer.files.append(picture.save(writer.folder / "figures" / f"{stem}.{kind}"))
    return writer.files


@final
class _Writer:
    """Remembers what it has written into a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: list[Path] = []

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        write_atomically(path, text.encode())
        self.files.append(path)
