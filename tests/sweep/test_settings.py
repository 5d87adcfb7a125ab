"""What arms set is data of their runs."""

import pytest

from reppo import environments
from reppo.ablation import Ablation, grid, setting
from reppo.spec import replace_path
from reppo.sweep import Experiment
from reppo.sweep.experiment import Run
from tests.tiny import tiny_preset


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """The runs of arms that set values, or do something else, by arm."""

    no_discount = Ablation(  # not registered
        "settings/no_discount", "Does it matter?", ("algorithm.gamma",), "ours", "unknown",
        lambda spec: replace_path(spec, "algorithm.gamma", 0.5),
    )  # fmt: skip
    experiment = Experiment(
        name="settings",
        base=tiny_preset,
        environments=[environments.gymnax("Pendulum-v1")],
        arms=[*grid("reward_scale", [1e9, 0.5]), no_discount, no_discount + setting("reward_scale", 2.0)],
        steps=512,
    )
    return {run.arm: run for run in experiment.runs()}


def test_settings_are_whole_paths_with_values_in_json(runs: dict[str, Run]):
    (path,) = runs["reward_scale=1e9"].settings or ()
    assert path.startswith("algorithm.") and path.endswith("reward_scale")
    assert runs["reward_scale=1e9"].settings_in_json() == {path: 1e9}
    assert runs["reward_scale=0.5"].settings_in_json() == {path: 0.5}
    assert runs["base"].settings_in_json() == runs["settings/no_discount"].settings_in_json() == {}
    assert runs["reward_scale=2+settings/no_discount"].settings_in_json() == {path: 2.0}


def test_runs_of_a_plan_keep_them_and_those_of_older_ones_have_none(runs: dict[str, Run]):
    run = runs["reward_scale=1e9"]
    assert Run.from_json(run.to_json()).settings == run.settings
    old = {name: value for name, value in run.to_json().items() if name != "settings"}
    assert Run.from_json(old).settings_in_json() is None
