"""Policies of discrete actions, from disk: they repeat what training recorded, act in numbers, and can be watched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from reppo import environments, presets
from reppo.policies import evaluate_policy, load_policy, render_episode
from reppo.results import RunFolder
from reppo.spec import replace_path
from reppo.sweep import Experiment, execute
from reppo.tracking import NoTracker
from tests.cli.calls import shown


def small(environment):
    """The preset, cut to a few networks' units and steps."""
    spec = presets.reppo_small(environment)
    changes = {"num_environments": 8, "rollout_length": 8, "actor.width": 8, "critic.width": 8, "value.num_bins": 11}
    changes |= {"batches.epochs": 1, "batches.num_minibatches": 2}
    for path, value in changes.items():
        spec = replace_path(spec, f"algorithm.{path}", value)
    return replace_path(replace_path(spec, "evaluation.interval", 128), "evaluation.episodes", 2)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "cartpole"
    task = environments.gymnax("CartPole-v1", {"max_steps_in_episode": 60})
    execute(Experiment(name="c", base=small, environments=[task], seeds=[0], steps=128), path, NoTracker())
    return next(path.glob("runs/base/*/seed0"))


@pytest.fixture(scope="module")
def policy(run):
    return load_policy(run, "last")


def test_a_policy_repeats_the_evaluation_that_training_recorded(run, policy):
    evaluations = RunFolder(run).read_evaluations()
    found = np.asarray(evaluate_policy(policy, seed=0).episode_return)
    last = evaluations.environment_steps == evaluations.curve()[0][-1]
    np.testing.assert_allclose(found, evaluations.returns[last], rtol=1e-4)


def test_an_action_is_the_number_of_the_most_probable_or_drawn_with_a_key(policy):
    seen = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    acted = jax.vmap(lambda one: policy(one))(seen)
    assert acted.shape == (50,) and acted.dtype == jnp.int32 and set(np.unique(acted)) <= {0, 1}
    inner = policy.policy
    logits = jax.vmap(lambda one: inner.actor(inner.normalizer(inner.statistics, one)))(jnp.asarray(seen))
    np.testing.assert_array_equal(acted, jnp.argmax(logits, axis=1))
    drawn = jax.vmap(lambda key: policy(seen[0], key))(jax.random.split(jax.random.key(0), 400))
    np.testing.assert_allclose(jnp.mean(drawn), jax.nn.softmax(logits[0])[1], atol=0.1)


def test_an_episode_can_be_watched(run, policy, tmp_path, capsys):
    rendered = render_episode(policy, tmp_path / "episode.gif", width=96, height=64)
    with Image.open(rendered.path) as image:
        assert image.n_frames == rendered.frames > rendered.episode_length // 4
    assert rendered.episode_length == rendered.episode_return > 1
    assert "best policy, 3 fresh episodes" in shown(capsys, "evaluate", str(run), "--episodes", "3")
