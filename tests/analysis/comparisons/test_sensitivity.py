"""Sensitivity to hyperparameters over grids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reppo.analysis import (
    ScoreTable,
    effective_dimension,
    grid_settings,
    sensitivity,
)
from reppo.errors import ConfigurationError
from tests.analysis.score_tables import table


def grid(values: np.ndarray) -> dict[str, np.ndarray]:
    """Arms `x=i+y=j` that score `values[i, j, task]` with three equal seeds."""
    return {f"x={i}+y={j}": np.repeat(values[i, j][:, None], 3, axis=1) for i, j in np.ndindex(*values.shape[:2])}


def test_sensitivity_is_what_one_setting_for_all_tasks_costs():
    values = np.array([[[1.0, 0.0], [0.6, 0.7]], [[0.0, 1.0], [0.1, 0.2]]])
    found = sensitivity(table(grid(values)), resamples=10)
    assert found.tuned == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(found.cross, 0.65)
    np.testing.assert_allclose(found.sensitivity, 0.35)
    assert found.setting == "x=0+y=1" and found.setting_per_task == {"T0": "x=0+y=0", "T1": "x=1+y=0"}


@given(hnp.arrays(np.float64, (3, 2, 4), elements=st.floats(0.1, 1)))
def test_tuning_per_task_never_hurts(values: np.ndarray):
    arms = table(grid(values))
    found = sensitivity(arms, resamples=5)
    assert found.sensitivity.estimate >= -1e-12
    assert found.tuned.estimate == pytest.approx(values.max(axis=(0, 1)).mean())
    assert found.cross.estimate == pytest.approx(values.mean(axis=2).max())
    dimension = effective_dimension(arms)
    assert (np.diff(dimension.share) >= -1e-12).all() and dimension.share[-1] == pytest.approx(1)
    assert dimension.share[0] == pytest.approx(found.cross.estimate / found.tuned.estimate)
    assert 0 <= dimension.dimension <= 2 and len(dimension.hyperparameters) == dimension.dimension


def test_effective_dimension():
    best = np.array([0.0, 1.0])  # of y on each task; x does not matter
    values = np.array([[[1 - 0.5 * abs(y - b) - 0.01 * x for b in best] for y in (0, 1)] for x in (0, 1)])
    arms = table(grid(values))
    found = effective_dimension(arms)
    assert (found.dimension, found.hyperparameters) == (1, ("y",))
    np.testing.assert_allclose(found.share, [0.75, 1, 1])
    assert effective_dimension(arms, target=0.7).dimension == 0
    with pytest.raises(ConfigurationError, match="3 settings .* are not a full grid of 4"):
        effective_dimension(arms.select(arms=arms.arms[:3]))
    with pytest.raises(ConfigurationError, match="needs scores above 0"):
        effective_dimension(table(grid(values - 9)))
    with pytest.raises(ConfigurationError, match="'x=0\\+y=1' has no score on 'T1'"):
        hole = grid(values)
        hole["x=0+y=1"][1] = np.nan
        sensitivity(table(hole))


def test_settings_of_scores_from_elsewhere_are_read_from_names():
    named = lambda *arms: ScoreTable.of({arm: [1.0] for arm in arms})
    assert grid_settings(named("a.b=1+c=x=2")) == {"a.b=1+c=x=2": {"b": "1", "c": "x=2"}}
    with pytest.raises(ConfigurationError, match="Arm 'base' does not tell its settings"):
        grid_settings(named("base"))
    with pytest.raises(ConfigurationError, match="different hyperparameters"):
        grid_settings(named("a=1", "b=1"))
