import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo.analysis import best_of, best_of_equals
from reppo.errors import ConfigurationError

SCORES = st.lists(st.integers(-20, 20).map(lambda tenth: tenth / 10), min_size=1, max_size=6)


@given(SCORES)
def test_the_best_of_so_many_is_the_mean_over_all_their_choices(scores: list[float]):
    counts = range(1, len(scores) + 1)
    slow = [np.mean([max(chosen) for chosen in itertools.combinations(scores, count)]) for count in counts]
    np.testing.assert_allclose(best_of(scores, counts), slow, atol=1e-12)


@given(SCORES.filter(lambda scores: len(scores) > 1), st.integers(1, 100), st.integers(1, 4))
def test_the_best_of_equals_is_that_of_normal_draws(scores: list[float], count: int, seeds: int):
    mean, deviation = np.mean(scores), np.std(scores, ddof=1)
    assert best_of_equals(scores, 1) == pytest.approx(mean, abs=1e-9)
    # The mean of the highest of two, and of three, standard normal draws.
    for few, highest in ((2, 1 / np.sqrt(np.pi)), (3, 1.5 / np.sqrt(np.pi))):
        assert best_of_equals(scores, few) == pytest.approx(mean + deviation * highest, abs=1e-6)
    found = best_of_equals(scores, count, seeds)
    assert found - mean == pytest.approx((best_of_equals(scores, count) - mean) / np.sqrt(seeds), abs=1e-9)


def test_the_best_of_many_equals_is_what_draws_give():
    drawn = np.random.default_rng(0).normal(3.0, 2.0, (20_000, 32)).max(axis=1).mean()
    assert best_of_equals([3 - np.sqrt(2), 3 + np.sqrt(2)], 32) == pytest.approx(drawn, abs=0.05)


def test_many_settings_keep_their_digits():
    scores = np.random.default_rng(0).normal(size=2000)
    found = best_of(scores, [1, 1000, 2000])
    np.testing.assert_allclose(found[[0, 2]], [scores.mean(), scores.max()])
    assert found[1] < found[2]


def test_what_has_no_best_is_refused(unchecked):
    for wrong in (0, 4):
        with pytest.raises(
            ConfigurationError, match=f"The best of {wrong} is asked of 3 scores; ask for one of 1 to 3"
        ):
            best_of([1.0, 2.0, 3.0], [wrong])
    with pytest.raises(ConfigurationError, match="no scores of which one could be the best"):
        best_of([], [])
    with pytest.raises(ConfigurationError, match="that of at least 1"):
        best_of_equals([1.0, 2.0], 0)
    with pytest.raises(ConfigurationError, match="they have at least 1"):
        best_of_equals([1.0, 2.0], 1, 0)
    with pytest.raises(ConfigurationError, match="give at least two"):
        best_of_equals([1.0], 1)
