"""Two experiments compared, and runs that end at other steps than others."""

from dataclasses import replace

import numpy as np
import pytest

from reppo.analysis import compare, compare_results, score_table, summary_table
from reppo.errors import ConfigurationError
from tests.analysis.runs import run


def going_to(end: int, seed: int, arm: str = "base", interval: int = 100, length: int | None = None):
    """A run that is evaluated at multiples of an interval and at its end, at the same steps with the same return."""
    steps = sorted({*range(0, end, interval), end})
    means = [float(np.random.default_rng([seed, step]).normal(step, 100)) for step in steps]
    one = run(arm, seed, means)
    every = np.repeat(steps, 2)
    return replace(
        one,
        record=replace(one.record, environment_steps=end, steps_per_iteration=length),
        evaluations=replace(one.evaluations, environment_steps=every, seconds=every / 10),
    )


def test_the_same_runs_to_another_length_do_not_differ():
    first, second = ([going_to(end, seed) for seed in range(4)] for end in (250, 470))
    for a, b in ((first, second), (second, first)):
        found = compare_results(a, b).differences
        assert {(row["estimate"], row["ties"], row["steps"]) for row in found.rows()} == {(0.0, 4, 200)}
        assert "base on E run A to" in str(found) and "steps and are compared at 200." in str(found)
    assert "Unequally long" not in str(compare_results(first, first).differences)


def test_a_task_without_a_later_evaluation_in_common_is_left_out():
    first, second = ([going_to(end, seed, interval=1000) for seed in range(2)] for end in (250, 400))
    with pytest.raises(ConfigurationError, match="no evaluation after the same number.*base on E run A to 250 and B"):
        compare_results(first, second)
    named = lambda runs: [replace(one, record=replace(one.record, environment="F")) for one in runs]
    found = compare_results([*first, *named(first)], [*second, *named(first)]).differences
    assert [row["task"] for row in found.rows()] == ["all tasks", "F"]
    assert "base on E run A to 250 and B to 400 steps and have no later evaluation in common" in str(found)


def test_arms_of_one_folder_that_end_at_other_steps_are_compared_where_both_were_evaluated():
    """One arm ended, as was asked, between two multiples of the interval; another went on and was killed."""
    results = [going_to(250, seed) for seed in range(3)] + [going_to(300, seed, "arm") for seed in range(3)]
    table = score_table(results)
    assert set(table.environment_steps.flat) == {200}
    assert [effect.estimate for effect in compare(table)] == [0.0, 0.0]
    assert {row.at_steps for row in summary_table(results)} == {200}


def test_where_iterations_differ_in_length_runs_are_compared_less_than_one_of_them_apart():
    results = [going_to(400, 0, length=100), going_to(390, 0, "rival", interval=130, length=130)]
    assert score_table(results).environment_steps.flatten().tolist() == [400, 390]
    results = [going_to(400, 0, length=100), going_to(260, 0, "rival", interval=130, length=130)]
    assert score_table(results).environment_steps.flatten().tolist() == [300, 260]
