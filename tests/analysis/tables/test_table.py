import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo.analysis import Table

ROWS = [
    {"arm": "kl/no_kl", "gain": -12.34, "low": -20.0, "high": -4.0, "p": 0.0004, "share": 0.25, "n": 1200, "ok": True},
    {"arm": "a|b & <c>", "gain": 3.0, "low": math.nan, "high": math.nan, "p": 0.25, "share": 1.0, "n": 5, "ok": False},
    {"arm": "-", "gain": math.nan, "low": math.nan, "high": math.nan, "p": math.nan, "share": 0.0, "n": 0, "ok": True},
]  # fmt: skip


def table() -> Table:
    return Table.of(
        "gains",
        "Gains & losses",
        ROWS,
        tuple(ROWS[0]),
        kinds={"gain": "difference", "p": "p", "share": "share"},
        intervals={"gain": ("low", "high")},
        notes=("5% of them.",),
    )


def test_cells_are_written_for_people():
    shown = table()
    assert shown.shown == ["arm", "gain", "p", "share", "n", "ok"]
    assert shown.cells("gain") == ["−12.34 [−20.00, −4.00]", "+3.00", "–"]
    assert shown.cells("p") == ["<0.001", "0.250", "–"]
    assert shown.cells("share") == ["25%", "100%", "0%"]
    assert shown.cells("n") == ["1,200", "5", "0"]
    assert shown.cells("ok") == ["yes", "no", "yes"]


def test_each_metric_has_decimals_of_its_own():
    rows = [{"metric": "large", "median": 2176.0}, {"metric": "small", "median": 0.0232}]
    large, small = Table.of("name", "title", rows, ("metric", "median")).cells("median")
    assert large == "2176" and float(small) == pytest.approx(0.0232, rel=0.01)


def test_markdown():
    lines = table().to_markdown().splitlines()
    assert lines[0] == "**Gains &amp; losses**"
    assert lines[3] == "|---|---:|---:|---:|---:|---|"
    assert lines[5] == r"| a\|b &amp; &lt;c&gt; | +3.00 | 0.250 | 100% | 5 | no |"
    assert lines[-1] == "5% of them."


def test_latex():
    text = table().to_latex()
    assert r"\caption{Gains \& losses}" in text and r"\label{tab:gains}" in text
    assert r"\begin{tabular}{lrrrrl}" in text
    assert r"    kl/no\_kl & $-$12.34 [$-$20.00, $-$4.00] & $<$0.001 & 25\% & 1,200 & yes \\" in text
    assert r"a|b \& $<$c$>$" in text and r"5\% of them." in text


def test_csv_is_tidy_and_in_full():
    rows = list(csv.DictReader(io.StringIO(table().to_csv())))
    assert list(rows[0]) == list(ROWS[0])
    assert float(rows[0]["gain"]) == -12.34 and float(rows[0]["p"]) == 0.0004 and rows[0]["ok"] == "True"
    assert rows[2]["gain"] == "" and rows[2]["p"] == ""


def test_html_is_escaped_and_sorts_by_numbers():
    plain, sortable = table()._repr_html_(), table().to_html(sortable=True)
    assert "a|b &amp; &lt;c&gt;" in plain and "<c>" not in plain and "<button" not in plain
    assert sortable.count("<button type=button>") == 6
    assert "data-v=-12.34>−12.34 [−20.00, −4.00]" in sortable and "data-v=0.0004>&lt;0.001" in sortable
    assert "data-v=nan" not in sortable


def test_text_is_aligned():
    lines = str(table()).splitlines()
    assert lines[0] == "Gains & losses" and lines[-1] == "5% of them."
    assert len({len(line) for line in (lines[1], lines[3], lines[-2])}) == 1


def test_columns_of_nothing():
    empty = Table.of("none", "None", [], ("arm", "value"))
    assert len(empty) == 0 and empty.rows() == [] and "arm" in str(empty) and empty.to_csv() == "arm,value\n"


def test_rows_and_columns_are_the_same_data():
    shown = table()
    assert [row["arm"] for row in shown.rows()] == list(shown["arm"])
    assert all(isinstance(value, float) or value is None for value in shown["gain"])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=5))
def test_csv_round_trips(values: list[float]):
    text = Table("t", "T", {"x": np.array(values)}).to_csv()
    assert [float(line) for line in text.splitlines()[1:]] == values
