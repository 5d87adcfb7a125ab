"""Numbers along training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reppo.analysis import (
    area_under_curve,
    kaplan_meier,
)
from reppo.errors import ConfigurationError


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
