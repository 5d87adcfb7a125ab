"""Searches over the hyperparameters of the base and of rivals: from declaration to records."""

import dataclasses
import json

import numpy as np
import pytest

from ablations import kl
from reppo import environments
from reppo.ablation import designs, setting
from reppo.analysis import apart, load_report, searches_of
from reppo.errors import ConfigurationError
from reppo.results import ResultsFolder, load_results
from reppo.results.status import format_status, read_status
from reppo.spec import Evaluation, Spec
from reppo.sweep import Experiment, Rival, execute
from reppo.sweep.batches import arrange_batches
from reppo.sweep.execution import Execution
from reppo.sweep.experiment import Run
from reppo.sweep.forecast import forecast, format_forecast
from reppo.sweep.plan import look_ahead
from reppo.tracking import LaneReport, NoTracker
from reppo.tracking.returns import ArmReturns
from tests.tiny import tiny_ppo, tiny_preset

TASK = environments.probe("BestAction")
OWN = designs.random_search({"gamma": designs.Uniform(0.9, 0.99), "kl_bound": [0.05, 0.2]}, 3)
THEIRS = designs.random_search({"gamma": designs.Uniform(0.9, 0.99), "ratio_clip": designs.Uniform(0.1, 0.3)}, 2)


def second(environment):
    return Spec(environment=environment, algorithm=tiny_ppo(), evaluation=Evaluation(interval=256, episodes=4))


def declare(**changes):
    settings = {
        "name": "searched",
        "base": tiny_preset,
        "arms": [kl.no_kl],
        "search": OWN,
        "rivals": [Rival(second, search=THEIRS)],
        "environments": [TASK],
        "thresholds": {"BestAction": 5.0},
        "seeds": 2,
        "steps": 256,
    }
    return Experiment(**(settings | changes))


def counts(experiment):
    found = {}
    for run in experiment.runs():
        found[run.group] = found.get(run.group, 0) + 1
    return found


def test_settings_of_a_search_are_runs_of_its_seeds_that_share_the_program_of_what_they_start_from():
    experiment = declare()
    assert counts(experiment) == {"base": 2, "kl/no_kl": 2, "search": 3, "second": 2, "second+search": 2}
    settings = [run for run in experiment.runs() if run.search]
    assert {run.seed for run in settings} == {0}
    assert [run.arm for run in settings if run.rival] == [f"second+{arm.name}" for arm in THEIRS]
    assert all(len(run.settings) == 2 for run in settings)
    assert Run.from_json(json.loads(json.dumps(settings[0].to_json()))) == settings[0]
    assert counts(declare(search_seeds=[1], seeds=[4, 1])) == counts(experiment)
    assert counts(declare(search_seeds=2))["search"] == 6
    planned = forecast(experiment, arrange_batches(experiment.runs(), Execution("map", 16, 1)), Execution("map", 16, 1))
    assert [group.arms for group in planned.groups] == [("base", "search"), ("kl/no_kl",), ("second", "second+search")]
    assert [(group.runs, group.searched) for group in planned.groups] == [(5, 3), (2, 0), (4, 2)]
    assert "5 runs (3 of searches) in 1 of the batches" in format_forecast(planned)


def test_progress_shows_a_search_as_one():
    batch = arrange_batches(declare().runs(), Execution("map", 16, 1))[0]
    assert batch.label == "BestAction base, search" and batch.groups == ["base", "search"] and len(batch.arms) == 4
    lane = LaneReport(run_id="", arm=batch.arms[1], environment="E", seed=0, returns=[2.0], group="search")
    returns = ArmReturns()
    returns.take_in([lane, dataclasses.replace(lane, run_id="b", returns=[4.0]), dataclasses.replace(lane, group="")])
    assert returns.in_words("E", ["search"]) == "search 3.00"
    assert returns.in_words("E", [batch.arms[1]]) == f"{batch.arms[1]} 2.00"


def test_a_search_changes_no_other_run():
    ids = lambda experiment: {(run.arm, run.seed): run.id for run in experiment.runs() if not run.search}
    assert ids(declare()) == ids(declare(search=(), rivals=[second]))


