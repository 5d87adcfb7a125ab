"""Scores as they should not be: whole numbers, flat arrays, bases without a score, scales without a width."""

import math
from pathlib import Path

import numpy as np
import pytest

from reppo.analysis import (
    AGGREGATES,
    ScoreTable,
    area_under_curve,
    bootstrap_band,
    build_report,
    compare,
    compare_results,
    holm,
    interval,
    intervals,
    iqm,
    kaplan_meier,
    learning_curves,
    performance_profiles,
    power_table,
    score_table,
    sign_flip_test,
    standard_error,
    student_interval,
)
from reppo.analysis.scores.scales import scale_of
from reppo.errors import ConfigurationError
from reppo.results import RunData
from tests.analysis.runs import run
from tests.analysis.synthetic import make_results

WINS = [[7, 9, 8, 0, 9], [3, 3, 4, 2, 3]]
FORMS = {
    "whole numbers": np.array(WINS),
    "short whole numbers": np.array(WINS, np.int16),
    "lists": WINS,
    "tuples": tuple(map(tuple, WINS)),
    "single precision": np.array(WINS, np.float32),
    "NumPy scalars in lists": [[np.int64(v) for v in row] for row in WINS],
}


@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_any_kind_give_the_same(form: str):
    scores, floats = FORMS[form], np.array(WINS, np.float64)
    for name, aggregate in AGGREGATES.items():
        assert aggregate(scores) == aggregate(floats), name
        assert interval(scores, aggregate) == interval(floats, aggregate), name
    for function in (interval, sign_flip_test, standard_error, iqm):
        np.testing.assert_array_equal(function(scores), function(floats))
    np.testing.assert_array_equal(bootstrap_band(scores), bootstrap_band(floats))
    np.testing.assert_array_equal(intervals([scores, scores]), intervals(np.stack([floats, floats])))
    assert str(compare(ScoreTable.of({"base": scores, "a": floats + 1}))) == str(
        compare(ScoreTable.of({"base": floats, "a": floats + 1}))
    )


def test_flat_numbers_are_one_task():
    flat, whole = [7, 9, 8, 0, 9], np.array([[7.0, 9, 8, 0, 9]])
    for function in (interval, sign_flip_test):
        assert function(flat) == function(np.array(flat)) == function(whole)
    assert student_interval(flat).estimate == 6.6 and math.isfinite(student_interval(flat).low)
    assert [float(f(flat)) for f in AGGREGATES.values()] == [float(f(whole)) for f in AGGREGATES.values()]
    np.testing.assert_allclose(holm([1, 0]), [1, 0])
    assert area_under_curve([0, 1, 2], [0, 1, 2]) == 1
    np.testing.assert_array_equal(kaplan_meier([1, 2], [True, False])[1], [0.5])
    assert performance_profiles(ScoreTable.of({"base": flat}), [0, 8])[0].share.tolist() == [0.8, 0.4]


@pytest.mark.parametrize("wrong", [[[1, 2], [3]], [["a", "b"]], np.zeros((2, 2, 2)), [[None, 1.0]]], ids=str)
def test_what_is_no_array_of_tasks_and_runs_is_refused_in_words(wrong):
    with pytest.raises(ConfigurationError, match=r"\[tasks, runs\]"):
        interval(wrong)


def test_tables_of_scores_from_elsewhere():
    table = ScoreTable.of({"base": WINS, "arm": np.array(WINS) + 1}, tasks=["A", "B"])
    assert table.base == "base" and table.scores.dtype == np.float64
    assert compare(table)[0].estimate == 1
    with pytest.raises(ConfigurationError, match=r"'arm' have the shape \[1, 2\], those of 'base' \[2, 5\]"):
        ScoreTable.of({"base": WINS, "arm": [1, 2]})
    with pytest.raises(ConfigurationError, match="2 rows of scores need as many names"):
        ScoreTable.of({"base": WINS}, tasks=["A"])


def test_swapped_axes_give_no_narrow_interval():
    """Seeds as tasks have one run each, which tells no spread; nor do a few tasks that have more."""
    for aggregate in AGGREGATES.values():
        assert math.isnan(interval(np.array([[7.0], [9.0], [0.0]]), aggregate).low)
        assert math.isnan(interval([[7.0, math.nan], [9.0, 9.0], [0.0, math.nan]], aggregate).low)


def learner(arm: str, seed: int, last: float, first: float = 0.0, environment: str = "E", **more) -> RunData:
    return run(arm, seed, [first, (first + last) / 2, last], environment, start=0, **more)


def study(base: float, arm: float, tasks: str = "E", seeds: int = 6, spread: float = 1.0) -> list[RunData]:
    noise = np.random.default_rng(0).normal(0, spread, (len(tasks), 2, seeds))
    return [
        learner(name, seed, level + noise[t, a, seed], environment=task)
        for t, task in enumerate(tasks)
        for a, (name, level) in enumerate({"base": base, "arm": arm}.items())
        for seed in range(seeds)
    ]


