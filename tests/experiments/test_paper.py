"""The paper's studies, declared for GPUs: resolved at full size, traced, and begun at a tiny one."""

import dataclasses
import importlib.util
from pathlib import Path

import equinox as eqx
import jax
import pytest

from reppo import environments
from reppo.environments import PLAYGROUND
from reppo.results import load_results
from reppo.spec import resolve
from reppo.sweep import execute
from reppo.tracking import NoTracker
from reppo.training import init, train_chunk
from reppo.training.plan import evaluation_points, total_iterations

FOLDER = Path(__file__).parents[2] / "experiments"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.experiment


CONTROL, HUMANOIDS = load("paper_control_suite"), load("paper_humanoids")


def test_the_control_suite_is_the_published_one():
    names = [environment.name for environment in CONTROL.environments]
    suite = {name for name, task in PLAYGROUND.items() if task.family == "control suite"}
    assert len(names) == 23 and suite - set(names) == {"PointMass", "SwimmerSwimmer6"}
    runs = CONTROL.runs()
    assert len(runs) == 828 == 9 * 23 * 4 and len({run.id for run in runs}) == 828
    for run in runs:
        assert run.spec.algorithm.steps_per_iteration in (1024 * 128, 1024 * 64, 1024 * 32)
        taken = total_iterations(run.spec, CONTROL.steps) * run.spec.algorithm.steps_per_iteration
        assert taken == 52_297_728
        assert len(evaluation_points(run.spec, CONTROL.steps)) == 21


def test_the_humanoids_are_the_published_ones():
    runs = HUMANOIDS.runs()
    assert len(runs) == 112 == 7 * 4 * 4 and len({run.id for run in runs}) == 112
    for run in runs:
        assert ("push_config.enable", False) in run.spec.environment.config
        assert run.spec.algorithm.steps_per_iteration in (1024 * 128, 1024 * 32)
        assert (round(float(run.spec.algorithm.gamma), 6), run.spec.algorithm.critic.width) == (0.97, 1024)


def traced(spec):
    """The shapes of a state and of a chunk's report; nothing is computed."""
    state = eqx.filter_eval_shape(init, spec, 0)
    new, report = eqx.filter_eval_shape(train_chunk, spec, state, 1)
    assert jax.tree.structure(eqx.filter(new, _abstract)) == jax.tree.structure(eqx.filter(state, _abstract))
    return state, report


def _abstract(leaf):
    return isinstance(leaf, jax.ShapeDtypeStruct)


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["base", *(arm.name for arm in CONTROL.arms)])
def test_the_control_suite_traces_at_full_size(arm):
    run = next(run for run in CONTROL.runs() if (run.environment, run.arm) == ("CartpoleSwingup", arm))
    state, report = traced(run.spec)
    assert state.episodes.clock.shape == (1024,)
    assert state.algorithm.learner.critic.encoder.linears[0].weight.shape == (512, 6)  # 5 observations, 1 action
    assert report.evaluated.episode_return.shape == (64,)


@pytest.mark.slow
def test_the_humanoids_settings_trace_at_full_size_where_the_critic_sees_more():
    """On a stand-in, as the robots' models are fetched apart."""
    stand_in = environments.probe("PrivilegedValue")
    for arm in (lambda spec: spec, *HUMANOIDS.arms):
        state, _ = traced(resolve(arm(HUMANOIDS.base(stand_in))))
        assert state.algorithm.learner.actor.mlp.linears[0].weight.shape == (512, 1)
        assert state.algorithm.learner.critic.encoder.linears[0].weight.shape == (1024, 3)
        assert state.algorithm.statistics.critic.mean.shape == (2,)


@pytest.mark.slow
@pytest.mark.parametrize("declared", [CONTROL, HUMANOIDS], ids=lambda e: e.name)
def test_the_first_chunk_runs_at_a_tiny_size(declared, tmp_path):
    tiny = (
        "num_environments=16",
        "rollout_length=8",
        "num_minibatches=4",
        "epochs=1",
        "algorithm.actor.width=16",
        "algorithm.critic.width=16",
        "interval=128",
        "episodes=2",
    )
    task = environments.playground("CartpoleSwingup") if declared is CONTROL else environments.probe("PrivilegedValue")
    experiment = dataclasses.replace(
        declared,
        environments=[task],
        arms=[arm for arm in declared.arms if arm.name in ("auxiliary/none", "updates/quarter_data")],
        seeds=[0],
        steps=128,
        overrides=tiny,
    )
    execute(experiment, tmp_path / "results", NoTracker())
    runs = load_results(tmp_path / "results")
    assert {run.record.arm for run in runs} == {"base", "auxiliary/none", "updates/quarter_data"}
    assert {run.record.status for run in runs} == {"finished"}
    assert all(run.record.environment_steps == 128 for run in runs)
