"""Distributions of scores over settings, against what one would do by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo.analysis import ScoreTable, best_of_equals, search_scores, searches_of, share_interval, tuned_scores
from reppo.analysis.comparisons.searches import even_counts
from tests.analysis.runs import made_by, run

NAN = float("nan")
NUMBERS = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=6)


def table(default: list[float], own: list[float], others: list[float]) -> tuple[ScoreTable, dict[str, list[str]]]:
    """One seed for settings, more for the default, on one task."""
    seeds = max(1, len(default))
    row = lambda values: [[*values, *[NAN] * (seeds - len(values))]]
    scores = {"base": row(default), **{f"s{i}": row([x]) for i, x in enumerate(own)}}
    scores |= {f"rival+s{i}": row([x]) for i, x in enumerate(others)}
    searches = {"base": [f"s{i}" for i in range(len(own))], "rival": [f"rival+s{i}" for i in range(len(others))]}
    return ScoreTable.of(scores), {start: arms for start, arms in searches.items() if arms}


@settings(max_examples=60, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, st.integers(0, 9).map(float))
def test_shares_and_the_best_are_those_of_the_settings(default: list, own: list, others: list, threshold: float):
    one, other = search_scores(*table(default, own, others))
    for found, scores in ((one, own), (other, others)):
        assert found.scores.tolist() == scores and found.seeds == 1 and not found.missing and not found.diverged
        share = found.above(threshold)
        assert share.estimate == sum(score >= threshold for score in scores) / len(scores)
        assert share == share_interval(sum(score >= threshold for score in scores), len(scores))
        assert found.best(len(scores)) == pytest.approx(max(scores))
        assert found.best(1) == pytest.approx(np.mean(scores))
    assert one.default.tolist() == default and other.default.tolist() == []
    assert even_counts([one, other]) == {"task 0": min(len(own), len(others))}
    assert np.isnan(other.luck(1))  # no run of it has its default
    assert np.isnan(one.luck(1)) if len(default) < 2 else one.luck(2) == pytest.approx(best_of_equals(default, 2))


def test_settings_of_several_seeds_are_means_and_so_is_their_luck():
    scores = ScoreTable.of({"base": [[0.0, 8.0]], "a": [[1.0, 3.0]], "b": [[5.0, NAN]], "c": [[NAN, NAN]]})
    scores.present[3] = True
    found = search_scores(scores, {"base": ["a", "b", "c"]})[0]
    assert found.scores.tolist() == [2.0, 5.0] and found.settings == ("a", "b")
    assert (found.seeds, found.missing) == (2, 1)
    assert found.luck(1) == pytest.approx(4.0) and found.luck(2) == pytest.approx(best_of_equals([0.0, 8.0], 2, 2))


def test_settings_that_broke_the_simulation_each_time_count_as_the_worst():
    scores = ScoreTable.of({"base": [[0.0, 8.0]], "a": [[1.0, NAN]], "b": [[NAN, NAN]], "c": [[NAN, NAN]]})
    scores.present[2:, :, 0] = True
    broken = np.zeros(scores.scores.shape, np.int64)
    broken[2, 0, 0] = 4  # c has not been evaluated yet
    scores, searches = replace(scores, broken=broken), {"base": ["a", "b", "c"]}
    found = search_scores(scores, searches, {("b", "task 0"): -5.0, ("c", "task 0"): -5.0})[0]
    assert found.scores.tolist() == [1.0, -5.0] and (found.broken, found.missing, found.seeds) == (1, 1, 1)
    assert found.above(0.0).estimate == 0.5
    assert search_scores(scores, searches)[0].scores.tolist() == [1.0]


def test_luck_is_no_more_than_is_possible():
    scores = replace(ScoreTable.of({"base": [[0.0, 8.0]], "a": [[1.0, NAN]]}), limits={"task 0": (0.0, 9.0)})
    assert search_scores(scores, {"base": ["a"]})[0].luck(32) == 9.0


def test_luck_alone_is_what_equal_settings_gain():
    rng = np.random.default_rng(0)
    for seeds, number in ((30, 8), (8, 32)):  # as many as experiments have
        gains = []
        for _ in range(400):
            found = search_scores(*table(list(rng.normal(size=seeds)), list(rng.normal(size=number)), []))[0]
            gains.append(found.best(number) - found.luck(number))
        assert abs(np.mean(gains)) < 0.15


def test_over_tasks_tuning_is_measured_on_settings_that_all_have():
    scores = {"base": [[0.5], [0.5]], "a": [[0.9], [0.1]], "b": [[0.2], [0.8]], "c": [[1.0], [NAN]]}
    scores |= {"rival+a": [[0.3], [0.3]]}
    found = tuned_scores(ScoreTable.of(scores), {"base": ["a", "b", "c"], "rival": ["rival+a"]})
    assert [one.start for one in found] == ["base"]  # a single setting is no search
    assert (found[0].settings, found[0].default) == (2, 0.5)
    assert found[0].sensitivity.tuned.estimate == pytest.approx(0.85)
    assert found[0].sensitivity.cross.estimate == pytest.approx(0.5)
    assert np.isnan(found[0].sensitivity.tuned.low)  # of one seed, there is no interval
    absent = tuned_scores(ScoreTable.of({arm: scores[arm] for arm in ("a", "b")}), {"base": ["a", "b"]})
    assert np.isnan(absent[0].default)


def test_searches_belong_to_what_they_start_from():
    setting = {"search": True, "settings": {"algorithm.gamma": 0.5}}
    results = [
        made_by(run("base", 0, [1.0])),
        made_by(run("gamma=0.5", 0, [1.0]), "gamma=0.5", **setting),
        made_by(run("ours", 0, [1.0]), rival="ours"),
        made_by(run("ours+gamma=0.5", 0, [1.0]), "gamma=0.5", rival="ours", **setting),
        made_by(run("ours+kl/no_kl", 0, [1.0]), "kl/no_kl", rival="ours"),
        made_by(run("lost+gamma=0.5", 0, [1.0]), "gamma=0.5", rival="lost", **setting),
    ]
    expected = {"base": ["gamma=0.5"], "lost": ["lost+gamma=0.5"], "ours": ["ours+gamma=0.5"]}
    assert searches_of(results) == expected
    assert list(searches_of(results, "ours")) == ["ours", "base", "lost"]
    assert searches_of(results[1:]) == expected
