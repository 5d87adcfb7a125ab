import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reppo.analysis import (
    AGGREGATES,
    interval,
    iqm,
    mean,
    median,
    optimality_gap,
    performance_profiles,
    pooled_iqm,
    probability_of_improvement,
    run_median,
    task_iqm,
)
from tests.analysis.score_tables import table

GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "rliable.json").read_text())
values = st.floats(-1e6, 1e6).map(lambda value: round(value, 9))  # none so small that its square vanishes
lists = st.lists(values, min_size=1, max_size=21).map(np.array)
arrays = hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=values)


@st.composite
def ragged(draw: st.DrawFn) -> np.ndarray:
    """Scores with holes, but not without any."""
    scores = draw(arrays).copy()
    holes = draw(hnp.arrays(np.bool_, scores.shape))
    scores[holes & (np.arange(scores.size).reshape(scores.shape) > 0)] = np.nan
    return scores


@given(lists)
def test_iqm_is_the_mean_of_the_middle_half(scores: np.ndarray):
    ordered = sorted(scores.tolist())
    cut = len(ordered) // 4
    kept = ordered[cut : len(ordered) - cut]
    assert float(iqm(scores)) == pytest.approx(sum(kept) / len(kept), abs=1e-6)
    assert float(iqm(scores)) == pytest.approx(stats.trim_mean(scores, 0.25), rel=1e-12, abs=1e-9)
    slack = 1e-9 * (1 + np.abs(scores).max())
    assert kept[0] - slack <= iqm(scores) <= kept[-1] + slack  # between the trimmed extremes


def test_iqm_ignores_outliers_but_not_unknown_scores():
    assert iqm(np.array([1.0, 2.0, 3.0, 1e9])) == 2.5
    assert iqm(np.array([-np.inf, 2.0, 3.0, np.inf])) == 2.5
    assert np.isnan(iqm(np.array([1.0, 2.0, 3.0, np.nan])))
    with pytest.raises(ValueError, match="of no scores"):
        iqm(np.array([]))


def test_iqm_along_an_axis():
    scores = np.random.default_rng(0).normal(size=(3, 8, 2))
    assert iqm(scores, axis=1).shape == (3, 2)
    assert iqm(scores, axis=1)[2, 1] == pytest.approx(float(iqm(scores[2, :, 1])))


@given(ragged())
def test_aggregates_equal_a_slow_reference(scores: np.ndarray):
    tasks = [task[~np.isnan(task)] for task in scores if not np.isnan(task).all()]
    expected = {
        pooled_iqm: stats.trim_mean(np.concatenate(tasks), 0.25),
        task_iqm: stats.trim_mean([stats.trim_mean(task, 0.25) for task in tasks], 0.25),
        mean: np.mean([task.mean() for task in tasks]),
        median: np.median([task.mean() for task in tasks]),
        run_median: np.median([np.median(task) for task in tasks]),
        optimality_gap: np.mean([np.maximum(1 - task, 0).mean() for task in tasks]),
    }
    assert set(expected) == set(AGGREGATES.values())
    for aggregate, value in expected.items():
        assert float(aggregate(scores)) == pytest.approx(value, rel=1e-9, abs=1e-6), aggregate


@given(ragged(), st.randoms(use_true_random=False))
def test_the_order_of_runs_and_tasks_does_not_matter(scores: np.ndarray, random):
    rows, columns = list(range(scores.shape[0])), list(range(scores.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = scores[np.ix_(rows, columns)]
    for aggregate in AGGREGATES.values():
        for method in ("percentile", "widened", "bca"):
            first, second = (interval(s, aggregate, method=method, resamples=50) for s in (scores, shuffled))
            np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-5)


@given(ragged(), st.floats(0.01, 100), st.floats(-1e3, 1e3))
def test_aggregates_and_intervals_follow_an_affine_rescaling(scores: np.ndarray, scale: float, shift: float):
    for name, aggregate in AGGREGATES.items():
        if name == "optimality_gap":
            continue
        for method in ("percentile", "widened") if aggregate is not mean else ("student",):
            first = np.array(interval(scores, aggregate, method=method, resamples=50))
            second = interval(scale * scores + shift, aggregate, method=method, resamples=50)
            slack = 1e-8 * (scale * np.nanmax(np.abs(scores)) + abs(shift) + 1) * 100
            np.testing.assert_allclose(scale * first + shift, second, rtol=1e-7, atol=slack)


def test_a_batch_is_many_arrays():
    scores = np.random.default_rng(0).normal(size=(3, 4, 5))
    scores[1, 2, 1:] = np.nan
    for aggregate in AGGREGATES.values():
        np.testing.assert_allclose(aggregate(scores), [aggregate(own) for own in scores])


def test_the_two_iqms_differ_where_tasks_do():
    scores = np.concatenate([np.zeros((3, 4)), np.full((1, 4), 100.0)])
    assert pooled_iqm(scores) == 0 and task_iqm(scores) == 0
    scores[0, :3] = 50.0  # one task's runs disagree: pooled trims them, the task's own mean keeps them
    assert pooled_iqm(scores) != task_iqm(scores)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["kind"])
def test_rliable_computes_the_same(case: dict):
    scores, others = np.array(case["scores"]), np.array(case["others"])
    for name, value in case["points"].items():
        assert float(AGGREGATES[name](scores)) == pytest.approx(value, abs=1e-12)
        own = interval(scores, AGGREGATES[name], method="percentile", resamples=20_000, seed=1)
        # The standard error of a 2.5% quantile of 20000 draws, of either package, is below 1/40 of the width.
        slack = (case["high"][name] - case["low"][name]) / 40
        assert own.low == pytest.approx(case["low"][name], abs=slack), name
        assert own.high == pytest.approx(case["high"][name], abs=slack), name
    arms = table({"b": others, "a": scores})
    overall, *_ = probability_of_improvement(arms, resamples=10)
    assert overall.estimate == pytest.approx(case["probability_of_improvement"], abs=1e-12)
    profile = performance_profiles(arms, np.array(case["thresholds"]), resamples=10)[1]
    np.testing.assert_allclose(profile.share, case["profile"], atol=1e-12)


@given(ragged())
def test_a_profile_is_the_share_of_runs_above(scores: np.ndarray):
    thresholds = np.array([-1e5, -1.0, 0.0, 1.0, 1e5])
    (profile,) = performance_profiles(table({"base": scores}), thresholds, resamples=20, tasks="own")
    tasks = [task[~np.isnan(task)] for task in scores if not np.isnan(task).all()]
    expected = [np.mean([(task > t).mean() for task in tasks]) for t in thresholds]
    np.testing.assert_allclose(profile.share, expected, atol=1e-12)
    assert (np.diff(profile.share) <= 1e-12).all()
    assert (profile.low <= profile.high).all()


@given(arrays, st.integers(0, 2**32), st.booleans())
def test_probabilities_of_improvement_sum_to_one(scores: np.ndarray, seed: int, paired: bool):
    others = np.random.default_rng(seed).choice(scores.ravel(), scores.shape)  # with ties
    arms = table({"a": scores, "b": others})
    forward, backward = (probability_of_improvement(arms, base, paired=paired, resamples=5) for base in ("a", "b"))
    for first, second in zip(forward, backward, strict=True):
        assert first.estimate + second.estimate == pytest.approx(1)
        assert first.task == second.task
    expected = [stats.mannwhitneyu(b, a).statistic / len(a) ** 2 for a, b in zip(scores, others, strict=True)]
    if not paired:
        assert forward[0].estimate == pytest.approx(np.mean(expected))
