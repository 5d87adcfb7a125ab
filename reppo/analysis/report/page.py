"""The report as one HTML page that needs nothing else: no network, no other file."""

import json
import math
from importlib.resources import files
from typing import Any

from reppo.analysis.figures.style import escape
from reppo.analysis.report.content import Report, Section
from reppo.analysis.tables.table import Table

_SHOWN = ("arm", "task", "seed", "status", "environment_steps", "final_return", "best_return", "train_seconds")
_LABELED = ("arm", "task", "status")
_CURVE_POINTS = 25
_HEIGHTS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FEW_VALUES = 30
_VERDICTS = {"worse": "worse", "better": "better", "unclear": "no difference shown", "unknown": "unknown"}


def to_html(report: Report) -> str:
    """The whole page."""
    style, script = (
        files("reppo.analysis.report").joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    sections = "\n".join(_section(section) for section in report.sections)
    links = [("answer", "Answer"), *((s.key, s.title) for s in report.sections), ("all-runs", "Runs")]
    menu = "".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title in links)
    title = escape(report.title)
    spec = escape(json.dumps(report.base_spec, indent=1))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – report</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#answer">Skip to the answer</a>
<nav aria-label="Sections"><div><ul>{menu}</ul><button type="button" id="theme">Theme: auto</button></div></nav>
<main>
<h1>{title}</h1>
{answer_html(report)}
{sections}
<details><summary>The resolved spec of the base</summary><pre>{spec}</pre></details>
{_runs_section(report.runs)}
<footer>Made by <code>reppo report</code>. Tables and figures as files:
<code>--format md,latex,csv --figures svg,pdf</code>.</footer>
</main>
<script type="application/json" id="data">{_data(report)}</script>
<script>
{script}</script>
</body>
</html>
"""


def notebook_html(report: Report) -> str:
    """The question, the answer and the caveats, as a notebook shows them."""
    return f"<h3>{escape(report.title)}</h3>{answer_html(report, heading='h4')}"


def answer_html(report: Report, heading: str = "h2") -> str:
    """The question, the answer and the caveats."""
    items = "".join(
        f'<li><span class="verdict {one.verdict}">{_VERDICTS[one.verdict]}</span><b>{escape(one.arm)}</b> '
        f"{escape(one.sentence)}{_question(one.question)}</li>"
        for one in report.findings
    )
    answers = f'<ol class="answers">{items}</ol>' if items else ""
    caveats = ""
    if report.caveats:
        lines = "".join(f"<li>{escape(text)}</li>" for text in report.caveats)
        caveats = f'<aside class="caveats"><{heading}>Caveats</{heading}><ul>{lines}</ul></aside>'
    return f"""<section id="answer"><p class="question">{escape(report.question)}</p>
<p>{escape(report.summary)}</p>
{answers}
<p class="soft">{escape(report.score)}</p>
{caveats}</section>"""


def _question(text: str) -> str:
    return f'<br><q class="soft">{escape(text)}</q>' if text else ""


def _section(section: Section) -> str:
    text = f"<p>{escape(section.text)}</p>" if section.text else ""
    pictures = []
    for _, picture in section.pictures:
        width = picture.figure.get_size_inches()[0]
        size = ' class="small"' if width < 7 else ""
        limit = f"max-width:{width * 1.25:.1f}in"
        pictures.append(
            f'<figure{size}><div class="scroll" tabindex="0" role="group" aria-label="{escape(picture.title)}">'
            f'<div style="{limit}">{picture.to_page()}</div></div>'
            f"<figcaption>{escape(picture.title)}</figcaption></figure>"
        )
    tables = "".join(_table(table) for table in section.tables if len(table))
    return f'<section id="{section.key}"><h2>{escape(section.title)}</h2>{text}{"".join(pictures)}{tables}</section>'


def _table(table: Table) -> str:
    tools = ""
    if len(table) > 8:
        tools = (
            f'<div class="tools"><label>Filter rows <input type="search" id="filter-{table.name}" '
            f'placeholder="words in a row"></label><output aria-live="polite"></output></div>'
        )
    html = table.to_html(sortable=True)
    inner, end, notes = html.partition("</table>")
    label = escape(table.title)
    box = f'<div class="tablebox whole" id="table-{table.name}" tabindex="0" role="region" aria-label="{label}">'
    return f"{tools}{box}{inner}{end}</div>{notes}"


def _runs_section(runs: Table) -> str:
    heads = "".join(
        f'<th scope="col"{"" if runs.is_text(name) else " class=n"}>'
        f'<button type="button">{name.replace("_", " ")}</button></th>'
        for name in _SHOWN
    )
    selects = "".join(
        f'<label>{name.capitalize()} <select id="runs-{name}"><option value="">all</option></select></label>'
        for name in _LABELED
    )
    return f"""<section id="all-runs"><h2>Runs</h2>
<p>Choose a run to see its curve, its last training metrics and its id.</p>
<div class="tools">{selects}<output id="runs-count" aria-live="polite"></output></div>
<div class="tablebox" tabindex="0" role="region" aria-label="Runs"><table id="runs"><caption>Runs</caption>
<thead><tr>{heads}</tr></thead><tbody></tbody></table></div>
<div class="tools"><button type="button" id="runs-more">Show more</button></div>
<div id="detail" hidden aria-live="polite"></div></section>"""


def _data(report: Report) -> str:
    """The runs as columns: what takes few values as places in a list, other numbers with four digits."""
    labels: list[list[Any] | None] = []
    values: list[list[Any]] = []
    for name, column in report.runs.columns.items():
        if name in _LABELED:
            words = list(dict.fromkeys(column))
            where = {label: i for i, label in enumerate(words)}
            labels.append(words)
            values.append([where[label] for label in column])
        else:
            numbers = [_compact(value) for value in column]
            known = list(dict.fromkeys(numbers))
            few = len(known) <= min(_FEW_VALUES, len(numbers) // 4)
            place = {value: i for i, value in enumerate(known)}
            labels.append(known if few else None)
            values.append([place[value] for value in numbers] if few else numbers)
    kept = [i for i, column in enumerate(values) if labels[i] != [None] and any(v is not None for v in column)]
    names = list(report.runs.columns)
    data = {
        "columns": [names[i] for i in kept],
        "shown": [name for name in _SHOWN],
        "numeric": [not report.runs.is_text(names[i]) for i in kept],
        "labels": [labels[i] for i in kept],
        "values": [values[i] for i in kept],
        "curves": [_thin(curve) for curve in report.curves],
        "heights": _HEIGHTS,
    }
    for name in _SHOWN:  # columns of the table stay, even if nothing is known
        if name not in data["columns"]:
            data["columns"].append(name)
            data["numeric"].append(True)
            data["labels"].append(None)
            data["values"].append([None] * len(report.runs))
    # A browser looks for the end, and for comments, of a script in its text: a "<" never stands in it.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _compact(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if not math.isfinite(value):
        return None
    if float(value).is_integer():
        return int(value)
    rounded = float(round(value)) if abs(value) >= 1000 else float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() else rounded


def _thin(curve: tuple[float | None, ...]) -> str:
    """At most `_CURVE_POINTS` points of a curve, each a letter for its height from 0 to 63; a dot for none."""
    count = len(curve)
    chosen = range(count)
    if count > _CURVE_POINTS:
        chosen = sorted({round(i * (count - 1) / (_CURVE_POINTS - 1)) for i in range(_CURVE_POINTS)})
    return "".join("." if (value := curve[i]) is None else _HEIGHTS[round(63 * value)] for i in chosen)
