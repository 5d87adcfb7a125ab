import math

import numpy as np
import pytest

from reppo.analysis import format_table, improvement, summary_table
from tests.analysis.runs import run

NAN = math.nan


def test_summary_table():
    results = [run("base", seed, [0.0, value]) for seed, value in enumerate([1.0, 2.0, 3.0, 100.0])]
    results += [run("worse", seed, [0.0, 1.0]) for seed in range(4)]
    results += [run("better", 0, [0.0, 9.0]), run("better", 1, [8.0, NAN], diverged=True)]
    results += [run("lost", 0, [NAN], diverged=True), run("base", 0, [5.0], environment="D")]
    rows = summary_table(results)
    assert [(row.environment, row.arm) for row in rows] == [
        ("D", "base"), ("E", "base"), ("E", "better"), ("E", "worse"), ("E", "lost"),
    ]  # fmt: skip
    base = rows[1]
    assert base.iqm == 2.5 and base.mean == 26.5 and base.best == 100 and base.runs == base.scored == 4
    assert base.low <= 2.5 <= base.high and base.steps_per_second == 1001.5
    better, lost = rows[2], rows[4]
    assert better.mean == 4.5 and better.diverged == 1 and better.environment_steps == (200, 200)
    assert lost.iqm == 0 and (lost.scored, lost.runs) == (1, 1)  # diverged: the lowest return known
    assert str(summary_table(results[::-1])) == str(rows)  # as text, because NaN is not equal to itself


def test_format_table():
    results = [run("base", seed, [0.0, 500.0 + seed]) for seed in range(5)]
    results += [run("kl/no_kl", seed, [0.0, 20.25]) for seed in range(5)]
    text = format_table(summary_table(results))
    lines = text.splitlines()
    assert lines[0] == "E"
    assert lines[2] == "arm         IQM    95% interval   mean   best  steps/s  runs  diverged"
    assert lines[4].startswith("base      502.0  [50") and lines[4].endswith("]  502.0  504.0       1k     5         -")
    assert lines[5] == "kl/no_kl   20.2    [20.2, 20.2]   20.2   20.2       1k     5         -"
    assert len({len(line) for line in lines[1:7]}) == 1
    assert "Few seeds" not in text and "unequally" not in text and "diverged count" not in text


def test_a_table_is_broken_between_columns():
    results = [run(arm, seed, [0.0, 500.0 + seed]) for arm in ("base", "x" * 60) for seed in range(3)]
    whole = format_table(summary_table(results)).splitlines()
    for width in (40, 60, 80):
        lines = format_table(summary_table(results), width).splitlines()
        assert max(map(len, lines)) <= width
        rows = [line.split() for line in lines if line.startswith("base ")]
        assert len(rows) > 1 and [cell for row in rows for cell in row[1:]] == next(
            line.split()[1:] for line in whole if line.startswith("base ")
        )


def test_format_table_notes():
    results = [run("base", 0, [1.0]), run("a", 0, [1.0, 2.0]), run("b", 0, [NAN], diverged=True)]
    results.append(run("c", 0, []))
    text = format_table(summary_table(results))
    assert "Few seeds (as few as 0 seeds)" in text
    assert "E: runs have come unequally far (0 to 200 steps); they are compared at the last step" in text
    assert "Runs that diverged count as the lowest return known of the task." in text
    assert "0 of 1" in text and "'n of m' runs" in text
    assert format_table([]) == "No runs yet.\n"


def test_improvement_is_from_the_first_trained_evaluation():
    results = [run("base", seed, [-50.0, 1.0, 7.0, 3.0 + seed], start=0) for seed in range(3)]
    results += [run("a", 0, [1.0]), run("a", 1, [1.0, NAN, 4.0], diverged=True), run("b", 0, [])]
    base, a, b = improvement(results)
    np.testing.assert_array_equal(base.gains, [2.0, 3.0, 4.0])
    assert base.interval.estimate == 3.0
    # t(0.975, 2) = 4.302653; the standard error of 2, 3, 4 is 1/sqrt(3).
    assert base.interval.low == pytest.approx(3 - 4.302653 / math.sqrt(3), rel=1e-6)
    np.testing.assert_array_equal(a.seeds, [1])
    assert a.interval.estimate == 3.0 and math.isnan(a.interval.low)
    assert len(b.gains) == 0 and math.isnan(b.interval.estimate)
