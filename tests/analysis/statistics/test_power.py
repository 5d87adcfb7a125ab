"""The chance to find a difference, and the seeds it takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reppo.analysis import (
    paired_power,
    plan_seeds,
    seeds_needed,
    sign_flip_test,
)
from tests.analysis.score_tables import table


@pytest.mark.parametrize(
    ("ratio", "pairs", "tasks", "level"),
    [(2.0, 6, 1, 0.05), (1.5, 8, 1, 0.05 / 3), (1.0, 11, 1, 0.05), (1.5, 4, 2, 0.05), (1.0, 7, 2, 0.05 / 3)],
)
def test_the_power_is_that_of_the_test_that_is_made(ratio: float, pairs: int, tasks: int, level: float):
    """Near its limit a sign-flip test finds less than Student's, whose power was claimed."""
    rng = np.random.default_rng(1)
    found = [sign_flip_test(rng.normal(ratio, 1, (tasks, pairs)), seed=i).p < level for i in range(500)]
    claimed = paired_power(ratio, 1.0, pairs, tasks, level)
    assert claimed == pytest.approx(np.mean(found), abs=0.06) and 0.4 < claimed < 0.99


def test_the_power_of_many_pairs_is_students():
    rng = np.random.default_rng(0)
    samples = rng.normal(1.0, 1.5, (20_000, 18))
    rejected = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    assert paired_power(1.0, 1.5, 18) == pytest.approx(rejected.mean(), abs=0.01)
    assert paired_power(0.0, 1.0, 18) == 0.05 and paired_power(0.0, 1.0, 5) == 0.0
    freedom, shift = 17, np.sqrt(18) / 1.5
    limit = stats.t.ppf(0.975, freedom)
    exact = stats.nct.sf(limit, freedom, shift) + stats.nct.cdf(-limit, freedom, shift)
    assert paired_power(1.0, 1.5, 18) == pytest.approx(exact, abs=1e-3)


def test_what_too_few_pairs_can_never_show_has_no_power():
    for deviation in (0.0, 1e-6, 1.0):
        assert [paired_power(1e6, deviation, pairs) for pairs in (1, 4, 5, 6)] == [0, 0, 0, 1]
    assert paired_power(1e6, 1.0, 6, level=0.05 / 3) == 0 and paired_power(1e6, 1.0, 3, tasks=2) == 1
    base = np.arange(4.0)[None]
    (plan, _) = plan_seeds(table({"base": base, "arm": base + [[1.0, 1.1, 0.9, 1.0]]}), 1.0)
    assert plan.power_now == 0 and plan.seeds == 6


@given(st.floats(0.1, 3), st.floats(0.2, 3), st.sampled_from([1, 5]), st.sampled_from([0.5, 0.8, 0.95]))
def test_the_seeds_needed_are_the_fewest_that_suffice(effect: float, deviation: float, tasks: int, power: float):
    seeds = seeds_needed(effect, deviation, tasks, power=power)
    if seeds is None:
        assert paired_power(effect, deviation, 10_000, tasks) < 1
        return
    assert paired_power(effect, deviation, seeds, tasks) >= power
    assert paired_power(effect, deviation, seeds - 1, tasks) < power


def test_cohens_table():
    # Cohen 1988: 34 pairs find d = 0.5 with power 0.8 at 0.05, two-sided, and 199 pairs d = 0.2.
    assert (seeds_needed(0.5, 1.0), seeds_needed(0.2, 1.0)) == (34, 199)
    assert seeds_needed(1e-6, 1.0) is None
    # However large the effect: as many pairs as the sign-flip test needs to reject at all.
    assert [seeds_needed(99.0, 1.0, tasks, level=level) for tasks, level in ((1, 0.05), (1, 0.01), (3, 0.05))] == [
        6,
        8,
        2,
    ]
