"""Policies from disk: what they do is what training recorded."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import reppo
from reppo import environments
from reppo.algorithms.contract import AbstractAlgorithm
from reppo.environments import Episodes
from reppo.errors import ConfigurationError
from reppo.policies import evaluate_policy, evaluation, load_policy
from reppo.policies.trained import TrainedPolicy
from reppo.results import RunFolder
from reppo.rollout import AbstractPolicy
from reppo.spec import from_json, to_json


@pytest.fixture(scope="module")
def run(pendulum_results):
    return pendulum_results / "runs" / "base" / "Pendulum-v1" / "seed1"


@pytest.fixture(scope="module")
def policy(run):
    return reppo.load_policy(run, which="last")


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "seed1")


@pytest.mark.parametrize("which", ["last", "best"])
def test_a_policy_repeats_the_evaluation_that_training_recorded(run, which):
    evaluations = RunFolder(run).read_evaluations()
    policy = load_policy(run, which)
    found = np.asarray(evaluate_policy(policy, seed=policy.record.seed).episode_return)
    steps, means = evaluations.curve()
    at = steps[-1] if which == "last" else steps[np.argmax(means)]
    np.testing.assert_allclose(found, evaluations.returns[evaluations.environment_steps == at], rtol=1e-4)


def test_more_episodes_begin_with_the_same_and_another_seed_has_others(policy):
    four = np.asarray(evaluate_policy(policy).episode_return)
    six = np.asarray(evaluate_policy(policy, episodes=6).episode_return)
    np.testing.assert_allclose(six[:4], four, rtol=1e-4)
    assert len(set(six.round(2))) == 6
    own, other = (evaluate_policy(policy, seed=seed).episode_return for seed in (policy.record.seed, 7))
    assert len({round(float(value), 1) for value in [*four, *own, *other]}) == 12  # fresh, its own, another seed's


def test_an_evaluation_is_compiled_once_for_policies_that_are_alike(run, monkeypatch):
    traced, own = [], evaluation.evaluate
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments: traced.append(1) or own(*arguments))
    for which in ("last", "best"):
        for seed in (1, 2):
            evaluate_policy(load_policy(run, which), episodes=3, seed=seed)
    assert len(traced) == 1


def test_actions_are_in_the_bounds_of_the_task_and_drawn_only_with_a_key(policy):
    observations = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32) * 5
    actions = np.asarray(jax.vmap(policy)(observations))
    assert actions.shape == (200, 1) and np.abs(actions).max() <= 2.0
    one = observations[0]
    np.testing.assert_array_equal(policy(one), policy(one))
    np.testing.assert_allclose(policy(one), actions[0], rtol=1e-4, atol=1e-6)
    first, second = policy(one, jax.random.key(0)), policy(one, jax.random.key(1))
    assert first != second and (first != policy(one) or second != policy(one))
    np.testing.assert_array_equal(first, policy(one, jax.random.key(0)))


def test_actions_are_those_of_training_in_other_units(policy):
    """Pendulum's torque is from -2 to 2; the algorithm acts in [-1, 1]."""
    state = Episodes(policy.environment).reset(jax.random.key(3))
    unit, _, _ = policy.policy((), state.observation, jax.random.key(0), True)
    np.testing.assert_allclose(policy(state.observation), 2 * unit, rtol=1e-5)
    np.testing.assert_allclose(policy(np.asarray(state.observation.actor)), 2 * unit, rtol=1e-5)


def test_a_list_is_an_observation(policy):
    np.testing.assert_array_equal(policy([0.1, 0.2, 0.3]), policy(jnp.array([0.1, 0.2, 0.3])))


def test_an_observation_of_another_shape_is_refused(policy):
    with pytest.raises(ConfigurationError, match=r"Pendulum-v1 has the shape \(3,\), and this one has \(2, 3\).*vmap"):
        policy(np.zeros((2, 3)))


def test_a_policy_with_a_memory_is_asked_for_it(policy):
    class Remembering(AbstractAlgorithm):
        num_environments: int = 1
        rollout_length: int = 1

        def init(self, key, environment): ...

        def policy(self, state): ...

        def update(self, state, trajectory, key): ...

    class Acting(AbstractPolicy):
        def __call__(self, memory, observation, key, deterministic):
            return observation.actor[:1] * 0 + memory.sum() / 10, memory + 1, None

        def start(self, key):
            return jnp.zeros(2)

    spec = dataclasses.replace(policy.spec, algorithm=Remembering())
    remembering = TrainedPolicy(Acting(), spec, policy.environment, policy.record, "last")
    with pytest.raises(ConfigurationError, match=r"remembers its episode.*memory = policy\.start\(\)"):
        remembering(np.zeros(3))
    action, memory = remembering.act(remembering.start(), np.zeros(3))
    assert action == 0
    action, memory = remembering.act(memory, np.zeros(3))
    assert action == np.float32(0.4)  # 2 of memory, over 10, in torque up to 2
    del reppo.Component.registry["Remembering"]


def edit_record(folder, **changes):
    data = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(data | changes))


def other_spec(folder, **fields):
    spec = from_json(json.loads((folder / "record.json").read_text())["spec"])
    return to_json(dataclasses.replace(spec, algorithm=dataclasses.replace(spec.algorithm, **fields)))


def test_a_policy_of_another_spec_is_refused_even_if_all_shapes_agree(copy):
    edit_record(copy, spec=other_spec(copy, gamma=0.5))
    with pytest.raises(ConfigurationError, match=r"was written by the spec \w{12}, but the record .* the spec \w{12}"):
        load_policy(copy)


def test_arrays_that_do_not_fit_are_named(copy):
    path = copy / "policy" / "last.npz"
    arrays = dict(np.load(path))
    name = next(name for name in arrays if name.endswith("weight"))
    np.savez(path, **(arrays | {name: np.zeros((3, 3), np.float32)}))
    with pytest.raises(ConfigurationError, match=rf"{name} is float32\[3, 3\], not float32\["):
        load_policy(copy, "last")
    del arrays[name]
    np.savez(path, **arrays)
    with pytest.raises(ConfigurationError, match=f"{name} is missing"):
        load_policy(copy, "last")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no archive at all"])
def test_a_damaged_file_is_named(copy, content):
    (copy / "policy" / "best.npz").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"best\.npz' cannot be read: .*Restore it from a copy"):
        load_policy(copy)


def test_what_is_no_run_is_refused_with_what_is(copy, pendulum_results, tmp_path):
    with pytest.raises(ConfigurationError, match="There is no folder .*Give the folder of a run"):
        load_policy(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="no folder of a run: it has no record.json"):
        load_policy(tmp_path)
    with pytest.raises(ConfigurationError, match=r"whole experiment. Give one of its 2 runs, such as .*seed0'"):
        load_policy(pendulum_results)
    with pytest.raises(ConfigurationError, match="Unknown policy 'beste'. Did you mean 'best'"):
        load_policy(copy, "beste")
    shutil.rmtree(copy / "policy")
    with pytest.raises(ConfigurationError, match="has no best policy: .*best.npz' is missing. A run writes"):
        load_policy(copy)


def test_numbers_of_episodes_and_seeds_are_checked(policy):
    with pytest.raises(ConfigurationError, match="number of episodes is 0; give at least 1"):
        evaluate_policy(policy, episodes=0)
    with pytest.raises(ConfigurationError, match="seed is -1; give a whole number from 0"):
        evaluate_policy(policy, seed=-1)


def test_the_environment_of_a_policy_is_its_run_s(policy):
    assert policy.spec.environment == environments.gymnax("Pendulum-v1")
    assert policy.record.seed == 1 and policy.which == "last"
