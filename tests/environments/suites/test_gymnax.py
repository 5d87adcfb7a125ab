import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo import environments
from reppo.environments import Episodes
from reppo.errors import ConfigurationError

STEPS = 20


def _signature(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False)), tree)


@jax.jit
def _both(seed, actions):
    import gymnax

    ours = environments.gymnax("Pendulum-v1").make()
    theirs, params = gymnax.make("Pendulum-v1")
    key = jax.random.key(seed)
    state, observation = ours.reset(key)
    raw_observation, raw = theirs.reset_env(key, params)

    def body(carry, x):
        key, action = x
        (state, raw) = carry
        state, transition = ours.step(key, state, action)
        expected, raw, reward, terminated, _ = theirs.step_env(key, raw, 2 * action, params)
        pairs = (transition.observation.actor, transition.reward, transition.terminated), (expected, reward, terminated)
        return (state, raw), pairs

    raw = jax.tree.map(jnp.asarray, raw)
    keys = jax.random.split(key, STEPS)
    _, pairs = jax.lax.scan(body, (state, raw), (keys, actions))
    return (observation.actor, raw_observation), pairs


@given(st.integers(0, 2**31 - 1), st.lists(st.floats(-1, 1, width=32), min_size=STEPS, max_size=STEPS))
def test_pendulum_is_gymnax_step_by_step(seed, actions):
    (first, expected_first), (ours, theirs) = _both(seed, np.float32(actions)[:, None])
    np.testing.assert_allclose(first, expected_first, rtol=1e-6)
    for value, expected in zip(ours, theirs):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(environments.GYMNAX) - set(environments.GYMNAX_DISCRETE)))
def test_states_keep_their_types_and_rewards_their_range(name):
    spec = environments.gymnax(name)
    task = spec.make()
    assert task is environments.gymnax(name).make()
    assert (spec.horizon, spec.reward_range) == (task.horizon, task.reward_range)
    episodes = Episodes(task)

    def run(key):
        state = episodes.reset(key, stagger=True)
        actions = jax.random.uniform(key, (STEPS, task.action_space.size), minval=-1.5, maxval=1.5)
        keys = jax.random.split(key, STEPS)
        return state, jax.lax.scan(lambda state, x: episodes.step(x[0], state, x[1]), state, (keys, actions))

    first, (last, steps) = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 3))
    assert _signature(first) == _signature(last)
    low, high = task.reward_range
    assert (steps.reward >= low - 1e-5).all() and (steps.reward <= high + 1e-5).all()
    shapes = task.observation_shapes()
    assert shapes.actor.dtype == jnp.float32 and shapes.actor.shape == first.observation.actor.shape[1:]
    assert len(np.unique(np.asarray(first.observation.actor), axis=0)) == 3


def test_parameters_change_the_task():
    spec = environments.gymnax("Pendulum-v1", {"max_torque": 1, "max_steps_in_episode": 50})
    task = spec.make()
    assert (spec.horizon, task.horizon) == (50, 50)
    assert spec.reward_range is None  # the torque moves it
    assert task.action_space.high == (1.0,)
    assert task.params.max_torque.dtype == np.float32
    assert spec.name == "Pendulum-v1@max_steps_in_episode=50,max_torque=1"
    assert spec == environments.gymnax("Pendulum-v1", {"max_steps_in_episode": 50, "max_torque": 1})
    assert hash(spec) == hash(environments.gymnax("Pendulum-v1", {"max_steps_in_episode": 50, "max_torque": 1}))


def test_a_reward_that_comes_only_with_the_end_is_counted_once_in_the_returns():
    spec = environments.gymnax("MountainCarContinuous-v0")
    assert (spec.reward_range, spec.lasting_range) == ((-0.1, 100.0), (-0.1, 0.0))
    np.testing.assert_allclose(spec.return_range(0.99), (-10, 100))
    np.testing.assert_allclose(spec.return_range(0.0), (-0.1, 100))
    assert spec.return_range(1.0) is None
    task = spec.make()

    def step(state, key):  # pushes in the direction of motion, which swings the car up
        action = jnp.where(state.velocity < 0, -1.0, 1.0)[None]
        state, transition = task.step(key, state, action)
        return state, (transition.reward, transition.terminated)

    state = task.reset(jax.random.key(0))[0]
    _, (rewards, ends) = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(jax.random.key(1), 200)))(state)
    last = int(np.argmax(ends))
    assert ends[last] and rewards[last] > 99
    np.testing.assert_allclose(rewards[:last], -0.1, rtol=1e-5)
    changed = environments.gymnax("MountainCarContinuous-v0", {"max_action": 2.0})
    assert changed.reward_range is changed.lasting_range is changed.return_range(0.99) is None


def test_names_and_parameters_are_checked():
    with pytest.raises(ConfigurationError, match="fetches its images from the network.* Pendulum-v1"):
        environments.gymnax("MNISTBandit-bsuite")
    with pytest.raises(ConfigurationError, match="Did you mean 'Pendulum-v1'"):
        environments.gymnax("Pendulum-v0")
    with pytest.raises(ConfigurationError, match="Did you mean 'max_torque'"):
        environments.gymnax("Pendulum-v1", {"max_torqe": 1.0}).make()
    with pytest.raises(ConfigurationError, match="'max_torque' .* of type str; give one of type float"):
        environments.gymnax("Pendulum-v1", {"max_torque": "high"}).make()
    with pytest.raises(ConfigurationError, match="integer of at least 1"):
        environments.gymnax("Pendulum-v1", {"max_steps_in_episode": 0})


def test_reading_specs_imports_no_simulator():
    program = (
        "import sys; from reppo import environments as e; "
        "specs = [e.gymnax('Pendulum-v1'), e.playground('CartpoleBalance', randomize=False)]; "
        "assert [s.reward_range is not None and s.horizon and s.name for s in specs]; "
        "assert not {'gymnax', 'mujoco', 'mujoco_playground', 'warp'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
