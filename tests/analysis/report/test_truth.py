"""Every sentence of a report says what its data say, and no number moves because of an arm it does not speak of."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reppo.analysis import (
    Normalization,
    ScoreTable,
    aggregate,
    aggregate_tasks,
    compare,
    format_table,
    learning_curves,
    power_table,
    published,
    score_table,
    summary_table,
    time_to_threshold,
    worst_returns,
)
from reppo.analysis.report.answer import base_sentence
from reppo.analysis.report.findings import finding, findings
from reppo.analysis.report.sections.published import compare_with_published
from reppo.analysis.scores.caveats import caveats_of
from reppo.analysis.scores.scales import scale_of
from tests.analysis.runs import CONTROL, known, run, runs

NAN = float("nan")


# What is said of an arm on some tasks is about these tasks.


def test_a_share_of_the_base_is_of_the_base_on_the_tasks_of_the_arm(report):
    base = runs("base", 1000 + np.arange(6.0), "A") + runs("base", 100 + np.arange(6.0), "B")
    found = report([*base, *runs("arm", 49 + np.arange(6.0), "B")], scale="none")
    assert "(−51.0 [−51.0, −51.0], −50% of base's; p = 0.031, 6 seeds)" in found.findings[0].sentence
    assert " on B (" in found.findings[0].sentence  # not on A, the first task
    assert "of all runs over 2 tasks (12 runs)" in found.summary  # the base's own, whatever tasks other arms have
    (row,) = aggregate(ScoreTable.of({"base": [1, 2, 3]}), ["pooled_iqm"])
    assert base_sentence([row], "base", "return", ["task 0"]).endswith("of all runs on task 0 (3 runs).")


# Scales.


def test_a_third_arm_that_fails_changes_nothing_about_another(report):
    rng = np.random.default_rng(0)
    two = [
        one
        for task, level in (("A", 100.0), ("B", -5000.0))
        for one in runs("base", level + rng.normal(0, 3, 7), task, level - 50)
        + runs("arm", level - 8 + rng.normal(0, 9, 7), task, level - 50)
    ]
    failed = runs("failed", [-1e4] * 7, "A", 50.0) + runs("failed", [-1e6] * 7, "B", -5050.0)
    for build in (lambda r: r, lambda r: [*r, *failed]):
        found = report(build(two))
        row = next(row for row in found.table("effects").rows() if row["arm"] == "arm")
        values = row["estimate"], row["low"], row["high"], row["p"]
        assert values == pytest.approx(tuple(getattr(report_effect(report(two)), n) for n in NUMBERS))
    assert power_table(two, 0.05)["deviation"][0] == pytest.approx(power_table([*two, *failed], 0.05)["deviation"][0])


NUMBERS = ("estimate", "low", "high", "p")


def report_effect(found):
    row = next(row for row in found.table("effects").rows() if row["arm"] == "arm")
    return type("Row", (), row)


def test_known_bounds_of_a_task_are_its_scale():
    results = list(map(known, [*runs("base", [1000.0] * 6), *runs("arm", [985.0] * 6)]))
    scale = scale_of(results, score_table(results))
    assert scale.bounds == {"E": (0, 1000)} and "0 to 1000 (known) on E" in scale.describe()
    scores = score_table(results).normalized(scale)
    np.testing.assert_allclose(scores.scores[:, 0, 0], [1, 0.985])  # solved is 1, not 0
    given = scale_of(results, score_table(results), {"E": (500.0, 1000.0)})
    assert given.bounds == {"E": (500, 1000)} and "(given)" in given.describe()


def test_a_scale_that_rests_on_one_run_is_a_caveat():
    results = runs("base", [10.0]) + runs("arm", [11.0])
    table = score_table(results)
    assert "The scale of E rests on one run of the base." in caveats_of(table.normalized(scale_of(results, table)))


# Plans.


def test_plans_compare_runs_at_the_steps_that_all_have():
    full = [run(arm, seed, [0.0, 10.0 + seed, 50.0 * seed], start=0) for arm in ("base", "arm") for seed in range(4)]
    cut = [run("arm", seed, [0.0, 11.0 + seed], start=0) if one.record.arm == "arm" else one for one in full
           for seed in [one.record.seed]]  # fmt: skip
    raw = score_table(cut, at_steps="common")
    assert raw.environment_steps.max() == 100
    table = power_table(cut, 0.05)
    assert table["deviation"][0] == pytest.approx(0) and table["power_now"][0] == 0  # 4 pairs can show nothing


# Reach.


def test_what_could_not_be_shown_is_not_said_to_be_no_difference():
    base = np.arange(6.0)[None] + 100
    arms = ScoreTable.of({"base": base, **{f"a{i}": base - 89 - i for i in range(3)}})
    found = findings(compare(arms), True, "return")
    assert {one.verdict for one in found} == {"unclear"}
    for one in found:
        assert one.sentence.startswith("is not shown to change the return") and "no difference" not in one.sentence
        assert "6 pairs cannot show any: no p value below 0.094 is possible after" in one.sentence
        assert "correction over the arms; 7 seeds could" in one.sentence
    several = np.tile(base[:, :2], (3, 1))
    text = findings(
        compare(ScoreTable.of({"base": several, "a": several + 1, "b": several - 1, "c": several})), True, "x"
    )
    assert "3 seeds per task could" in text[0].sentence  # 7 pairs
    ties = ScoreTable.of({"base": np.zeros((1, 12)), "a": [np.r_[np.ones(5), np.zeros(7)]]})
    assert "5 pairs that differ (of 12) cannot show any" in finding(*split(compare(ties)), True, "x").sentence


def split(effects):
    return effects[0], effects[1:]


def test_an_interval_that_leaves_out_0_beside_a_difference_not_shown_says_why():
    base = np.arange(8.0)[None]
    arms = {f"a{i}": base + np.array([[-1, 1, 1, 1, 1, 1, 1, 1.5]]) * (1 if i == 0 else 0.01) for i in range(3)}
    found = compare(ScoreTable.of({"base": base, **arms}))
    text = finding(*split([e for e in found if e.arm == "a0"]), False, "x").sentence
    whole = found[0]
    assert whole.p >= 0.05 or "by itself" in text
    assert (whole.low > 0) == (whole.p < 0.05)


def test_tasks_that_no_number_of_these_pairs_can_show_are_said_to_be(report):
    results = [
        one for task in "ABCDEF" for arm in ("base", "arm") for one in runs(arm, np.arange(5.0) + (arm == "arm"), task)
    ]
    found = report(results, scale="none")
    assert found.findings[0].verdict == "better"
    note = found.table("tasks").notes[0]
    assert "On no single task can a difference be shown: at most 5 pairs that differ give no p value below 0.38" in note
    assert "; 8 seeds could, if all pairs differ." in note  # 2 / 2**8 * 6 < 0.05 <= 2 / 2**7 * 6


# Runs that diverged.


def test_a_run_that_diverged_counts_as_failing_and_not_as_the_worst_that_did_not():
    lost = [run("lost", seed, [3.0, 985.0, NAN], diverged=True, start=0) for seed in range(6)]
    results = [*runs("base", [1000.0] * 6, first=5.0), *lost]
    assert score_table(results).arm("lost")[0].tolist() == [3.0] * 6  # the lowest evaluation of it and the base
    at_once = [run("lost", seed, [NAN], diverged=True, start=0) for seed in range(6)]
    assert score_table([*runs("base", [1000.0] * 6, first=5.0), *at_once]).arm("lost")[0].tolist() == [5.0] * 6
    sure = list(map(known, results))
    assert score_table(sure).arm("lost")[0].tolist() == [0.0] * 6  # known of the task
    assert worst_returns(sure, "base")["lost", "E"] == 0
    other = [*results, *runs("other", [-1e6] * 6)]
    assert score_table(other).arm("lost")[0].tolist() == [3.0] * 6  # another arm has no part in it


def test_one_page_has_one_policy():
    """Closing table, scores, curves and the comparison with published runs count what diverged alike."""
    lost = [known(run("base", seed, [5.0, 900.0] + [NAN] * (seed < 2), diverged=seed < 2)) for seed in range(4)]
    expected = np.array([0.0, 0.0, 900.0, 900.0])
    np.testing.assert_array_equal(score_table(lost).scores[0, 0], expected)
    (row,) = summary_table(lost)
    assert row.mean == expected.mean() and row.best == 900
    assert "Runs that diverged count as the lowest return known of the task." in format_table([row])
    (curve,) = learning_curves([*lost, known(run("base", 4, [5.0, 900.0, 900.0]))])
    np.testing.assert_array_equal(curve.completed()[:2, 2], [0, 0])
    (other,) = published("reppo-large", ["CheetahRun"])
    late = replace(curve, environment="CheetahRun", environment_steps=np.array([1, 2, 3]) * 3_000_000).until(6_000_000)
    found = compare_with_published(late, other)
    assert isinstance(found, dict) and found["estimate"] == 900 and found["high"] <= 1000


def test_the_closing_table_compares_at_the_steps_that_all_have():
    rows = summary_table([run("base", 0, [1.0, 2.0, 3.0]), run("a", 0, [4.0, 5.0])])
    assert [(row.arm, row.mean, row.at_steps) for row in rows] == [("base", 2, 200), ("a", 5, 200)]
    assert "compared at the last step at which all were evaluated (200)" in format_table(rows)


# Beside published runs, speed.


def test_one_run_without_an_evaluation_takes_no_task_away():
    (other,) = published("reppo-large", ["CheetahRun"])
    results = [run("base", seed, [500.0 + seed] * 2, "CheetahRun", interval=3_000_000) for seed in range(3)]
    (curve,) = learning_curves([*results, run("base", 3, [], "CheetahRun")])
    found = compare_with_published(curve, other)
    assert isinstance(found, dict) and (found["runs"], found["estimate"]) == (3, 501)
    (early,) = learning_curves([run("base", 0, [1.0, 2.0], "CheetahRun")])
    assert "has come to 200 steps, and its first published evaluation is at 2." in str(
        compare_with_published(early, other)
    )
    (none,) = learning_curves([run("base", 0, [], "CheetahRun")])
    assert "no step yet" in str(compare_with_published(none, other))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_intervals_of_the_time_to_a_threshold_cover(seeds: int):
    """The percentile interval held the mean of truncated times in 71 to 88% of cases."""
    rng = np.random.default_rng(seeds)
    times = np.clip(rng.gamma(4.0, 5.0, (1000, seeds)).astype(int), 0, 40)
    truth = np.clip(rng.gamma(4.0, 5.0, 200_000).astype(int), 0, 40).mean() * 100 + 100
    held = []
    for own in times[:300]:
        results = [run("base", i, [0.0] * t + [9.0] * (41 - t)) for i, t in enumerate(own)]
        found = time_to_threshold(learning_curves(results)[0], 5.0, horizon=4100.0).restricted_mean
        held.append(found.low <= truth <= found.high)
        assert 0 <= found.low and found.high <= 4100
    assert np.mean(held) > 0.91


# What is possible.


def test_no_interval_is_outside_of_what_is_possible():
    results = [
        replace(one, record=replace(one.record, spec=CONTROL))
        for arm, finals in (("base", [1000.0, 1000.0, 990.0, 300.0]), ("arm", [10.0, 0.0, 0.0, 700.0]))
        for task in "EF"
        for one in runs(arm, finals, task)
    ]
    raw = score_table(results)
    rows = [*aggregate(raw, resamples=200), *aggregate_tasks(raw, resamples=200)]
    assert all(row.low >= 0 and row.high <= 1000 for row in rows if math.isfinite(row.low))
    scaled = raw.normalized(Normalization.fixed(0, 1000, raw.tasks))
    rows = aggregate(scaled, resamples=200)
    assert all(row.low >= 0 and row.high <= 1 for row in rows if math.isfinite(row.low))
    assert all(math.isnan(row.low) for row in rows if row.aggregate == "task_iqm")  # of 4 seeds: two are kept of each
    (base, _) = learning_curves([one for one in results if one.record.environment == "E"])
    assert base.limits == (0, 1000)


# Episodes that ended because the simulation broke.


def test_broken_episodes_are_counted_in_words_and_never_the_best():
    """Also those of evaluations none of whose episodes has a return, after the one behind the score."""
    results = [run("base", seed, [-50.0, -50.0 + 49 * (seed == 1), -50.0]) for seed in range(3)]
    returns = results[1].evaluations.returns.copy()
    returns[-3:] = np.nan
    results[1] = replace(results[1], evaluations=replace(results[1].evaluations, returns=returns))
    (row,) = summary_table(results)
    assert (row.best, row.broken) == (-50, 3)
    assert "in 3 evaluation episodes, which have no return" in format_table([row])
    assert any("not finite" in text and "base on E 3" in text for text in caveats_of(score_table(results)))
