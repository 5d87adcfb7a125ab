"""What arms set is read from their records, whatever their names look like."""

from dataclasses import replace

import pytest

from reppo.analysis import effective_dimension, grid_settings, score_table, training_diagnostics
from reppo.analysis.curves.diagnostics import watched_metrics
from reppo.analysis.scores.arms import arms_in_order, named_settings, settings_of, short_paths
from reppo.results import Metrics, RunData
from tests.analysis.runs import run, runs

PATH, TASK = "algorithm.reward_scale", "environment.task"


def setting(one: RunData, settings: dict | None, *ablations: str) -> RunData:
    return replace(one, record=replace(one.record, settings=settings, ablations=list(ablations)))


def grid(old: bool = False) -> list[RunData]:
    """Two hyperparameters whose values print with plus and equals signs, each at two values, on two tasks."""
    found = [one for task in "AB" for seed in (0, 1) for one in [run("base", seed, [1.0], task)]]
    for scale, text in ((1e9, "1e+09"), (2e8, "2e+08")):
        for value in ("a+b", "c=d+e"):
            ablations = (f"reward_scale={text}", f"task={value}")
            settings = None if old else {PATH: scale, TASK: value}
            for task in "AB":
                level = 9.0 if (value == "a+b") == (task == "A") else 1.0
                found += [setting(one, settings, *ablations) for one in runs("+".join(ablations), [level] * 2, task)]
    return found


def test_values_with_plus_and_equals_signs_are_settings():
    table = score_table(grid())
    arms = [arm for arm in table.arms if arm != "base"]
    assert arms[0] == "reward_scale=2e+08+task=a+b"  # in the order of numbers
    assert table.settings[arms[0]] == {PATH: 2e8, TASK: "a+b"} and "base" not in table.settings
    chosen = table.select(arms=arms)
    assert grid_settings(chosen)["reward_scale=1e+09+task=c=d+e"] == {"reward_scale": 1e9, "task": "c=d+e"}
    found = effective_dimension(chosen)
    assert (found.dimension, found.hyperparameters) == (1, ("task",))


def test_a_report_has_the_sensitivity_of_such_arms(report):
    found = report(grid(), bounds={"A": (0.0, 10.0), "B": (0.0, 10.0)})
    assert "these 4 settings reach 0.900" in found.section("sensitivity").text
    assert "Tuning task per task is enough for 95% of it." in found.section("sensitivity").text


def test_records_that_are_older_than_settings_are_read_by_the_names_of_their_arms(report):
    assert settings_of(grid(old=True)) == {}  # `a+b` is taken for two ablations
    old = [setting(one, None, "x=1") for one in runs("x=1", [1.0])]
    new = [setting(one, {"algorithm.x": 2}, "x=2") for one in runs("x=2", [1.0])]
    assert settings_of(new) == {"x=2": {"algorithm.x": 2}}
    assert settings_of([*old, *new]) == {"x=1": {"x": "1"}, "x=2": {"x": "2"}}  # of one kind
    assert named_settings("kl/no_kl+x=1") is None


def test_an_arm_that_does_more_than_set_values_is_no_setting():
    mixed = [setting(one, {"algorithm.x": 2}, "kl/no_kl", "x=2") for one in runs("kl/no_kl+x=2", [1.0])]
    assert settings_of(mixed) == {}


def of_rival(one: RunData, rival: str) -> RunData:
    return replace(one, record=replace(one.record, rival=rival))


def test_settings_of_a_rival_are_not_the_bases():
    own = [setting(one, {PATH: 2.0}, "x=2") for one in runs("x=2", [1.0])]
    others = [of_rival(setting(one, {PATH: 2.0}, "x=2"), "rival") for one in runs("rival+x=2", [9.0])]
    results = [*runs("base", [1.0]), *[of_rival(one, "rival") for one in runs("rival", [9.0])], *own, *others]
    assert score_table(results).settings == {"x=2": {PATH: 2.0}}
    assert score_table(results, base="rival").settings == {"rival+x=2": {PATH: 2.0}}


def test_arms_of_a_rival_stand_behind_it():
    results = [*runs("base", [1.0]), *[setting(one, {"a.x": 9}, "x=9") for one in runs("x=9", [1.0])]]
    for rival in ("other", "ant"):
        results += [of_rival(one, rival) for one in runs(rival, [1.0])]
        for value in (10, 9):
            own = runs(f"{rival}+x={value}", [1.0])
            results += [of_rival(setting(one, {"a.x": value}, f"x={value}"), rival) for one in own]
    assert arms_in_order(results, "base") == [
        "base", "ant", "ant+x=9", "ant+x=10", "other", "other+x=9", "other+x=10", "x=9",
    ]  # fmt: skip


def test_arms_are_in_the_order_of_what_they_set():
    values = {"x=1e-05": 1e-5, "x=0.1": 0.1, "x=F(10)": {"component": "F"}, "x=1e+09": 1e9, "x=-2": -2}
    results = [setting(one, {"algorithm.x": v}, name) for name, v in values.items() for one in runs(name, [1.0])]
    results += [*runs("base", [1.0]), *runs("v10", [1.0]), *runs("v2", [1.0])]
    assert arms_in_order(results, "base") == [
        "base", "v2", "v10", "x=-2", "x=1e-05", "x=0.1", "x=1e+09", "x=F(10)",
    ]  # fmt: skip


def test_paths_are_shortened_as_long_as_they_differ():
    paths = ["algorithm.actor.width", "algorithm.critic.width", "algorithm.lam"]
    assert list(short_paths(paths).values()) == ["actor.width", "critic.width", "lam"]


@pytest.mark.parametrize("watched", [None, []])
def test_metrics_that_no_record_names_are_not_looked_at_and_old_records_are_a_caveat(watched, report):
    import numpy as np

    from reppo.analysis import build_report

    results = [replace(one, record=replace(one.record, watched=watched)) for one in runs("base", [5.0, 6.0])]
    ones = np.ones(1)
    metrics = [Metrics(np.array([100]), ["actor/kl"], ones, ones, ones)] * 2
    assert watched_metrics(results) == [] and training_diagnostics(results, metrics) == {}
    found = build_report(results, metrics=metrics)
    said = [text for text in found.caveats if text.startswith("2 of 2 runs are of a version whose records did not")]
    assert len(said) == (watched is None)
