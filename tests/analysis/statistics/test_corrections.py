"""p values corrected for their number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reppo.analysis import holm
from tests.analysis.slow import slow_holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).map(np.array))
def test_holm_is_the_step_down_procedure(p: np.ndarray):
    np.testing.assert_allclose(holm(p), slow_holm(p.tolist()))


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, np.nan])), [0.03, 0.06, 0.06, np.nan])
