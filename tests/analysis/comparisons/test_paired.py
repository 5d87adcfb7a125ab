import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reppo.analysis import compare, compare_unpaired, holm
from reppo.analysis.statistics.spread import deviation
from reppo.errors import ConfigurationError
from tests.analysis.score_tables import table

arrays = hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 6)), elements=st.integers(-20, 20))


@given(arrays, st.integers(0, 2**32))
def test_paired_differences_are_antisymmetric(scores: np.ndarray, seed: int):
    others = np.random.default_rng(seed).permutation(scores.ravel()).reshape(scores.shape)
    arms = table({"a": scores, "b": others})
    for forward, backward in zip(compare(arms, "a"), compare(arms, "b"), strict=True):
        assert forward.estimate == pytest.approx(-backward.estimate, abs=1e-12)
        np.testing.assert_allclose((forward.low, forward.high), (-backward.high, -backward.low), atol=1e-12)
        assert (forward.p, forward.wins, forward.ties) == (backward.p, backward.losses, backward.ties)
        assert forward.probability + backward.probability == pytest.approx(1)
        np.testing.assert_allclose(forward.standardized, -backward.standardized, atol=1e-12)


@given(arrays, st.randoms(use_true_random=False))
def test_the_order_of_seeds_and_tasks_does_not_matter(scores: np.ndarray, random):
    others = np.roll(scores, 1)
    rows, columns = list(range(scores.shape[0])), list(range(scores.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    first, *_ = compare(table({"a": scores, "b": others}))
    second, *_ = compare(table({"a": scores[rows][:, columns], "b": others[rows][:, columns]}))
    for name in ("estimate", "low", "high", "p", "standardized", "probability"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-9, atol=1e-9)


def test_what_seeds_share_cancels():
    rng = np.random.default_rng(3)
    shared, noise = 100 * rng.normal(size=10), rng.normal(size=10)
    scores = table({"base": shared[None], "arm": (shared + 5 + noise)[None]})
    (overall, task) = compare(scores, method="student")
    assert overall.estimate == pytest.approx(5 + noise.mean())
    theirs = stats.ttest_1samp(5 + noise, 0).confidence_interval()
    np.testing.assert_allclose((overall.low, overall.high), theirs)
    assert overall.standardized == pytest.approx((5 + noise).mean() / np.std(noise, ddof=1))
    assert overall.task is None and task.task == "T0" and task.pairs == 10 and task.p == overall.p == 2**-9


def test_rows_of_unequal_seeds_and_missing_tasks():
    nan = np.nan
    base = np.array([[1.0, 2.0, 3.0, nan], [1.0, 2.0, nan, nan]])
    arms = table({"base": base, "some": base + [[1, 2, nan, 4], [nan] * 4], "none": np.full((2, 4), nan)})
    some, some_task, none = compare(arms)
    assert (some.arm, some.pairs, some.tasks, some.unpaired, some.estimate) == ("some", 2, 1, 3, 1.5)
    assert (some_task.task, some_task.unpaired) == ("T0", 1)
    assert none.pairs == 0 and np.isnan(none.estimate) and np.isnan(none.p_holm)
    assert some.p_holm == some.p  # an arm that could not be tested is no test


def test_arms_are_tested_first_and_tasks_within_arms():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(3, 8))
    arms = table({"base": base, **{f"a{i}": base + i + 0.5 * rng.normal(size=(3, 8)) for i in range(3)}})
    rows = compare(arms)
    whole = {r.arm: r for r in rows if r.task is None}
    np.testing.assert_allclose([r.p_holm for r in whole.values()], holm([r.p for r in whole.values()]))
    for arm, over in whole.items():
        parts = [r for r in rows if r.arm == arm and r.task is not None]
        expected = np.maximum(holm([r.p for r in parts]), over.p_holm)
        np.testing.assert_allclose([r.p_holm for r in parts], expected)
        assert all(r.smallest_p_holm <= r.p_holm for r in parts)
    assert [(r.arm, r.task) for r in rows][:5] == [("a0", None), ("a0", "T0"), ("a0", "T1"), ("a0", "T2"), ("a1", None)]


def test_many_arms_and_tasks_can_show_something():
    """As one family of 500 rows no p value of ten pairs could be below 0.977."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(25, 10))
    rows = compare(table({"base": base, **{f"a{i}": base - 5 + rng.normal(size=(25, 10)) for i in range(20)}}))
    assert max(r.p_holm for r in rows) < 0.05


def test_what_cannot_be_shown_after_correction_is_known():
    base = np.arange(6.0)[None]
    rows = compare(table({"base": base, **{f"a{i}": base - 5 - np.arange(6) * i for i in range(3)}}))
    assert [r.smallest_p for r in rows if r.task is None] == [0.03125] * 3
    assert [r.smallest_p_holm for r in rows if r.task is None] == [0.09375] * 3


def test_shares_of_the_base_are_of_the_base_in_the_same_pairs():
    base = np.array([[1000.0] * 6, [100.0] * 6])
    rows = compare(table({"base": base, "arm": np.array([[np.nan] * 6, [49.0] * 6])}))
    assert [(r.base_mean, r.estimate) for r in rows] == [(100, -51), (100, -51)]


def test_ties_are_pairs_that_tell_nothing():
    base = np.zeros((1, 12))
    row = compare(table({"base": base, "arm": base + (np.arange(12) < 5)}))[0]
    assert (row.pairs, row.differing, row.smallest_p, row.ties) == (12, 5, 0.0625, 7)
    assert row.p_signs == 0.0625 and row.p == 0.0625


def test_other_aggregates_and_methods_of_differences():
    scores = np.random.default_rng(0).normal(size=(2, 9))
    scores[0, 0] = 1e6
    arms = table({"base": np.zeros((2, 9)), "arm": scores})
    robust, *_ = compare(arms, aggregate="pooled_iqm")
    assert abs(robust.estimate) < 2 and robust.method == "widened" and robust.high < 10
    wide, *_ = compare(arms, method="percentile")
    assert wide.estimate > 1e4 and wide.method == "percentile"
    with pytest.raises(ConfigurationError, match="Did you mean 'pooled_iqm'"):
        compare(arms, aggregate="pooled_iqn")
    with pytest.raises(ConfigurationError, match="Unknown arm 'bass'. Did you mean 'base'"):
        compare(arms, "bass")


def test_the_pooled_deviation():
    differences = np.array([[1.0, 3.0, np.nan, np.nan], [0.0, 0.0, 3.0, 3.0], [7.0, np.nan, np.nan, np.nan]])
    assert deviation(differences) == pytest.approx(np.sqrt((2 + 9) / 4))
    assert np.isnan(deviation(differences[2:]))


def test_an_unpaired_comparison_is_welchs():
    rng = np.random.default_rng(0)
    base, arm = rng.normal(size=(1, 9)), 1 + 3 * rng.normal(size=(1, 9))
    arm[0, 6:] = np.nan
    overall, task = compare_unpaired(table({"base": base, "arm": arm}))
    theirs = stats.ttest_ind(arm[0, :6], base[0], equal_var=False).confidence_interval()
    np.testing.assert_allclose((overall.low, overall.high), theirs)
    assert (overall.runs, overall.base_runs, overall.tasks) == (6, 9, 1) and task.task == "T0"
    test = stats.permutation_test((arm[0, :6], base[0]), lambda a, b: a.mean() - b.mean(), n_resamples=np.inf)
    assert overall.p == pytest.approx(test.pvalue, abs=0.02)
    assert overall.standardized == pytest.approx(
        overall.estimate / np.sqrt((5 * arm[0, :6].var(ddof=1) + 8 * base[0].var(ddof=1)) / 13)
    )
    backward, *_ = compare_unpaired(table({"arm": arm, "base": base}))
    assert backward.estimate == -overall.estimate and backward.low == pytest.approx(-overall.high)


def test_an_unpaired_comparison_of_few_runs_and_missing_tasks():
    nan = np.nan
    arms = table({"base": np.array([[0.0, 0.1, 0.2], [5, 5, 5]]), "arm": np.array([[9.0, 9.1, nan], [nan] * 3])})
    overall, task = compare_unpaired(arms)
    assert overall.tasks == 1 and overall.estimate == pytest.approx(8.95) == task.estimate
    assert overall.smallest_p == pytest.approx(1 / 10) and overall.p == pytest.approx(0.1, abs=0.02)
    (lonely,) = compare_unpaired(table({"base": np.array([[1.0], [nan]]), "arm": np.array([[nan], [1.0]])}))
    assert np.isnan(lonely.estimate) and np.isnan(lonely.p_holm) and lonely.tasks == 0
