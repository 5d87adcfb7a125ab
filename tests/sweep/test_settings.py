"""What arms set is data of their runs."""

import pytest

from reppo import environments
from reppo.ablation import Ablation, grid, setting
from reppo.losses import SupportFromRewards
from reppo.spec import replace_path, to_json
from reppo.sweep import Experiment
from reppo.sweep.experiment import Run
from tests.tiny import tiny_preset

PATH = "algorithm.reward_scale"


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
    assert runs["reward_scale=1e9"].settings == {PATH: 1e9}
    assert runs["reward_scale=0.5"].settings == {PATH: 0.5}
    assert runs["base"].settings == runs["settings/no_discount"].settings == {}
    assert runs["reward_scale=2+settings/no_discount"].settings == {PATH: 2.0}


def test_runs_of_a_plan_keep_them_and_those_of_older_ones_have_none(runs: dict[str, Run]):
    run = runs["reward_scale=1e9"]
    assert Run.from_json(run.to_json()).settings == run.settings
    old = {name: value for name, value in run.to_json().items() if name != "settings"}
    assert Run.from_json(old).settings is None
    assert Run.from_json(run.to_json() | {"settings": [PATH]}).settings is None


def test_what_is_set_in_a_component_that_is_resolved_is_data_too():
    arms = [setting("margin", 2.0), setting("support", SupportFromRewards(margin=3.0))]
    experiment = Experiment(
        name="settings",
        base=lambda task: replace_path(tiny_preset(task), "support", SupportFromRewards()),
        environments=[environments.gymnax("Pendulum-v1")],
        arms=arms,
        steps=512,
    )
    base, wider, widest = experiment.runs()
    assert wider.settings == {"algorithm.value.support.margin": 2.0}
    assert widest.settings == {"algorithm.value.support": to_json(SupportFromRewards(margin=3.0))}
    lows = [float(run.spec.algorithm.value.support.low) for run in (base, wider, widest)]
    assert [low / lows[0] for low in lows] == pytest.approx([1, 2 / 1.5, 2], rel=1e-5)
