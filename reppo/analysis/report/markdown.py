"""The report in Markdown."""

from reppo.analysis.report.content import Report
from reppo.text import markdown_text


def to_markdown(report: Report) -> str:
    """The report without its runs, in Markdown; figures are PNG files in `figures/`."""
    text = markdown_text
    lines = [f"# {text(report.title)}", "", text(report.question), "", text(report.summary), ""]
    for i, one in enumerate(report.findings, 1):
        asked = f" *{text(one.question)}*" if one.question else ""
        lines.append(f"{i}. **{text(one.arm)}** {text(one.sentence)}{asked}")
    lines += ["", text(report.score), ""]
    if report.caveats:
        lines += ["## Caveats", "", *(f"- {text(caveat)}" for caveat in report.caveats), ""]
    for section in report.sections:
        lines += [f"## {text(section.title)}", ""]
        lines += [text(section.text), ""] if section.text else []
        for stem, picture in section.pictures:
            lines += [f"![{text(picture.alt)}](figures/{stem}.png)", ""]
        lines += [table.to_markdown() for table in section.tables if len(table)]
    return "\n".join(lines).rstrip() + "\n"
