"""The tasks of gymnax with discrete actions: each is gymnax's own, step by step, with our ends of episodes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.environments import GYMNAX, GYMNAX_DISCRETE, Discrete, Episodes
from reppo.errors import ConfigurationError

STEPS, LIMIT = 120, 70
QUICK = ["CartPole-v1", "Breakout-MinAtar", "FrozenLake-misc"]
ALL = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in GYMNAX_DISCRETE]


@eqx.filter_jit
def play(episodes, limits):
    """Steps of episodes, and beside each what gymnax's own `step_env` gives there."""
    keys = jax.random.split(jax.random.key(1), (STEPS, len(limits)))
    number = episodes.action_space.size
    actions = jax.random.randint(jax.random.key(2), (STEPS, len(limits)), 0, number)
    often = jax.random.bernoulli(jax.random.key(3), 0.8, (STEPS,))
    actions = actions.at[:, 1].set(jnp.where(often, 1, actions[:, 1]))  # up, right, the second arm
    first = jax.vmap(episodes.reset)(jax.random.split(jax.random.key(0), len(limits)))
    first = eqx.tree_at(lambda state: state.limit, first, limits)
    raw = episodes.environment

    def both(state, key, action):
        with jax.numpy_rank_promotion("allow"):
            seen, _, reward, terminated, _ = raw.task.step_env(jax.random.split(key)[0], state.task, action, raw.params)
        state, step = episodes.step(key, state, jax.nn.one_hot(action, number))
        return state, (step, jnp.asarray(seen), reward, terminated)

    return first, *jax.lax.scan(lambda state, x: jax.vmap(both)(state, *x), first, (keys, actions))


@pytest.mark.parametrize("name", ALL)
def test_a_task_is_gymnax_step_by_step_and_ends_as_it_says(name):
    spec, entry = environments.gymnax(name), GYMNAX[name]
    task = spec.make()
    assert task is environments.gymnax(name).make() and task.action_space == Discrete(entry.action)
    assert (spec.discrete, spec.observes_image) == (True, entry.image is not None)
    limits = np.array([LIMIT, task.horizon, task.horizon], np.int32)
    first, last, (steps, seen, reward, terminated) = jax.tree.map(np.asarray, play(Episodes(task), limits))
    describe = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)
    assert describe(first) == describe(last)

    shape = task.observation_shapes().actor
    assert shape.dtype == np.float32 and shape.size == entry.observation
    assert entry.image is None or shape.shape == entry.image
    if name == "FrozenLake-misc":
        seen = np.eye(16)[seen]
    np.testing.assert_allclose(steps.final_observation.actor, seen, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(steps.reward, reward, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(steps.terminated, terminated)
    assert not steps.nonfinite.any()

    length, totals = np.zeros(3, int), [[0.0] for _ in range(3)]
    for step in range(STEPS):
        length += 1
        np.testing.assert_array_equal(steps.truncated[step], (length == limits) & ~steps.terminated[step])
        for lane in range(3):
            totals[lane].append(totals[lane][-1] + steps.reward[step, lane])
            check_pace(spec, totals[lane])
        ended = steps.terminated[step] | steps.truncated[step]
        for lane in np.flatnonzero(ended):
            totals[lane] = [0.0]
        length[ended], limits = 0, np.where(ended, task.horizon, limits)
    assert steps.truncated[LIMIT - 1, 0] or steps.terminated[:LIMIT, 0].any()

    if spec.reward_range is not None:
        within = lambda rewards, ends: np.all((rewards >= ends[0] - 1e-5) & (rewards <= ends[1] + 1e-5))
        assert within(steps.reward, spec.reward_range)
        assert within(steps.reward[~steps.terminated], spec.lasting_range)


def check_pace(spec, totals):
    """What came in the last steps, however many, is no more than the table allows."""
    if (pace := GYMNAX[spec.task].pace) is not None:
        gained = np.abs(totals[-1] - np.array(totals[:-1]))
        assert np.all(gained <= pace[0] * np.arange(len(gained), 0, -1) + pace[1] + 1e-5)


def test_returns_are_narrower_where_rewards_cannot_come_at_every_step():
    assert environments.gymnax("Breakout-MinAtar").return_range(0.99) == pytest.approx((0, 51))
    assert environments.gymnax("UmbrellaChain-bsuite").return_range(1.0) == (-10, 10)
    assert environments.gymnax("UmbrellaChain-bsuite").return_range(0.99) == pytest.approx((-10, 10))
    assert environments.gymnax("UmbrellaChain-bsuite", {"chain_length": 50}).return_range(0.99) == pytest.approx(
        (-100, 100)
    )
    limited = environments.gymnax("Breakout-MinAtar", {"max_steps_in_episode": 5})
    assert limited.return_range(0.99) == pytest.approx((0, 51)) and limited.return_range(1.0) is None
    assert environments.gymnax("GaussianBandit-misc").return_range(0.99) is None


def test_a_parameter_of_several_numbers_is_a_list():
    task = environments.gymnax("Acrobot-v1", {"available_torque": [-2.0, 0.0, 2.0]}).make()
    np.testing.assert_array_equal(task.params.available_torque, [-2, 0, 2])
    for wrong in ([1.0, 2.0], 3.0, ["a", "b", "c"]):
        with pytest.raises(ConfigurationError, match="'available_torque' of Acrobot-v1 is .*; give 3 numbers"):
            environments.gymnax("Acrobot-v1", {"available_torque": wrong}).make()
