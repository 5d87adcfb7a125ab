import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo.analysis import best_of, best_of_draws
from reppo.errors import ConfigurationError

SCORES = st.lists(st.integers(-20, 20).map(lambda tenth: tenth / 10), min_size=1, max_size=6)


@given(SCORES)
def test_the_best_of_so_many_is_the_mean_over_all_their_choices(scores: list[float]):
    counts = range(1, len(scores) + 1)
    slow = [np.mean([max(chosen) for chosen in itertools.combinations(scores, count)]) for count in counts]
    np.testing.assert_allclose(best_of(scores, counts), slow, atol=1e-12)


@given(SCORES.filter(lambda scores: len(scores) < 5), st.integers(1, 4))
def test_the_best_of_draws_is_the_mean_over_all_their_ways(scores: list[float], count: int):
    slow = np.mean([max(drawn) for drawn in itertools.product(scores, repeat=count)])
    assert best_of_draws(scores, count) == pytest.approx(slow, abs=1e-12)


def test_many_settings_keep_their_digits():
    scores = np.random.default_rng(0).normal(size=2000)
    found = best_of(scores, [1, 1000, 2000])
    np.testing.assert_allclose(found[[0, 2]], [scores.mean(), scores.max()])
    assert found[1] < found[2] and best_of_draws(scores, 10**6) == pytest.approx(scores.max())


def test_what_has_no_best_is_refused(unchecked):
    for wrong in (0, 4):
        with pytest.raises(
            ConfigurationError, match=f"The best of {wrong} is asked of 3 scores; ask for one of 1 to 3"
        ):
            best_of([1.0, 2.0, 3.0], [wrong])
    with pytest.raises(ConfigurationError, match="no scores of which one could be the best"):
        best_of([], [])
    with pytest.raises(ConfigurationError, match="that of at least 1"):
        best_of_draws([1.0], 0)
