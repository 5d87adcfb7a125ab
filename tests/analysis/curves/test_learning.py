from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reppo.analysis import (
    LearningCurve,
    learning_curves,
    reliable_improvement,
    share_interval,
    time_to_threshold,
)
from reppo.errors import ConfigurationError
from tests.analysis.runs import run

NAN = float("nan")


def curve(*returns: list[float], diverged: tuple[int, ...] = ()) -> LearningCurve:
    """Evaluations every 100 steps, one row per seed; 10 steps take a second."""
    runs = [run("base", i, row, diverged=i in diverged) for i, row in enumerate(returns)]
    return learning_curves(runs)[0]


def test_runs_that_never_arrive_are_censored_not_dropped():
    slow = time_to_threshold(curve([0, 1, 9, 9], [0, 9, 9, 9], [0, 0, 0, 0], [0, 0]), 5.0)
    np.testing.assert_array_equal(slow.times, [300, 200, 400, 200])
    np.testing.assert_array_equal(slow.reached, [True, True, False, False])
    # At 200 one of four arrives; at 300 one of the two still watched; so 3/4 for 100 steps, 3/8 for another 100.
    assert slow.horizon == 400 and slow.restricted_mean.estimate == pytest.approx(200 + 75 + 37.5)
    assert slow.median == 300
    assert slow.restricted_mean.low <= 312.5 <= slow.restricted_mean.high <= 400


def test_in_seconds_runs_that_never_arrive_count_with_all_that_they_took():
    """Two batches of one arm, of which the quick one has no run that arrives."""
    quick, slow = [0, 0, 0, 0], [0, 0, 0, 9]
    found = curve(quick, quick, slow, [0, 0, 0, 0])
    times = replace(found, seconds=found.seconds * np.array([[0.25], [0.25], [1.0], [1.0]]))
    seconds = time_to_threshold(times, 5.0, unit="seconds")
    np.testing.assert_array_equal(seconds.times, [10, 10, 40, 40])
    np.testing.assert_array_equal(seconds.reached, [False, False, True, False])
    assert seconds.restricted_mean.estimate == pytest.approx(25) and seconds.median == np.inf
    half = time_to_threshold(curve([0, 9, 9], [0, 0, 9], [0, 0, 0]), 5.0, unit="seconds")
    assert half.median == 30 and half.restricted_mean.estimate == pytest.approx((20 + 30 + 30) / 3)


def test_what_is_evaluated_after_a_run_diverged_is_not_its_return():
    """Its last finite policy stands still, and is evaluated to the end."""
    lost = run("base", 0, [0, 8, 9, 9], diverged=True)
    lost = replace(lost, record=replace(lost.record, diverged_at=250))
    found = learning_curves([lost, run("base", 1, [0, 8, 8, 9])])[0]
    np.testing.assert_array_equal(found.returns[0], [0, 8, NAN, NAN])
    np.testing.assert_array_equal(found.completed()[0], [0, 8, 0, 0])  # the worst that was seen
    assert not time_to_threshold(found, 8.5).reached[0] and time_to_threshold(found, 8.0).reached[0]
    assert reliable_improvement(found, 8.0).falls[0] == 1
    in_seconds = time_to_threshold(found, 8.5, unit="seconds")
    np.testing.assert_array_equal(in_seconds.times, [40, 40])


def test_a_curve_is_cut_at_its_evaluation_nearest_to_where_others_end():
    ends = run("base", 0, [0, 3, 6, 9], interval=350, start=0)  # the last at 1050 steps
    ends = replace(ends, record=replace(ends.record, steps_per_iteration=175))
    found = learning_curves([ends])[0]
    assert found.until(1000).environment_steps[-1] == 1050 and found.until(800).environment_steps[-1] == 700


def test_times_without_censoring_have_their_plain_mean():
    found = time_to_threshold(curve([0, 9, 9], [9, 9, 9], [0, 0, 9]), 5.0)
    assert found.restricted_mean.estimate == pytest.approx(200) and found.median == 200
    cut = time_to_threshold(curve([0, 9, 9], [9, 9, 9], [0, 0, 9]), 5.0, horizon=150.0)
    assert cut.restricted_mean.estimate == pytest.approx((150 + 100 + 150) / 3)
    never = time_to_threshold(curve([0, 0], [0, 0]), 5.0)
    assert never.restricted_mean == (200, 200, 200) and never.median == np.inf


def test_a_run_that_diverged_never_arrives():
    lost = curve([0, 0, NAN], [0, 9, 9], diverged=(0,))
    found = time_to_threshold(lost, 5.0, horizon=1000.0)
    assert found.times[0] == np.inf and found.restricted_mean.estimate == pytest.approx((1000 + 200) / 2)
    assert time_to_threshold(curve([9, NAN], [0, 9], diverged=(0,)), 5.0).reached.all()  # it did, before
    only = time_to_threshold(curve([NAN], [0, 9], diverged=(0,)), 5.0)
    np.testing.assert_array_equal(only.reached, [False, True])
    with pytest.raises(ConfigurationError, match="No run of 'base' on 'E' was evaluated"):
        time_to_threshold(curve([NAN]), 1.0)
    with pytest.raises(ConfigurationError, match="unit='hours' is neither"):
        time_to_threshold.__wrapped__(curve([1.0]), 1.0, unit="hours")  # pyright: ignore  # past the type check


def test_reliable_improvement_is_to_reach_and_never_fall_below_again():
    found = reliable_improvement(curve([0, 9, 9, 9], [9, 9, 0, 9], [9, 9, 9, 0], [0, 9, NAN, 9]), 5.0)
    np.testing.assert_array_equal(found.environment_steps, [100, 200, 300, 400])
    np.testing.assert_allclose(found.share, [0.5, 1, 0.75, 0.5])
    assert found.final.estimate == 0.5 and found.falls.tolist() == [0, 1, 1, 0]
    often = reliable_improvement(curve([9, 0, 9, 0, 9, 0, 9]), 5.0)
    assert often.final.estimate == 0 and often.falls.tolist() == [3]  # though it is above at the last evaluation
    lost = reliable_improvement(curve([9, 9, NAN], [9, 9, 9], diverged=(0,)), 5.0)
    np.testing.assert_allclose(lost.share, [1, 1, 0.5])
    assert lost.final.estimate == 0.5 and lost.falls.tolist() == [1, 0]
    shorter = reliable_improvement(curve([0, 9], [0, 0, 9]), 5.0)  # the first was not evaluated at 300
    np.testing.assert_allclose(shorter.share, [0, 0.5, 1])


@given(hnp.arrays(np.float64, (4, 6), elements=st.integers(0, 10)), st.integers(0, 10))
def test_reliability_equals_a_slow_reference(returns: np.ndarray, threshold: int):
    found = reliable_improvement(curve(*returns.tolist()), threshold)

    def stays(row: np.ndarray) -> bool:
        above = (row >= threshold).tolist()
        return True in above and False not in above[above.index(True) :]

    expected = [np.mean([stays(row[: i + 1]) for row in returns]) for i in range(6)]
    np.testing.assert_allclose(found.share, expected)
    assert found.final.estimate == expected[-1]


def test_wilsons_interval():
    theirs = stats.binomtest(7, 10).proportion_ci(method="wilson")
    np.testing.assert_allclose(share_interval(7, 10), (0.7, theirs.low, theirs.high))
    assert share_interval(0, 4).low == 0 and share_interval(4, 4).high == 1
    with pytest.raises(ConfigurationError, match="5 of 4 runs"):
        share_interval(5, 4)
