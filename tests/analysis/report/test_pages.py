"""What a page says does not contradict itself, and what it cannot tell it does not pretend to."""

import json
import math

import numpy as np

from reppo.algorithms import Reppo
from reppo.analysis import (
    Normalization,
    ScoreTable,
    Table,
    aggregate,
    build_report,
    plot_costs,
    plot_diagnostics,
    plot_learning_curves,
    published,
    training_diagnostics,
)
from reppo.analysis.curves.diagnostics import has_metric, watched_metrics
from reppo.analysis.report.page import run_data
from reppo.losses import PathwiseLoss, ScalarValue, Unconstrained
from reppo.results import Metrics
from reppo.spec.json import to_json
from tests.analysis.runs import known, made_by, run, runs

NAN = float("nan")


# Numbers that are said twice.


def test_an_interval_does_not_move_because_of_another_arm():
    rng = np.random.default_rng(0)
    base, other = rng.normal(0, 1, (2, 5)), rng.normal(0, 1, (2, 9))
    alone = aggregate(ScoreTable.of({"base": base}), ["pooled_iqm", "median"], resamples=200)
    filled = np.full((2, 9), NAN)
    filled[:, :5] = base
    beside = aggregate(ScoreTable.of({"base": filled, "other": other}), ["pooled_iqm", "median"], resamples=200)
    assert alone == [row for row in beside if row.arm == "base"]


def test_the_same_number_has_the_same_interval_wherever_a_page_says_it(report):
    rng = np.random.default_rng(1)
    found = report([*runs("base", rng.normal(50, 9, 5)), *runs("arm", rng.normal(40, 9, 7))])
    rows = [row for row in found.table("aggregates").rows() if row["aggregate"] == "pooled_iqm"]
    for row, task in zip(rows, found.table("tasks").rows(), strict=True):
        assert [row[end] for end in ("estimate", "low", "high")] == [task[end] for end in ("iqm", "low", "high")]
    base = rows[0]
    assert f"reaches {base['estimate']:.1f} [{base['low']:.1f}, {base['high']:.1f}]:" in found.summary


def test_a_number_above_a_thousand_keeps_its_digits_in_the_table_of_runs(report):
    found = report(runs("base", [31508.4, 0.123456]))
    data = json.loads(run_data(found))
    assert data["values"][data["columns"].index("final_return")] == [31508, 0.1235]


def test_the_curve_of_a_run_has_its_steps_and_returns(report):
    results = [run("base", 0, [-2.0, 4.0, 1.0], start=0), run("base", 1, [NAN, 2.0], start=0)]
    data = json.loads(run_data(report(results)))
    assert data["spans"] == {"E": [-2, 4]} and data["clocks"] == [[0, 100, 200], [0, 100]] and data["clock"] == [0, 1]
    assert [curve.replace("f", "g") for curve in data["curves"]] == ["A_g", ".q"]
    long = json.loads(run_data(report([run("base", seed, list(range(100))) for seed in range(2)])))
    (clock,) = long["clocks"]
    assert len(clock) == 25 == len(long["curves"][0]) and (clock[0], clock[-1], long["clock"]) == (100, 10_000, [])


def test_the_time_per_step_is_that_of_the_speed_in_the_table():
    results = [made_by(run("base", i, [1.0]), steps_per_second=speed) for i, speed in enumerate((1e4, 1e5))]
    (text,) = (t.get_text() for t in plot_costs(results).figure.axes[0].texts)
    assert text == "18.2"  # 1e6 / 55 000, and not the mean of 100 and 10


# What was not run, or not far enough.


def test_runs_that_are_compared_before_training_are_said_to_be(report):
    begun = [run("arm", 0, [1.0], "B", start=0)]
    found = report([*runs("base", [9.0, 8.0], "A"), *runs("base", [9.0, 8.0], "B"), *runs("arm", [7.0], "A"), *begun])
    assert "at the last step at which all runs were evaluated (0 to 100)" in found.score
    assert "On B scores are of the untrained policy: runs have no later evaluation in common yet." in found.caveats


def test_published_curves_that_cannot_be_drawn_are_not_spoken_of(report):
    early = [run("base", seed, [5.0, 6.0], "CheetahRun") for seed in range(3)]
    found = report(early, against=["reppo-large"])
    assert "Dashed gray" not in found.section("curves").text
    assert "CheetahRun has come to 200 steps, and its first published" in found.section("published").text
    late = [run("base", seed, [5.0, 6.0], "CheetahRun", interval=3_000_000) for seed in range(3)]
    found = report(late, against=["reppo-large"])
    assert "Dashed gray: reppo-large, as published" in found.section("curves").text
    lost = [*late, run("base", 3, [5.0, NAN], "CheetahRun", interval=3_000_000, diverged=True)]
    alt = plot_learning_curves(lost, against=published("reppo-large", ["CheetahRun"])).alt
    assert "on 1 environment:" in alt and alt.endswith("beside them, as published, reppo-large.")


