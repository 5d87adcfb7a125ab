"""Learning curves from runs."""

import math

import numpy as np

from reppo.analysis import learning_curves
from tests.analysis.runs import run

NAN = math.nan


def test_learning_curves_of_unequal_seeds():
    results = [
        run("x10", 0, [1.0]),
        run("x2", 0, [2.0]),
        run("base", 1, [1.0, 2.0, NAN], diverged=True),
        run("base", 0, [1.0, 2.0, 3.0, 4.0]),
        run("base", 2, [10.0], interval=50),
        run("base", 3, []),
    ]
    curves = learning_curves(results)
    assert [curve.arm for curve in curves] == ["base", "x2", "x10"]
    base = curves[0]
    np.testing.assert_array_equal(base.environment_steps, [50, 100, 200, 300, 400])
    np.testing.assert_array_equal(base.seeds, [0, 1, 2, 3])
    np.testing.assert_array_equal(base.diverged, [False, True, False, False])
    expected = [[NAN, 1, 2, 3, 4], [NAN, 1, 2, NAN, NAN], [10, NAN, NAN, NAN, NAN], [NAN] * 5]
    np.testing.assert_array_equal(base.returns, expected)
    expected[1] = [NAN, 1, 2, 1, 1]  # diverged: the lowest return of any evaluation of its arm and the base
    np.testing.assert_array_equal(base.completed(), expected)
    assert base.worst == 1 and not base.interpolated() and base.common_steps().size == 0
