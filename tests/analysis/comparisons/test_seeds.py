"""How many seeds each comparison needs."""

import numpy as np
import pytest
from scipy import stats

from reppo.analysis import (
    paired_power,
    plan_seeds,
    seeds_needed,
)
from reppo.errors import ConfigurationError
from tests.analysis.score_tables import table

NAN = float("nan")


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
