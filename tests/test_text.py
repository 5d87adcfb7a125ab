"""What a user named is text, wherever it is shown."""

import csv
import io
import json

import pytest

from reppo.analysis import Table, build_report
from reppo.analysis.report.page import to_html
from reppo.results import load_results
from reppo.results.tables import write_csv
from reppo.text import (
    cell_text,
    counted,
    display_width,
    fitting_columns,
    markdown_text,
    padded,
    plain,
    plain_lines,
    wrapped,
)
from reppo.tracking import Console, Noticed, RunFinished
from tests.analysis.synthetic import make_results
from tests.tracking.events import START, Stream, chunk, lane, record

CLEAR = "\x1b[2J\x1b]0;title\x07"
EVIL = f"</script><!--<script>{CLEAR}\n=1|"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kl/no_kl γ=0.9 – ok", "kl/no_kl γ=0.9 – ok"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
        ("\u202edesrever\u200b\x9b", "\\u202edesrever\\u200b\\x9b"),
    ],
)
def test_a_terminal_is_sent_no_control_characters(text, shown):
    assert plain(text) == shown
    assert plain_lines("a\n" + text.replace("\n", "")).startswith("a\n")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"), ("+x", "'+x"), ("-x", "'-x"), ("@x", "'@x"), ("\tx", "'\tx"), ("\rx", "'\rx"),
        ("-0.5", "-0.5"), ("+1e3", "+1e3"), (-0.5, -0.5), (None, None), ("-", "-"), ("kl=1", "kl=1"), ("", ""),
    ],
)  # fmt: skip
def test_a_spreadsheet_is_given_no_formulas_and_numbers_stay_numbers(value, cell):
    assert cell_text(value) == cell


def test_tables_on_disk_hold_no_formulas_and_any_name(tmp_path):
    rows = [("=cmd()", -1.5, "two\nlines"), ("base", float("nan"), 'quoted "')]
    write_csv(tmp_path / "runs.csv", ("arm", "value", "note"), rows)
    with open(tmp_path / "runs.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["arm", "value", "note"],
            ["'=cmd()", "-1.5", "two\nlines"],
            ["base", "nan", 'quoted "'],
        ]
    table = Table("t", EVIL, {"arm": ["=cmd()", "-"], "value": [-1.5, 2.0]}, notes=[EVIL])
    assert list(csv.reader(io.StringIO(table.to_csv()))) == [["arm", "value"], ["'=cmd()", "-1.5"], ["-", "2.0"]]
    assert "\x1b" not in str(table)
    assert "<" not in table.to_markdown() and len(table.to_markdown().splitlines()) == 8


def test_things_are_counted_in_words():
    words = [counted(number, "run") for number in (0, 1, 2)] + [
        counted(1, "batch", "batches"),
        counted(3, "batch", "batches"),
    ]
    assert words == ["0 runs", "1 run", "2 runs", "1 batch", "3 batches"]


def test_lines_are_as_wide_as_a_terminal_shows_them():
    known = {"abc": 3, "größe": 5, "報酬": 4, "e\u0301": 1, "\u2764\ufe0f": 2, "": 0}
    assert {text: display_width(text) for text in known} == known
    for text in ("abc", "報酬の無い腕", "a報b酬c", "e\u0301" * 9):
        for width in range(12):
            assert display_width(padded(text, width)) == width
    assert padded("abcdef", 5) == "ab..." and padded("報酬報酬", 6) == "報... " and padded("ab", 4) == "ab  "


def test_lines_are_broken_at_blanks():
    assert wrapped("as it is  here", 20) == ["as it is  here"]
    assert wrapped("  a word and another one", 12) == ["  a word and", "    another", "    one"]
    assert wrapped("see /a/path/that/is/long here", 10) == ["see", "  /a/path/that/is/long", "  here"]
    assert all(display_width(line) <= 9 for line in wrapped("報酬 の 無い 腕 と 基準", 9))


def test_tables_are_broken_between_columns():
    assert fitting_columns([4, 5, 6], 19) == [[0, 1, 2]]
    assert fitting_columns([4, 5, 6], 18) == [[0, 1], [0, 2]]
    assert fitting_columns([40, 5, 6], 18) == [[0, 1], [0, 2]] and fitting_columns([3], 1) == [[0]]


def test_markdown_is_one_line_without_tags():
    assert markdown_text("a <b>\nc & d") == "a &lt;b&gt; c &amp; d"


def test_the_page_ends_its_script_where_it_means_to(tmp_path):
    results = load_results(make_results(tmp_path / "r", {"base": 0.5, EVIL: 0.4}, ["T"], 2))
    page = to_html(build_report(results, title=EVIL, questions={EVIL: EVIL}))
    data = page.partition('id="data">')[2].partition("</script>")[0]
    assert "<" not in data and ["base", EVIL] in json.loads(data)["labels"]
    assert page.count("<script") == 2 and page.count("<!--") == 0


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_names_as_text(terminal):
    stream = Stream(terminal)
    console = Console(stream, environ={"NO_COLOR": "1"})
    for event in [*START, chunk(1, [lane(EVIL, 0, [1.0])], arms=[EVIL]), Noticed(text=EVIL)]:
        console.receive(event)
    fault = {"diverged_at": 5, "diverged_by": CLEAR}
    console.receive(RunFinished(record=record(arm=EVIL, status="diverged", **fault)))
    console.close()
    shown = stream.getvalue()
    assert "\x1b[2J" not in shown and "\x07" not in shown and "\\x1b[2J" in shown
