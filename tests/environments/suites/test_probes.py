import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo import environments
from reppo.environments import Episodes
from reppo.environments.suites.probes.table import TASKS
from reppo.errors import ConfigurationError

ANY_POLICY = sorted(set(environments.PROBES) - {"BestAction", "BestChoice", "DelayedChoice", "NonFinite"})


@pytest.mark.parametrize("name", ANY_POLICY)
def test_value_is_the_discounted_return(name):
    """Bellman's equation along a rollout: V(s) = r + discount * (0 if terminated else V(true next s))."""
    task = environments.probe(name).make()
    episodes = Episodes(task)

    def body(state, key):
        action_key, step_key = jax.random.split(key)
        before = state.observation
        state, step = episodes.step(step_key, state, jax.random.uniform(action_key, (1,), minval=-1.0))
        after = task.value(step.final_observation, 0.9)
        return state, (task.value(before, 0.9), step.reward + jnp.where(step.terminated, 0.0, 0.9 * after), step)

    first = episodes.reset(jax.random.key(0), stagger=True)
    _, (value, backup, step) = jax.jit(lambda: jax.lax.scan(body, first, jax.random.split(jax.random.key(1), 40)))()
    np.testing.assert_allclose(value, backup, rtol=1e-5)
    low, high = task.reward_range
    assert (step.reward >= low).all() and (step.reward <= high).all()
    least, most = environments.probe(name).lasting_range
    goes_on = step.reward[~step.terminated]
    assert (goes_on >= least).all() and (goes_on <= most).all()
    assert len(np.unique(step.reward)) == (1 if name in ("ConstantReward", "TruncatedStep") else 2)


def test_values_that_theory_gives():
    value = lambda name, observation, **config: float(
        environments.probe(name, config).make().value(environments.Observation(jnp.asarray(observation)), 0.9)
    )
    assert value("ConstantReward", [1.0]) == pytest.approx(10)
    assert value("ConstantReward", [1.0], reward=-2) == pytest.approx(-20)
    assert value("TruncatedStep", [0.4]) == pytest.approx(10)
    assert value("TerminalStep", [1.0, 0.0, 0.0], length=3) == pytest.approx(0.81)
    assert value("Discounting", [0.0]) == pytest.approx(0.9)
    assert value("Discounting", [1.0]) == 1
    assert value("ObservationValue", [-1.0]) == -1
    assert value("DelayedChoice", [0.0, 0.0]) == pytest.approx(0.9)
    assert (value("DelayedChoice", [1.0, 1.0]), value("DelayedChoice", [1.0, 0.0])) == (1, 0)


@given(st.integers(0, 2**31 - 1), st.floats(-1, 1, width=32))
def test_no_action_beats_the_best_one(seed, other):
    task = environments.probe("BestAction").make()
    state, observation = task.reset(jax.random.key(seed))
    reward = lambda action: task.step(jax.random.key(0), state, action)[1].reward
    best = task.best_action(observation)
    assert abs(float(reward(best))) < 1e-6
    assert reward(jnp.asarray([other])) == pytest.approx(-((other - float(best[0])) ** 2), abs=1e-5)


def test_choices_are_rewarded_as_they_say():
    task = environments.probe("BestChoice").make()
    for seed in range(4):
        state, observation = task.reset(jax.random.key(seed))
        rewards = [task.step(jax.random.key(0), state, action)[1].reward for action in jnp.eye(3)]
        assert sorted(map(float, rewards)) == [-1, -1, 0]
        best = int(np.argmax(rewards))
        assert best == (int(jnp.argmax(observation.actor)) + 1) % 3 == int(jnp.argmax(task.best_action(observation)))
    task = environments.probe("DelayedChoice").make()
    for first in (0, 1):
        state, _ = task.reset(jax.random.key(0))
        state, one = task.step(jax.random.key(0), state, jnp.eye(2)[first])
        _, two = task.step(jax.random.key(0), state, jnp.eye(2)[1 - first])
        assert (float(one.reward), bool(one.terminated), float(two.reward), bool(two.terminated)) == (0, 0, first, 1)
        assert float(task.value(one.observation, 0.9)) == first


def test_truncated_step_is_cut_by_the_task():
    task = environments.probe("TruncatedStep", {"length": 2}).make()
    state, _ = task.reset(jax.random.key(0))
    cuts = []
    for _ in range(2):
        state, transition = task.step(jax.random.key(0), state, jnp.zeros(1))
        cuts.append((bool(transition.truncated), bool(transition.terminated)))
    assert cuts == [(False, False), (True, False)]


def test_critic_alone_sees_the_privileged_value():
    task = environments.probe("PrivilegedValue").make()
    _, observation = task.reset(jax.random.key(0))
    assert abs(observation.for_critic[0]) == 1 and observation.actor[0] == 0
    shapes = task.observation_shapes()
    assert shapes.actor.shape == (1,) and shapes.critic.shape == (2,)


def test_specs_are_checked_compared_and_made_once():
    spec = environments.probe("TerminalStep", {"length": 3})
    assert spec == environments.probe("TerminalStep", {"length": 3}) != environments.probe("TerminalStep")
    assert spec.make() is environments.probe("TerminalStep", {"length": 3}).make()
    assert (spec.name, spec.suite, spec.horizon, spec.reward_range) == ("TerminalStep@length=3", "probe", 3, (0, 1))
    with pytest.raises(ConfigurationError, match="Did you mean 'ConstantReward'"):
        environments.probe("ConstantRewards")
    with pytest.raises(ConfigurationError, match="Did you mean 'length'"):
        environments.probe("TerminalStep", {"lenght": 3})
    with pytest.raises(ConfigurationError, match="integer of at least 1"):
        environments.probe("TerminalStep", {"length": 0})
    with pytest.raises(ConfigurationError, match="Did you mean 'reward'"):
        environments.probe("NonFinite", {"part": "rewards"}).make()


def test_the_table_has_the_sizes_of_the_probes():
    for name, entry in TASKS.items():
        task = environments.probe(name).make()
        shapes = task.observation_shapes()
        assert (entry.observation, entry.action) == (shapes.actor.size, task.action_space.size), name
        assert entry.privileged == (None if shapes.critic is None else shapes.critic.size), name
