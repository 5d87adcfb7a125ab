"""Tests that flip signs, and their intervals."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reppo.analysis import sign_flip_interval, sign_flip_test

arrays = hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 6)), elements=st.integers(-20, 20))


def slow_p(differences: np.ndarray) -> float:
    observed = abs(differences.mean())
    flips = [np.reshape(signs, differences.shape) for signs in itertools.product([-1, 1], repeat=differences.size)]
    return float(np.mean([abs((signs * differences).mean()) >= observed - 1e-9 for signs in flips]))


@given(arrays)
def test_the_exact_test_equals_a_slow_reference(differences: np.ndarray):
    differences = differences[:, :4]
    observed = abs(differences.mean())
    flips = [np.reshape(signs, differences.shape) for signs in itertools.product([-1, 1], repeat=differences.size)]
    expected = np.mean([abs((signs * differences).mean()) >= observed - 1e-9 for signs in flips])
    test = sign_flip_test(differences)
    assert test.p == pytest.approx(expected)
    assert test.exact and test.smallest <= test.p <= 1


@pytest.mark.parametrize(("pairs", "smallest"), [(1, 1.0), (5, 0.0625), (6, 0.03125), (16, 2**-15)])
def test_the_smallest_p_is_attained_when_all_pairs_agree(pairs: int, smallest: float):
    test = sign_flip_test(np.arange(1.0, pairs + 1)[None])
    assert test == (smallest, smallest, True)


def test_pairs_that_are_equal_tell_nothing():
    assert sign_flip_test(np.zeros((2, 5))) == (1.0, 1.0, True)
    assert sign_flip_test(np.array([[0.0, 0.0, 0.0, 1.0, 1.0]])).smallest == 0.5
    assert sign_flip_test(np.array([[np.nan, 1.0, 1.0]])) == sign_flip_test(np.array([[1.0, 1.0]]))


def test_the_sampled_test_agrees_with_the_exact_one_and_with_scipy():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.4, 1, (1, 17))
    sampled = sign_flip_test(differences, flips=200_000)
    assert not sampled.exact and sampled.smallest == 2.0**-16  # of 17 pairs, whatever is drawn
    bits = (np.arange(2**17)[:, None] >> np.arange(17)) & 1
    sums = np.abs((2.0 * bits - 1) @ differences[0])
    assert sampled.p == pytest.approx(np.mean(sums >= abs(differences.sum()) - 1e-9), abs=0.005)
    assert sampled == sign_flip_test(differences[:, ::-1], flips=200_000)
    assert sign_flip_test(np.ones((4, 10))) == (
        1 / 10_001,
        1 / 10_001,
        False,
    )  # the observed signs are one of the draws
    theirs = stats.permutation_test((differences[0],), np.mean, permutation_type="samples", n_resamples=50_000, rng=rng)
    assert sampled.p == pytest.approx(theirs.pvalue, abs=0.01)


def test_tasks_weigh_the_same_in_the_test_whatever_their_pairs():
    differences = np.array([[10.0, np.nan, np.nan, np.nan], [-1.0, -1.0, -1.0, -1.0]])
    flips = [np.array(signs) for signs in itertools.product([-1, 1], repeat=5)]
    values = [abs(s[0] * 10 + (s[1:] * -1.0).mean()) for s in flips]
    assert sign_flip_test(differences).p == pytest.approx(np.mean(np.array(values) >= 9 - 1e-9))


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(2, 7)), elements=st.integers(-9, 20)))
def test_interval_and_test_never_disagree(differences: np.ndarray):
    for confidence in (0.95, 0.8):
        low, high = sign_flip_interval(differences, confidence, flips=400)
        found = sign_flip_test(differences, flips=400)
        assert low <= differences.mean() + 1e-9 and high >= differences.mean() - 1e-9
        assert (found.p < 1 - confidence) == (low > 0 or high < 0), (found, low, high)


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 2), st.integers(2, 4)), elements=st.integers(-9, 20)))
def test_the_interval_holds_what_the_test_does_not_reject(differences: np.ndarray):
    low, high = sign_flip_interval(differences, 0.7)
    for end, outward in ((low, -1e-4), (high, 1e-4)):
        if np.isfinite(end):
            assert slow_p(differences - end - outward) < 0.3 + 1e-9
            assert slow_p(differences - end) >= 0.3 - 1e-9


def test_intervals_of_the_test_cover():
    rng = np.random.default_rng(0)
    for draw in (lambda: rng.normal(size=(1, 8)), lambda: rng.standard_t(3, (2, 10))):
        held = [low <= 0 <= high for low, high in (sign_flip_interval(draw(), flips=500) for _ in range(400))]
        assert np.mean(held) > 0.92
