import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reppo.analysis import (
    LearningCurve,
    area_under_curve,
    kaplan_meier,
    learning_curves,
    paired_power,
    plan_seeds,
    reliable_improvement,
    seeds_needed,
    share_interval,
    sign_flip_test,
    time_to_threshold,
)
from reppo.errors import ConfigurationError
from tests.analysis.runs import run
from tests.analysis.tables import table

NAN = float("nan")


def curve(*returns: list[float], diverged: tuple[int, ...] = ()) -> LearningCurve:
    """Evaluations every 100 steps, one row per seed; 10 steps take a second."""
    runs = [run("base", i, row, diverged=i in diverged) for i, row in enumerate(returns)]
    return learning_curves(runs)[0]


def test_the_area_is_that_of_trapezoids():
    steps = np.array([0.0, 1.0, 3.0])
    np.testing.assert_allclose(area_under_curve(steps, np.array([[0.0, 2.0, 2.0], [5.0, 5.0, 5.0]])), [5 / 3, 5])
    assert area_under_curve(steps[:1], np.array([7.0])) == 7
    with pytest.raises(ConfigurationError, match="no evaluation"):
        area_under_curve(steps[:0], np.array([]))


@given(hnp.arrays(np.int64, 8, elements=st.integers(1, 5)), hnp.arrays(np.bool_, 8))
def test_kaplan_meier_equals_that_of_scipy(times: np.ndarray, reached: np.ndarray):
    events, left = kaplan_meier(times.astype(np.float64), reached)
    if not reached.any():
        assert not len(events)
        return
    data = stats.CensoredData(uncensored=times[reached], right=times[~reached])
    expected = stats.ecdf(data).sf
    np.testing.assert_allclose(left, expected.evaluate(events))


def test_runs_that_never_arrive_are_censored_not_dropped():
    slow = time_to_threshold(curve([0, 1, 9, 9], [0, 9, 9, 9], [0, 0, 0, 0], [0, 0]), 5.0)
    np.testing.assert_array_equal(slow.times, [300, 200, 400, 200])
    np.testing.assert_array_equal(slow.reached, [True, True, False, False])
    # At 200 one of four arrives; at 300 one of the two still watched; so 3/4 for 100 steps, 3/8 for another 100.
    assert slow.horizon == 400 and slow.restricted_mean.estimate == pytest.approx(200 + 75 + 37.5)
    assert slow.median == 300
    assert slow.restricted_mean.low <= 312.5 <= slow.restricted_mean.high <= 400
    seconds = time_to_threshold(curve([0, 1, 9, 9], [0, 9, 9, 9], [0, 0, 0, 0], [0, 0]), 5.0, unit="seconds")
    np.testing.assert_allclose(seconds.restricted_mean, np.array(slow.restricted_mean) / 10)


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


@pytest.mark.parametrize(
    ("ratio", "pairs", "tasks", "level"),
    [(2.0, 6, 1, 0.05), (1.5, 8, 1, 0.05 / 3), (1.0, 11, 1, 0.05), (1.5, 4, 2, 0.05), (1.0, 7, 2, 0.05 / 3)],
)
def test_the_power_is_that_of_the_test_that_is_made(ratio: float, pairs: int, tasks: int, level: float):
    """Near its limit a sign-flip test finds less than Student's, whose power was claimed."""
    rng = np.random.default_rng(1)
    found = [sign_flip_test(rng.normal(ratio, 1, (tasks, pairs)), seed=i).p < level for i in range(500)]
    claimed = paired_power(ratio, 1.0, pairs, tasks, level)
    assert claimed == pytest.approx(np.mean(found), abs=0.06) and 0.4 < claimed < 0.99


def test_the_power_of_many_pairs_is_students():
    rng = np.random.default_rng(0)
    samples = rng.normal(1.0, 1.5, (20_000, 18))
    rejected = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    assert paired_power(1.0, 1.5, 18) == pytest.approx(rejected.mean(), abs=0.01)
    assert paired_power(0.0, 1.0, 18) == 0.05 and paired_power(0.0, 1.0, 5) == 0.0
    freedom, shift = 17, np.sqrt(18) / 1.5
    limit = stats.t.ppf(0.975, freedom)
    exact = stats.nct.sf(limit, freedom, shift) + stats.nct.cdf(-limit, freedom, shift)
    assert paired_power(1.0, 1.5, 18) == pytest.approx(exact, abs=1e-3)


def test_what_too_few_pairs_can_never_show_has_no_power():
    for deviation in (0.0, 1e-6, 1.0):
        assert [paired_power(1e6, deviation, pairs) for pairs in (1, 4, 5, 6)] == [0, 0, 0, 1]
    assert paired_power(1e6, 1.0, 6, level=0.05 / 3) == 0 and paired_power(1e6, 1.0, 3, tasks=2) == 1
    base = np.arange(4.0)[None]
    (plan, _) = plan_seeds(table({"base": base, "arm": base + [[1.0, 1.1, 0.9, 1.0]]}), 1.0)
    assert plan.power_now == 0 and plan.seeds == 6


@given(st.floats(0.1, 3), st.floats(0.2, 3), st.sampled_from([1, 5]), st.sampled_from([0.5, 0.8, 0.95]))
def test_the_seeds_needed_are_the_fewest_that_suffice(effect: float, deviation: float, tasks: int, power: float):
    seeds = seeds_needed(effect, deviation, tasks, power=power)
    if seeds is None:
        assert paired_power(effect, deviation, 10_000, tasks) < 1
        return
    assert paired_power(effect, deviation, seeds, tasks) >= power
    assert paired_power(effect, deviation, seeds - 1, tasks) < power


def test_cohens_table():
    # Cohen 1988: 34 pairs find d = 0.5 with power 0.8 at 0.05, two-sided, and 199 pairs d = 0.2.
    assert (seeds_needed(0.5, 1.0), seeds_needed(0.2, 1.0)) == (34, 199)
    assert seeds_needed(1e-6, 1.0) is None
    # However large the effect: as many pairs as the sign-flip test needs to reject at all.
    assert [seeds_needed(99.0, 1.0, tasks, level=level) for tasks, level in ((1, 0.05), (1, 0.01), (3, 0.05))] == [
        6,
        8,
        2,
    ]


def test_planning_from_the_variance_so_far():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2, 8))
    noise = rng.normal(size=(2, 8))
    arms = table({"base": base, "arm": base + noise, "single": np.where(np.arange(8) < 1, base, NAN)})
    overall, first, second = plan_seeds(arms, -0.5)
    assert (overall.task, first.task, second.task) == (None, "T0", "T1")
    assert first.deviation == pytest.approx(np.std(noise[0], ddof=1)) and first.effect == 0.5
    assert first.deviation_high == pytest.approx(first.deviation * np.sqrt(7 / stats.chi2.ppf(0.2, 7)))
    assert first.seeds == seeds_needed(0.5, first.deviation) and first.seeds_high > first.seeds
    assert overall.seeds == seeds_needed(0.5, overall.deviation, 2)
    assert first.power_now == pytest.approx(paired_power(0.5, first.deviation, 8))
    strict = plan_seeds(arms, 0.5, tests=10)[0]
    assert strict.seeds > overall.seeds
    for arguments, message in (
        ({"effect": 0.0}, "other than 0, not 0.0"),
        ({"effect": 1.0, "power": 0.01}, "0 < level < power < 1"),
        ({"effect": 1.0, "tests": 0}, "At least one test"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            plan_seeds(arms, **arguments)
