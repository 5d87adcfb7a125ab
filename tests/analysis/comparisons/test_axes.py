"""Areas, times to a threshold and shares of a batch's seconds, against what one would do by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo.analysis import at_equal_seconds, axes, learning_curves
from reppo.analysis.scores.from_runs import cut_offs
from reppo.results import RunData
from tests.analysis.runs import run

LINES = st.lists(st.lists(st.integers(0, 9).map(float), min_size=4, max_size=4), min_size=1, max_size=5)


def found(results: list[RunData], thresholds: dict[str, float]):
    rows = axes(results, learning_curves(results), cut_offs(results), thresholds)
    return {row.arm: row for row in rows}


def in_batch_of(one: RunData, runs: int) -> RunData:
    """A run whose batch trained so many runs, in twice its own seconds each."""
    steps, seconds = one.record.environment_steps, 2.0 * runs
    record = replace(one.record, train_seconds=seconds, steps_per_second=runs * steps / seconds)
    return replace(one, record=record)


@settings(max_examples=60, deadline=None)
@given(LINES, LINES, st.integers(0, 9).map(float))
def test_times_count_what_never_came_there_with_all_steps(one: list, other: list, threshold: float):
    """Evaluations are at 100, 200, 300 and 400 steps, and after a tenth of so many seconds."""
    results = [run("base", seed, line) for seed, line in enumerate(one)]
    results += [run("other", seed, line) for seed, line in enumerate(other)]
    rows = found(results, {"E": threshold})
    for arm, lines in (("base", one), ("other", other)):
        times = [next((100 * (i + 1) for i, mean in enumerate(line) if mean >= threshold), None) for line in lines]
        row = rows[arm]
        assert row.steps is not None and row.seconds is not None
        assert row.steps.reached.tolist() == [time is not None for time in times]
        assert row.steps.restricted_mean.estimate == pytest.approx(np.mean([time or 400 for time in times]))
        assert row.seconds.restricted_mean.estimate == pytest.approx(np.mean([(time or 400) / 10 for time in times]))
        slow = [(line[0] + 2 * line[1] + 2 * line[2] + line[3]) / 6 for line in lines]
        low, high = np.sort(slow)[[0, -1]]
        assert low - 1e-9 <= row.area.estimate <= high + 1e-9
        if len(lines) < 4:  # the interquartile mean then is the mean
            assert row.area.estimate == pytest.approx(np.mean(slow)) or len(lines) == 3


def test_seconds_are_a_runs_share_of_its_batch():
    alone, crowded = run("base", 0, [0.0, 1.0]), run("other", 0, [0.0, 1.0])
    assert [in_batch_of(alone, size).record.runs_in_batch for size in (1, 7)] == [1, 7]
    assert replace(alone.record, train_seconds=None).runs_in_batch == 1
    rows = found([in_batch_of(alone, 1), in_batch_of(crowded, 7)], {"E": 1.0})
    assert rows["base"].seconds is not None and rows["other"].seconds is not None
    assert rows["base"].seconds.times.tolist() == [20.0]
    assert rows["other"].seconds.times.tolist() == pytest.approx([20 / 7])
    assert (rows["base"].seconds.horizon, rows["other"].seconds.horizon) == (20.0, pytest.approx(20 / 7))


def test_a_run_that_diverged_never_comes_there_and_goes_on_at_the_worst():
    results = [run("base", 0, [0.0, 4.0, 8.0]), run("base", 1, [0.0, 4.0], diverged=True)]
    row = found(results, {"E": 8.0})["base"]
    assert row.steps is not None
    assert row.steps.times.tolist() == [300.0, np.inf] and row.steps.reached.tolist() == [True, False]
    assert row.steps.restricted_mean.estimate == 300.0
    assert row.area.estimate == pytest.approx(np.mean([(0 + 2 * 4 + 8) / 4, (0 + 2 * 4 + 0) / 4]))


def test_without_a_threshold_or_a_clock_there_are_no_times():
    row = found([run("base", 0, [1.0, 2.0])], {})["base"]
    assert row.steps is None and row.seconds is None and row.area.estimate == 1.5 and np.isnan(row.area.low)
    assert np.isnan(row.program_bytes) and row.lanes == 0 and row.steps_per_second == 1000.0
    still = run("base", 0, [1.0, 2.0])
    still = replace(still, evaluations=replace(still.evaluations, seconds=0 * still.evaluations.seconds))
    assert found([still], {"E": 2.0})["base"].seconds is None


def test_at_equal_seconds_a_slow_arm_is_at_fewer_steps():
    """The base has 400 steps in 40 seconds, the other 200 in 20: cut at 20, where the base is half way."""
    results = [run("base", seed, [0.0, 4.0, 8.0, 8.0]) for seed in range(3)]
    results += [in_batch_of(run("slow", seed, [0.0, 6.0]), 1) for seed in range(2)]
    rows = {row.arm: row for row in at_equal_seconds(learning_curves(results))}
    assert {row.seconds for row in rows.values()} == {20.0}
    assert (rows["base"].steps, rows["base"].score.estimate) == (200.0, 4.0)
    assert (rows["slow"].steps, rows["slow"].score.estimate) == (200.0, 6.0)


def in_seconds(one: RunData, share: float) -> RunData:
    """A run whose evaluations were so many times as late."""
    return replace(one, evaluations=replace(one.evaluations, seconds=share * one.evaluations.seconds))


def test_between_two_evaluations_there_is_a_line_and_before_the_second_nothing():
    fast = in_seconds(run("base", 0, [0.0, 4.0, 8.0, 8.0]), 0.625)  # after 6.25 to 25 seconds
    fast, slow, slowest = at_equal_seconds(
        learning_curves([fast, run("slow", 0, [0.0, 6.0, 8.0]), in_seconds(run("slowest", 0, [0.0, 6.0]), 2.0)])
    )
    assert (fast.seconds, fast.steps, fast.score.estimate) == (25.0, 400.0, 8.0)
    assert (slow.steps, slow.score.estimate) == (250.0, 7.0)
    assert slowest.steps == 125.0 and np.isnan(slowest.score).all()  # evaluated after 20 and 40 seconds


def test_a_task_with_an_unknown_clock_is_left_out():
    lost = in_seconds(run("other", 0, [0.0, 6.0]), np.nan)
    assert at_equal_seconds(learning_curves([run("base", 0, [0.0, 4.0]), lost])) == []
    pending = run("other", 1, [])
    assert (
        len(at_equal_seconds(learning_curves([run("base", 0, [0.0, 4.0]), run("other", 0, [0.0, 6.0]), pending]))) == 2
    )


def test_without_a_clock_nothing_is_at_equal_seconds():
    still = run("base", 0, [1.0, 2.0])
    still = in_seconds(still, 0.0)
    assert at_equal_seconds(learning_curves([still, run("other", 0, [1.0, 2.0])])) == []