def test_a_base_that_learns_nothing_makes_no_scale():
    """Its returns were taken for normalized scores: "+260 normalized"."""
    results = [*study(0.0, 260.0), *study(100.0, 90.0, "F")]
    report = build_report(results, metrics=NOTHING(results))
    assert report.table("effects")["tasks"] == [1]
    assert abs(report.table("effects")["estimate"][0]) < 1
    assert any(text.startswith("E has no scale") and "--bounds E=LOW:HIGH" in text for text in report.caveats)
    given = build_report(results, bounds={"E": (0.0, 1000.0)}, metrics=NOTHING(results))
    assert given.table("effects")["estimate"][0] == pytest.approx((0.26 - 0.1) / 2, abs=0.02)
    assert not any("has no scale" in text for text in given.caveats)
    with pytest.raises(ConfigurationError, match="--bounds TASK=LOW:HIGH"):
        power_table(study(0.0, 260.0), 0.05)
    assert len(power_table(study(0.0, 260.0), 0.05, bounds={"E": (0.0, 1000.0)})) == 1


def test_a_sparse_task_on_which_few_seeds_succeed_makes_no_scale():
    """One success in six would make the unit of a task a sixth of it, and any other arm's success six units."""
    sparse = [learner("base", seed, 900.0 * (seed == 0), environment="S") for seed in range(6)]
    sparse += [learner("arm", seed, 900.0 * (seed > 2), environment="S") for seed in range(6)]
    results = [*sparse, *study(100.0, 100.0, "EF")]
    raw = score_table(results)
    scale = scale_of(results, raw)
    assert list(scale.bounds) == ["E", "F"] and "less than its seeds differ" in scale.missing["S"]
    report = build_report(results, metrics=NOTHING(results))
    assert abs(report.table("effects")["estimate"][0]) < 0.05


def test_a_task_that_swamps_the_others_is_named():
    results = [*study(100.0, 100.0, "ABC"), *study(100.0, 900.0, "D")]
    assert any("most of the differences over all tasks: arm on D " in text for text in caveats(results))
    assert not any("One task makes up" in text for text in caveats(study(100.0, 50.0, "ABCD")))


@pytest.mark.parametrize("value", [0.0, 1000.0])
def test_arms_that_are_all_equal(value: float):
    """Where all runs are solved, or all fail, nothing differs, and nothing is divided by nothing."""
    results = study(value, value, "EF", spread=0.0)
    report = build_report(results, metrics=NOTHING(results))
    assert report.findings[0].verdict == "unclear" and "nan" not in report.findings[0].sentence
    assert report.table("effects")["p"] == [1.0]
    best = report.table("aggregates").rows()[0]["estimate"]
    assert best == value  # where all runs were equal, they had become 0
    assert all(row["estimate"] == 0 for row in compare_results(results, results).differences.rows())


def NOTHING(results: list[RunData]):
    """No training metrics: these runs are in no folder."""
    from reppo.results import Metrics

    empty = np.zeros(0)
    none = Metrics(environment_steps=empty.astype(np.int64), names=[], mean=empty, minimum=empty, maximum=empty)
    return [none] * len(results)


def caveats(results: list[RunData]) -> tuple[str, ...]:
    return build_report(results, metrics=NOTHING(results)).caveats


def test_a_curve_is_of_the_same_seeds_at_every_step():
    """A seed at 0 and one at 100, evaluated in turn, made a curve that went up and down between them."""
    results = [run("base", 0, [0.0] * 4, interval=100), run("base", 1, [100.0] * 4, interval=150)]
    (curve,) = learning_curves(results)
    assert curve.environment_steps.tolist() == [100, 150, 200, 300, 400, 450, 600]
    assert curve.interpolated() and curve.environment_steps[curve.common_steps()].tolist() == [150, 200, 300, 400]
    np.testing.assert_array_equal(curve.completed()[:, 1:5].mean(axis=0), [50.0] * 4)
    assert any("evaluated at different steps on E" in text for text in caveats(results))
    assert not any("different steps" in text for text in caveats([run("base", seed, [0.0] * 4) for seed in range(2)]))


def test_values_of_a_sweep_are_in_the_order_of_numbers(tmp_path: Path):
    settings = ["lr=3e-05", "lr=0.0001", "lr=0.003", "lr=0.02", "lr=1", "lr=10"]
    arms = {"base": 0.5, **dict.fromkeys(sorted(settings), 0.5)}
    tasks = ["T2", "T10"]
    from reppo.analysis import load_report

    report = load_report(make_results(tmp_path / "r", arms, tasks, 3, reports=2, untrained=0.0))
    expected = ["base", *settings]
    for name in ("costs", "tasks", "learning", "diagnostics", "runs"):
        assert list(dict.fromkeys(report.table(name)["arm"])) == expected, name
    assert list(dict.fromkeys(report.table("changes")["arm"])) == settings
    assert list(dict.fromkeys(report.runs["task"])) == list(dict.fromkeys(report.table("tasks")["task"])) == tasks
    assert list(dict.fromkeys(report.table("settings")["task"])) == tasks
