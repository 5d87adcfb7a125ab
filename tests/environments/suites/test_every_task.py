"""Every task of the control suite, and of gymnax with continuous actions, stepped with random actions."""

import equinox as eqx
import jax
import numpy as np
import pytest

from reppo import environments
from reppo.environments import GYMNAX, GYMNAX_DISCRETE, PLAYGROUND, Episodes
from reppo.environments.contract import cast_like, strengthen
from reppo.environments.suites import suite_of_task
from reppo.environments.suites.playground.physics import without_workspace

STEPS, LIMIT = 200, 150
CONTROL = [name for name, entry in PLAYGROUND.items() if entry.family == "control suite"]
CONTINUOUS = [name for name in GYMNAX if name not in GYMNAX_DISCRETE]
QUICK = ["CartpoleSwingup"]
# Playground starts every episode of these in the same state.
ONE_START = ["BallInCup", "HumanoidStand", "HumanoidWalk", "HumanoidRun"]


@eqx.filter_jit
def play(episodes, limits):
    keys = jax.random.split(jax.random.key(1), (STEPS, len(limits)))
    size = episodes.action_space.size
    actions = jax.random.uniform(jax.random.key(2), (STEPS, len(limits), size), minval=-1.0, maxval=1.0)
    first = jax.vmap(episodes.reset)(jax.random.split(jax.random.key(0), len(limits)))
    first = eqx.tree_at(lambda state: state.limit, first, limits)
    last, steps = jax.lax.scan(lambda state, x: jax.vmap(episodes.step)(x[0], state, x[1]), first, (keys, actions))
    return first, last, steps


def check_steps(spec):
    task = spec.make()
    limits = np.array([LIMIT, task.horizon], np.int32)
    first, last, steps = jax.tree.map(np.asarray, play(Episodes(task), limits))

    shapes = task.observation_shapes()
    for seen in (first.observation, last.observation, steps.observation, steps.final_observation):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(seen))
        assert jax.tree.map(lambda leaf: leaf.shape[-1:], seen) == jax.tree.map(lambda leaf: leaf.shape, shapes)
    low, high = spec.reward_range
    assert np.all((steps.reward >= low - 1e-5) & (steps.reward <= high + 1e-5))
    low, high = spec.lasting_range
    goes_on = steps.reward[~steps.terminated]
    assert np.all((goes_on >= low - 1e-5) & (goes_on <= high + 1e-5))
    assert not steps.nonfinite.any()
    entry = suite_of_task(spec.name).tasks[spec.name]
    assert entry.privileged is None and shapes.critic is None
    assert (entry.observation, entry.action) == (shapes.actor.size, task.action_space.size)
    starts_differ = not np.array_equal(first.observation.actor[0], first.observation.actor[1])
    assert starts_differ == (spec.name not in ONE_START)
    assert not np.array_equal(steps.observation.actor[0], steps.observation.actor[-1])

    # An episode ends at its time limit, if the task does not end it before, and the next one is a whole one.
    length = np.zeros(2, int)
    for step in range(STEPS):
        length += 1
        assert (steps.episode_length[step] == length).all()
        at_limit = length == limits
        assert (steps.truncated[step] == (at_limit & ~steps.terminated[step])).all()
        ended = steps.terminated[step] | steps.truncated[step]
        length[ended] = 0
        limits = np.where(ended, task.horizon, limits)
        assert np.array_equal(
            (steps.observation.actor[step] != steps.final_observation.actor[step]).any(axis=-1), ended
        )
    assert steps.truncated[LIMIT - 1, 0] or steps.terminated[:LIMIT, 0].any()


@eqx.filter_jit
def step_with_andwithout_workspace(environment, action):
    """The third state of an episode of Playground's own, and the same from a second one without its workspace."""
    task = environment.task
    with jax.numpy_rank_promotion("allow"):
        start = strengthen(task.reset(jax.random.key_data(jax.random.key(3))))
        without = lambda state: environment._with_workspace(without_workspace(state))
        pair = lambda state: jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), state, without(state))
        step = jax.vmap(lambda state: cast_like(task.step(state, action), start))
        states = jax.lax.fori_loop(
            0, 3, lambda _, now: step(pair(jax.tree.map(lambda leaf: leaf[0], now))), pair(start)
        )
    return without_workspace(states)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTROL)
def test_a_step_needs_nothing_of_the_workspace_that_the_state_leaves_out(name):
    environment = environments.playground(name, "jax").make()
    action = np.linspace(-0.5, 0.5, environment.action_space.size, dtype=np.float32)
    for leaf in jax.tree.leaves(step_with_andwithout_workspace(environment, action)):
        np.testing.assert_array_equal(leaf[0], leaf[1])
    jax.clear_caches()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_gymnax_task(name):
    check_steps(environments.gymnax(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_quick_task_of_the_control_suite(name):
    check_steps(environments.playground(name, "jax"))


@pytest.mark.slow  # compiles the physics of every task
@pytest.mark.parametrize("name", CONTROL)
def test_a_task_of_the_control_suite(name):
    check_steps(environments.playground(name, "jax"))
    jax.clear_caches()  # all these programs together are more than a process may map


def test_the_control_suite_is_whole():
    assert len(CONTROL) == 25 and len(CONTINUOUS) == 5
