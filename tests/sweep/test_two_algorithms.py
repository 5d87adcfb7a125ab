"""An experiment of two algorithms: trained, continued, exported and reported like one of two presets."""

import dataclasses

import numpy as np
import pytest

import reppo
from reppo import environments, presets
from reppo.ablations import kl, ppo
from reppo.analysis import build_report
from reppo.errors import ConfigurationError
from reppo.results import load_results
from reppo.sweep import Experiment, Rival, execute
from reppo.tracking import NoTracker
from tests.tiny import tiny_ppo, tiny_preset

TASK = environments.probe("BestAction")


def tiny_rival(environment):
    return dataclasses.replace(tiny_preset(environment), algorithm=tiny_ppo())


def declare(steps=512, **changes):
    settings = {"name": "both", "base": tiny_preset, "rivals": [Rival(tiny_rival, name="ppo")], "seeds": [0]}
    return Experiment(**(settings | {"environments": [TASK], "steps": steps} | changes))


def test_a_study_of_both_goes_on_exports_and_reports(tmp_path):
    execute(declare(256), tmp_path, NoTracker())
    execute(declare(512), tmp_path, NoTracker())
    results = load_results(tmp_path)
    records = {run.record.arm: run.record for run in results}
    assert set(records) == {"base", "ppo"}
    assert all((one.status, one.environment_steps) == ("finished", 512) for one in records.values())
    watched = {arm: {one["metric"] for one in record.watched or []} for arm, record in records.items()}
    assert "actor/clipped" in watched["ppo"] - watched["base"] and "actor/kl" in watched["ppo"] & watched["base"]
    policy = reppo.load_policy(tmp_path / "runs" / "ppo" / TASK.name / "seed0")
    assert np.abs(policy(np.zeros(1, np.float32))).max() <= 1
    report = build_report(results, title="both")
    assert "ppo" in repr(report)


def test_ablations_of_one_algorithm_are_refused_for_the_other_with_the_cure():
    with pytest.raises(ConfigurationError, match=r"'ppo/no_clip' touches .*not a path of Reppo.*it is a path of Ppo"):
        declare(arms=[ppo.no_clip]).runs()
    with pytest.raises(ConfigurationError, match=r"'kl/gate_only' changes nothing in this base"):
        declare(rivals=[Rival(presets.ppo_small, arms=[kl.gate_only])]).runs()
    arms = {run.arm for run in declare(rivals=[Rival(tiny_rival, name="ppo", arms=[ppo.no_clip])]).runs()}
    assert arms == {"base", "ppo", "ppo+ppo/no_clip"}
