import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo.analysis import bootstrap_band, bootstrap_interval, iqm, paired_interval, student_interval

scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=21).map(np.array)


@given(scores)
def test_iqm_is_the_mean_of_the_middle_half(values: np.ndarray):
    ordered = sorted(values.tolist())
    cut = len(ordered) // 4
    kept = ordered[cut : len(ordered) - cut]
    assert float(iqm(values)) == pytest.approx(sum(kept) / len(kept), abs=1e-6)


@given(scores, st.floats(-100, 100), st.floats(0.1, 10))
def test_iqm_moves_and_stretches_with_the_scores(values: np.ndarray, shift: float, scale: float):
    assert float(iqm(scale * values + shift)) == pytest.approx(scale * float(iqm(values)) + shift, rel=1e-6, abs=1e-4)


def test_iqm_ignores_outliers_but_not_unknown_scores():
    assert iqm(np.array([1.0, 2.0, 3.0, 1e9])) == 2.5
    assert iqm(np.array([-np.inf, 2.0, 3.0, np.inf])) == 2.5
    assert np.isnan(iqm(np.array([1.0, 2.0, 3.0, np.nan])))
    with pytest.raises(ValueError, match="of no scores"):
        iqm(np.array([]))


def test_iqm_along_an_axis():
    values = np.random.default_rng(0).normal(size=(3, 8, 2))
    assert iqm(values, axis=1).shape == (3, 2)
    assert iqm(values, axis=1)[2, 1] == pytest.approx(float(iqm(values[2, :, 1])))


@settings(deadline=None, max_examples=30)
@given(scores, st.integers(0, 2**32))
def test_bootstrap_is_deterministic_and_within_the_scores(values: np.ndarray, seed: int):
    first, again = (bootstrap_interval(values, resamples=100, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    if len(values) == 1:
        assert np.isnan(first.low) and np.isnan(first.high)
    else:
        margin = 1e-9 * (1 + np.abs(values).max())
        assert values.min() - margin <= first.low <= first.high <= values.max() + margin


def test_bootstrap_equals_a_slow_reference():
    values = np.random.default_rng(1).normal(size=7)
    chosen = np.random.default_rng(5).integers(0, 7, size=(200, 7))
    means = sorted(float(np.mean([values[i] for i in row])) for row in chosen)
    interval = bootstrap_interval(values, np.mean, confidence=0.9, resamples=200, seed=5)
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(np.quantile(means, 0.05)) and interval.high == pytest.approx(
        np.quantile(means, 0.95)
    )


def test_bootstrap_depends_on_its_seed_and_widens_with_confidence():
    values = np.random.default_rng(1).normal(size=9)
    assert bootstrap_interval(values, seed=0) != bootstrap_interval(values, seed=1)
    narrow, wide = (bootstrap_interval(values, confidence=c) for c in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_bootstrap_covers_the_truth_as_often_as_documented():
    rng = np.random.default_rng(0)
    for seeds, expected in [(4, 0.78), (5, 0.85), (8, 0.89)]:
        intervals = [bootstrap_interval(rng.normal(size=seeds), np.mean, resamples=300, seed=i) for i in range(400)]
        assert np.mean([low <= 0 <= high for _, low, high in intervals]) == pytest.approx(expected, abs=0.05)


def test_a_band_is_an_interval_at_every_point():
    curves = np.random.default_rng(2).normal(size=(5, 6))
    curves[3:, 4:] = np.nan
    curves[1:, 5] = np.nan
    low, high = bootstrap_band(curves, resamples=300)
    for point in range(6):
        values = curves[:, point]
        expected = bootstrap_interval(values[~np.isnan(values)], resamples=300)
        np.testing.assert_allclose([low[point], high[point]], expected[1:])
    assert np.isnan(low[5])


def test_paired_interval_cancels_what_seeds_share():
    rng = np.random.default_rng(3)
    shared, noise = 100 * rng.normal(size=10), rng.normal(size=10)
    paired = paired_interval(shared + 5 + noise, shared, np.mean)
    assert paired.estimate == pytest.approx(5 + noise.mean())
    assert 3 < paired.low < paired.estimate < paired.high < 7
    shuffled = paired_interval(shared + 5 + noise, shared[::-1].copy(), np.mean)
    assert shuffled.high - shuffled.low > 20 * (paired.high - paired.low)


def test_paired_interval_of_an_arm_with_itself_is_zero():
    values = np.random.default_rng(4).normal(size=6)
    assert paired_interval(values, values) == (0.0, 0.0, 0.0)
    single = paired_interval(np.array([2.0]), np.array([1.5]))
    assert single.estimate == 0.5 and np.isnan(single.low)


def test_student_interval_against_a_table():
    # t(0.975, 3) = 3.182446; the standard error of 1, 2, 3, 4 is sqrt(5/12).
    interval = student_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    assert interval.estimate == 2.5
    assert interval.high - 2.5 == pytest.approx(3.182446 * np.sqrt(5 / 12), rel=1e-6)
    assert 2.5 - interval.low == pytest.approx(interval.high - 2.5)
    assert np.isnan(student_interval(np.array([1.0])).high)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": np.array([])}, "at least one score"),
        ({"scores": np.ones(2), "confidence": 95.0}, "between 0 and 1, not 95.0"),
        ({"scores": np.ones(2), "resamples": 0}, "at least one resample, not 0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(**arguments)
