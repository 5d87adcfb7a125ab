"""The four axes, declared for two CPU cores: what is searched, what shares a program, and the example of its page."""

import importlib.util
import math
import re
from pathlib import Path

import pytest

from reppo.ablation import designs
from reppo.spec import expand_path, get_path
from reppo.sweep import Experiment
from reppo.training.lanes import compile_key
from tests.unchecked import as_users_run_it

ROOT = Path(__file__).parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def study():
    """The file of the experiment, which takes seconds to declare: types are not checked at every call."""
    with as_users_run_it():
        return load("four_axes")


def programs(experiment):
    """For each task and program what shares it."""
    found = {}
    for run in experiment.runs():
        found.setdefault((run.environment, compile_key(run.spec)), set()).add(run.group)
    return found


def test_every_algorithm_and_hybrid_has_eight_seeds_and_each_search_shares_the_program_of_its_default(study):
    experiment = study.experiment
    tasks, shared_by = {"CartpoleBalance", "CartpoleSwingup", "Pendulum-v1", "CartPole-v1"}, programs(experiment)
    assert {run.environment for run in experiment.runs()} == tasks == set(experiment.thresholds)
    hybrids = {hybrid.name for hybrid in study.HYBRIDS} | {f"ppo_small+{hybrid.name}" for hybrid in study.PPO_HYBRIDS}
    for task in tasks:
        runs = [run for run in experiment.runs() if run.environment == task]
        for arm in {"base", "ppo_small", *hybrids}:
            assert sorted(run.seed for run in runs if run.arm == arm) == list(range(8))
        for group in ("search", "ppo_small+search"):
            assert len([run for run in runs if run.group == group]) == study.SETTINGS
        shared = [groups for (name, _), groups in shared_by.items() if name == task]
        assert {"base", "search"} in shared and {"ppo_small", "ppo_small+search"} in shared
        assert len(shared) == 2 + len(hybrids)


@pytest.mark.parametrize(("space", "rival"), [("REPPO", "base"), ("PPO", "ppo_small")])
def test_ranges_span_the_same_factor_around_each_default(study, space, rival):
    """All but the weight of the entropy, which is 0, and the actor's rate where actions are discrete: it is lower."""
    space = getattr(study, space)
    assert len(space) == 6
    for environment in study.experiment.environments:
        start = study.experiment.starts(environment)[rival]
        for path, values in space.items():
            default = float(get_path(start, expand_path(start, path)))
            off = [path == "temperature.weight", environment.discrete and path == "actor_optimizer.learning_rate"]
            if isinstance(values, designs.LogUniform):
                assert values.low < default < values.high, path
                assert any(off) or math.sqrt(values.low * values.high) == pytest.approx(default, rel=1e-5), path
            elif path != "temperature.weight":
                horizons = [1 / (1 - value) for value in values]
                assert horizons[2] == pytest.approx(1 / (1 - default), rel=1e-4), path
                assert [b / a for a, b in zip(horizons, horizons[1:], strict=False)] == pytest.approx([2] * 4)


@pytest.mark.parametrize("name", ["four_axes_memory", "off_policy_memory"])
def test_memory_is_measured_at_sizes_with_a_program_of_their_own(name):
    experiment = load(name).experiment
    assert all(len(groups) == 1 for groups in programs(experiment).values())
    longest = max(run.spec.algorithm.steps_per_iteration for run in experiment.runs())
    assert experiment.steps == 2 * longest


def test_off_policy_algorithms_have_the_seeds_tasks_and_steps_of_the_others():
    experiment = load("off_policy").experiment
    arms = {run.arm for run in experiment.runs()}
    assert arms == {"base", "ppo_small", "sac_small", "fast_td3_small"} and experiment.steps == 200_000
    assert {run.environment for run in experiment.runs()} == set(experiment.thresholds)
    assert len(experiment.runs()) == len(arms) * len(experiment.thresholds) * 8


def test_the_example_of_the_page_is_an_experiment():
    (block,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "four-axes.md").read_text(), re.M | re.S)
    exec(compile(block, "four-axes.md", "exec"), made := {})
    assert isinstance(made["experiment"], Experiment) and len(made["experiment"].runs()) == 3 * 8 + 2 * 32