def test_a_task_that_an_arm_outside_the_design_lacks_is_in_the_design(report):
    results = [
        made_by(one, *({"base": (), "a+b": ("a", "b"), "other": ("c",)}.get(arm, (arm,))))
        for i, arm in enumerate(("base", "a", "b", "a+b", "other"))
        for task in ("A" if arm == "other" else "AB")
        for one in runs(arm, np.arange(4.0) - 3 * i, task)
    ]
    found = report(results, scale="none")
    row = found.table("agreement").rows()[0]
    assert (row["left_out"], row["added_in"], row["difference"]) == (3, 3, 0)
    assert row["left_out_low"] == row["left_out_high"] == 3 and "+3.000 [+3.000, +3.000]" in str(
        found.table("agreement")
    )
    apart = [one for one in results if one.record.arm != "b" or one.record.environment == "A"]
    apart = [one for one in apart if one.record.arm != "a" or one.record.environment == "B"]
    assert "design" not in {section.key for section in report(apart, scale="none").sections}


def test_diagnostics_begin_where_all_runs_have_reported():
    def reports(*steps: int) -> Metrics:
        values = np.ones(len(steps))
        names = ["actor/entropy"] * len(steps)
        return Metrics(np.array(steps), names, values, values, values)

    results = [made_by(run("base", i, [1.0]), environment_steps=100) for i in range(2)]
    (found,) = training_diagnostics(results, [reports(10, 100), reports(50, 100)])["base"]
    assert found.progress[0] == 0.5


def metrics(**values: float) -> Metrics:
    """Two reports of metrics of the actor."""
    names = [f"actor/{name}" for name in values] * 2
    numbers = np.array([*values.values()] * 2)
    return Metrics(np.repeat([50, 100], len(values)), names, numbers, numbers, numbers)


def test_a_diagnostic_that_an_arm_does_not_have_is_not_drawn(report):
    """A gate needs a bound: where the spec has none, its share of 0 is of nothing."""
    objectives = {"base": {"component": "ClippedKL", "kl_bound": 0.1}, "free": {"component": "Unconstrained"}}
    results = [
        made_by(run(arm, 0, [1.0]), environment_steps=100, spec={"algorithm": {"objective": one}})
        for arm, one in objectives.items()
    ]
    recorded = [metrics(behind_gate=value, entropy=1.0) for value in (0.3, 0.0)]
    found = training_diagnostics(results, recorded)
    assert [[one.metric for one in own] for own in found.values()] == [
        ["actor/behind_gate", "actor/entropy"],
        ["actor/entropy"],
    ]
    gate, entropy = plot_diagnostics(found).figure.axes
    assert (len(gate.lines), len(entropy.lines)) == (1, 2)
    column = build_report(results, metrics=recorded).table("runs")["actor/behind_gate"]
    assert column[0] == 0.3 and math.isnan(column[1])


def test_components_name_what_metrics_need():
    learners = {
        "whole": Reppo(),
        "bare": Reppo(actor_loss=PathwiseLoss(objective=Unconstrained()), value=ScalarValue()),
    }
    runs_of = {name: made_by(run("base", 0, [1.0]), spec={"algorithm": to_json(one)}) for name, one in learners.items()}
    watched = watched_metrics(list(runs_of.values()))
    had = {name: {one.metric for one in watched if has_metric(own.record, one)} for name, own in runs_of.items()}
    assert had["whole"] == {one.metric for one in watched}
    missing = {"actor/behind_gate", "actor/kl_multiplier", "targets/outside_support"}
    assert had["bare"] == had["whole"] - missing


# What few numbers carry.


def test_equal_pairs_are_not_promised_that_more_seeds_would_show_something(report):
    solved = [known(one) for task in "AB" for arm in ("base", "arm") for one in runs(arm, [1000.0] * 6, task)]
    found = report(solved)
    (one,) = found.findings
    assert "12 pairs without any difference cannot show any)." in one.sentence and "could" not in one.sentence
    assert "most on" not in one.sentence
    assert any(
        text.startswith("All runs score the same (base on A, arm on A, base on B, arm on B): an interval without width")
        for text in found.caveats
    )


def test_the_seeds_that_could_show_a_difference_are_the_same_wherever_a_page_says_it(report):
    arms = {f"a{i}": level for i, level in enumerate((-9.0, 5.0, 7.0, -1.0))}
    results = [
        *runs("base", [50.0, 52.0]),
        *(one for arm, v in arms.items() for one in runs(arm, [50 + v, 52 - v / 2])),
    ]
    found = report(results)
    for one in found.findings:  # 2 / 2**8 * 4 < 0.05 <= 2 / 2**7 * 4
        assert "2 pairs cannot show any: no p value below 1 is possible" in one.sentence
        assert "; 8 seeds could)" in one.sentence
    assert "at most 2 pairs that differ give no p value below 1 there; 8 seeds could" in found.table("tasks").notes[0]