ARMS = {"base": 1, "kl/no_kl": 1, "second": 1}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"arms": ["search"]}, {"base": 2, "search": 3}),
        ({"arms": ["second+search"]}, {"base": 2, "second": 2, "second+search": 2}),
        ({"arms": ["kl/no_kl", "second"]}, {"base": 2, "kl/no_kl": 2, "second": 2}),
        ({"arms": [OWN[1].name, "kl/no_kl"]}, {"base": 2, "kl/no_kl": 2, "search": 1}),
        ({"seeds": [1, 2]}, {"base": 2, "kl/no_kl": 2, "second": 2}),
        ({"seeds": [0], "overrides": ["lam=0.5"]}, ARMS | {"search": 3, "second+search": 2}),
        ({"seeds": [3], "overrides": ["lam=0.5"], "environments": ["BestAction"]}, ARMS),
    ],
)  # fmt: skip
def test_parts_are_chosen_by_the_name_of_a_search_and_by_its_seeds(chosen, expected):
    assert counts(declare().select(**chosen)) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": [kl.no_kl]}, "search has 'kl/no_kl', which does not set values alone; give settings"),
        ({"search": [OWN[0], setting("gamma", 0.5)]}, "of different hyperparameters: gamma, kl_bound and gamma"),
        ({"search": OWN[0]}, "search must be a list"),
        ({"search": [*OWN, OWN[0]]}, "An arm is listed twice: gamma="),
        ({"search": designs.random_search({"ratio_clip": [0.1, 0.2]}, 2)}, "touches ratio_clip, which is not a"),
        ({"rivals": [Rival(second, name="other", arms=THEIRS, search=THEIRS)]}, "listed twice: other\\+gamma"),
        ({"search_seeds": 3}, "search_seeds are 3; give a number from 1 to that of its seeds, 2"),
        ({"search_seeds": 0}, "search_seeds are 0"),
        ({"search_seeds": [2]}, r"search_seeds are \(2,\); give some of its seeds"),
        ({"search_seeds": [0, 0]}, "each once"),
        ({"search_seeds": []}, "give some of its seeds"),
        ({"search_seeds": None}, "must be a number or a list, not None"),
        ({"thresholds": {"BestActoin": 1.0}}, "Unknown environment 'BestActoin'.*threshold"),
        ({"thresholds": {"BestAction": float("nan")}}, "threshold of BestAction is nan; give a finite number"),
        ({"thresholds": {"BestAction": True}}, "threshold of BestAction is True"),
        ({"thresholds": [1.0]}, "must be returns by environment"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_search_is_refused_at_declaration(changes, message, unchecked):
    with pytest.raises(ValueError, match=message):
        declare(**changes)


def test_no_rival_is_named_as_a_search_is(unchecked):
    with pytest.raises(ValueError, match="other than 'base' and 'search'"):
        Rival(second, name="search")
    with pytest.raises(ValueError, match="The search of the rival 'second' has 'kl/no_kl'"):
        Rival(second, search=[kl.no_kl])


@pytest.mark.slow
def test_records_tell_settings_from_arms_and_the_report_holds_them_apart(tmp_path):
    experiment = declare()
    execute(experiment, tmp_path / "r", NoTracker())
    results = load_results(tmp_path / "r")
    arms, searched = apart(results)
    assert {run.record.arm for run in arms} == {"base", "kl/no_kl", "second"} and len(searched) == 5
    assert searches_of(results) == {
        "base": [arm.name for arm in sorted(OWN, key=lambda arm: arm.name)],
        "second": [f"second+{arm.name}" for arm in sorted(THEIRS, key=lambda arm: arm.name)],
    }
    assert ResultsFolder.open(tmp_path / "r").read_experiment()["thresholds"] == {"BestAction": 5.0}
    rows = format_status(read_status(tmp_path / "r"), 100).splitlines()
    assert [row.split() for row in rows[3:8]] == [
        ["base", "2", "done"], ["kl/no_kl", "2", "done"], ["search", "3", "done"], ["second", "2", "done"],
        ["second+search", "2", "done"],
    ]  # fmt: skip
    found = load_report(tmp_path / "r")
    assert {finding.arm for finding in found.findings} == {"second", "kl/no_kl"}
    assert len(found.runs) == 11 and {row["settings"] for row in found.table("searches").rows()} == {2, 3}
    assert np.isfinite(found.table("axes")["mean_seconds_to_it"]).all()
    execute(dataclasses.replace(experiment, thresholds={}), tmp_path / "r", NoTracker())  # stays as it was written down
    assert load_report(tmp_path / "r").table("axes")["threshold"] == [5.0] * 3
    later = dataclasses.replace(experiment, thresholds={"BestAction": 4.0})  # as would suit what was found
    for look in (lambda: execute(later, tmp_path / "r", NoTracker()), lambda: look_ahead(later, tmp_path / "r")):
        with pytest.raises(ConfigurationError, match="on BestAction it was 5 and is now 4. Write them as before"):
            look()