def test_a_time_to_a_threshold_has_no_interval_where_no_run_has_reached_it(report):
    found = report([*runs("base", [50.0, 52.0, 54.0]), *runs("never", [1.0, 2.0, 3.0])])
    base, never = found.table("learning").rows()
    assert never["reached"] == 0 and math.isnan(never["low"]) and math.isnan(never["high"])
    assert never["mean_steps_to_it"] == 100 and "missing where all times are equal" in found.table("learning").notes[0]
    noise = report([*runs("base", [50.0, -52.0, 54.0, 3.0])])
    assert "learning" not in {section.key for section in noise.sections}  # it gained less than its seeds differ
    assert base["reached"] == 3


def test_tasks_that_the_headline_leaves_out_are_a_caveat(report):
    results = [known(one) for task, v in (("A", 0.0), ("B", 10.0), ("C", 20.0), ("D", 900.0)) for one in
               runs("base", v + np.arange(3.0), task)]  # fmt: skip
    text = "The interquartile mean of all runs of base holds none on A, D: they are all in its lowest or highest"
    assert any(one.startswith(text) for one in report(results).caveats)
    assert not any("holds none" in one for one in report(results[3:9]).caveats)


def test_returns_without_any_scale_are_said_to_be_averaged_as_they_are(report):
    found = report([*runs("base", [0.0, 0.0], "A"), *runs("base", [0.0, 0.0], "B"), *runs("arm", [260.0, 9.0], "A")])
    assert "of the return" in found.summary
    assert found.caveats[0].startswith("No task has a scale (A, B: base did not improve on the untrained policy), so")
    assert not any("has a scale" in text for text in report(runs("base", [5.0, 6.0])).caveats)


def test_of_many_arms_every_difference_stands_open(report):
    worse = [one for i in range(22) for one in runs(f"worse{i}", np.arange(12.0) - 1000)]
    equal = [one for i in range(3) for one in runs(f"equal{i}", np.arange(12.0)[::-1])]
    text = report([*runs("base", np.arange(12.0)), *worse, *equal])._repr_html_()
    before, _, after = text.partition("<details><summary>3 more without a difference shown</summary>")
    assert before.count("<li><span") == 22 == before.count("lowers") and after.count("is not shown to change") == 3
    assert '<ol class="answers" start="23">' in after
    assert "<details>" not in report([*runs("base", np.arange(12.0)), *worse[:24]])._repr_html_()


# How numbers are written.


def test_numbers_of_tasks_on_unlike_scales_keep_their_digits():
    rows = [{"task": "A", "iqm": 0.1234}, {"task": "B", "iqm": 31508.4}, {"task": "A", "iqm": 0.0}]
    assert Table.of("t", "t", rows, ("task", "iqm")).cells("iqm") == ["0.123", "31508", "0.000"]
    nothing = Table.of("t", "t", [{"d": 0.0}, {"d": -0.00001}, {"d": 0.2}], ("d",), kinds={"d": "difference"})
    assert nothing.cells("d") == ["0.000", "0.000", "+0.200"]


def test_bounds_of_a_scale_are_written_out():
    text = Normalization("x", {"A": (-123.7, 31850.2)}, sources={"A": "learned by 6"}).describe()
    assert text == "x, 0 to 1 is −123.7 (untrained) to 31850 (base, 6 runs) on A"


# Repeatability.


def test_a_page_says_whether_the_same_seed_gives_the_same_numbers(report):
    several = [*runs("base", [5.0, 6.0, 9.0]), *runs("arm", [4.0, 7.0, 9.0])]
    on = lambda backend, device: [made_by(one, backend=backend, device=device) for one in several]
    assert "On a CPU the same seed gives the same numbers, with the same versions" in report(on("cpu", "cpu")).score
    gpu = report([*on("cpu", "cpu")[:2], *on("gpu", "Tesla T4")[2:]]).score
    assert "is not established on Tesla T4; where it does not, a pair shares starts" in gpu
    assert "not established on a device that was not recorded;" in report(on(None, None)).score
    alone = report([one for one in on("cpu", "cpu") if one.record.arm == "base"]).score
    assert "a pair" not in alone
    worth = report(on("cpu", "cpu")).section("effects").text
    share = 100 * (1 - np.var([-1.0, 1.0, 0.0]) / (np.var([5.0, 6.0, 9.0]) + np.var([4.0, 7.0, 9.0])))
    assert f"In these 3 pairs, the variance of differences between runs of the same seed is {share:.0f}% lower" in worth
