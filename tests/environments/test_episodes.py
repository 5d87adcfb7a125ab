from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo import environments
from reppo.component import static
from reppo.environments import Box, Episodes, Observation, Transition

STEPS, HORIZON = 14, 5


@final
class Scripted(environments.AbstractEnvironment):
    """Does what the action says: terminate, truncate, give NaN. Observes where it started and how far it is."""

    horizon: int = static(default=HORIZON)
    action_space: Box = static(default=Box.unit(4))
    reward_range: tuple[float, float] | None = static(default=None)
    cheap: bool = static(default=False)

    @property
    def metric_names(self):
        return ("square",)

    @property
    def resets_cheaply(self):
        return self.cheap

    def reset(self, key):
        start = jax.random.uniform(key)
        return (start, jnp.zeros(())), Observation(jnp.stack([start, 0.0]), start[None])

    def step(self, key, state, action):
        terminate, truncate, nan, reward = action
        start, count = state[0], state[1] + 1
        bad = jnp.where(nan > 0, jnp.nan, 0.0)
        transition = Transition(
            observation=Observation(jnp.stack([start, count]), (start + bad)[None]),
            reward=reward,
            terminated=terminate > 0,
            truncated=truncate > 0,
            metrics={"square": reward**2},
        )
        return (start, count), transition


@eqx.filter_jit
def rollout(environment, seed, actions, stagger):
    episodes = Episodes(environment)
    first = episodes.reset(jax.random.key(seed), stagger)
    keys = jax.random.split(jax.random.key(seed + 1), STEPS)
    last, steps = jax.lax.scan(lambda state, x: episodes.step(x[0], state, x[1]), first, (keys, actions))
    return first, last, steps


FLAG = st.sampled_from([-1.0, -1.0, -1.0, 1.0])
ACTION = st.tuples(FLAG, FLAG, FLAG, st.floats(-1, 1, width=32))
SCRIPT = st.lists(ACTION, min_size=STEPS, max_size=STEPS)


@given(st.integers(0, 2**31 - 2), SCRIPT, st.booleans(), st.booleans())
def test_rollout_is_that_of_a_slow_reference(seed, script, stagger, cheap):
    actions = np.float32(script)
    first, _, steps = rollout(Scripted(cheap=cheap), np.int32(seed), actions, stagger)  # traced: one compilation
    assert 1 <= first.limit <= HORIZON
    assert stagger or first.limit == HORIZON
    steps = jax.tree.map(np.asarray, steps)
    limit, observation = int(first.limit), np.asarray(first.observation.actor)
    stored = [] if cheap else list(np.asarray(first.next_starts[1].actor))
    ends = 0
    clock, total, square, complete = 0, np.float32(0), np.float32(0), limit == HORIZON
    for t, (terminate, truncate, nan, reward) in enumerate(actions):
        clock += 1
        nan = nan > 0
        true_next = observation if nan else observation + np.float32([0, 1])
        reward = np.float32(0 if nan else reward)
        terminated = terminate > 0 and not nan
        truncated = not terminated and (truncate > 0 or nan or clock >= limit)
        total, square = total + reward, square + (0 if nan else reward**2)

        assert steps.nonfinite[t] == nan
        assert steps.terminated[t] == terminated and steps.truncated[t] == truncated
        assert not (steps.terminated[t] and steps.truncated[t])
        assert steps.ended[t] == (terminated or truncated)
        np.testing.assert_array_equal(steps.final_observation.actor[t], true_next)
        np.testing.assert_array_equal(steps.final_observation.critic[t], true_next[:1])
        assert steps.reward[t] == reward
        assert steps.episode_length[t] == clock
        assert steps.complete[t] == complete
        np.testing.assert_allclose(steps.episode_return[t], total, atol=1e-5)
        np.testing.assert_allclose(steps.episode_metrics["square"][t], square, atol=1e-5)

        if terminated or truncated:
            fresh = steps.observation.actor[t]
            assert fresh[1] == 0
            if cheap:
                assert fresh[0] != observation[0]
            else:
                np.testing.assert_array_equal(fresh, stored[ends % len(stored)])
            ends += 1
            observation, clock, limit, complete = fresh, 0, HORIZON, True
            total = square = np.float32(0)
        else:
            observation = true_next
            np.testing.assert_array_equal(steps.observation.actor[t], observation)


@settings(max_examples=10)
@given(st.integers(0, 2**31 - 1))
def test_stagger_moves_the_clock_and_nothing_else(seed):
    episodes = Episodes(Scripted(horizon=1000))
    plain, staggered = (episodes.reset(jax.random.key(seed), stagger) for stagger in (False, True))
    assert plain.limit == 1000 and 1 <= staggered.limit <= 1000
    without = lambda state: eqx.tree_at(lambda old: old.limit, state, 0)
    assert eqx.tree_equal(without(plain), without(staggered))


def test_staggered_environments_do_not_end_together():
    episodes = Episodes(Scripted(horizon=1000))
    limits = jax.vmap(lambda key: episodes.reset(key, True).limit)(jax.random.split(jax.random.key(0), 2000))
    assert len(np.unique(limits)) > 800
    assert abs(float(limits.mean()) - 500.5) < 30  # five standard errors of a uniform draw


@settings(max_examples=10)
@given(st.integers(0, 2**31 - 2))
def test_starts_that_are_stored_are_other_ones_and_nothing_else_changes(seed):
    episodes = Episodes(Scripted())
    state, other = (episodes.reset(jax.random.key(number)) for number in (seed, seed + 1))
    state = eqx.tree_at(lambda old: old.starts_used, state, jnp.asarray(2))
    assert len(np.unique([*state.next_starts[1].actor[:, 0], state.observation.actor[0]])) == 4 + 1
    renewed = state.with_starts(other.next_starts)
    assert eqx.tree_equal(renewed.next_starts, other.next_starts) and renewed.starts_used == 0
    assert state.with_starts(None).next_starts is None
    drawn = episodes.refresh(jax.random.key(seed), state)
    assert len(np.unique([*state.next_starts[1].actor[:, 0], *drawn.next_starts[1].actor[:, 0]])) == 4 + 4
    without = lambda old: eqx.tree_at(lambda state: (state.next_starts, state.starts_used), old, ((), 0))
    assert all(eqx.tree_equal(without(state), without(after)) for after in (renewed, drawn)) and drawn.starts_used == 0


@given(st.integers(0, 2**31 - 2), st.integers(1, 3))
def test_episodes_that_follow_each_other_begin_differently(seed, length):
    """Up to as many as there are stored starts."""
    actions = jnp.full((STEPS, 4), -1.0)
    first, last, steps = rollout(Scripted(horizon=length), np.int32(seed), actions, False)
    starts = np.asarray(steps.observation.actor[:, 0])[np.asarray(steps.ended)]
    assert len(starts) == STEPS // length
    assert len(np.unique([float(first.observation.actor[0]), *starts[:4]])) == 5
    np.testing.assert_array_equal(starts[4:8], starts[:4][: len(starts[4:8])])  # then those come again


def test_environments_of_a_batch_differ_and_the_state_can_be_carried():
    episodes = Episodes(Scripted())
    keys = jax.random.split(jax.random.key(0), 4)
    state = jax.vmap(episodes.reset)(keys)
    assert len(np.unique(state.observation.actor[:, 0])) == 4
    after, _ = jax.vmap(episodes.step)(keys, state, jnp.full((4, 4), -0.5))
    shapes = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.aval.weak_type), tree)
    assert shapes(state) == shapes(after)


@pytest.mark.parametrize("size", [1e12, -1e20, np.inf, np.nan])
def test_an_absurd_number_ends_the_episode_before_it_is_infinite(size):
    class Exploding(environments.AbstractEnvironment):
        horizon: int = static(default=9)
        action_space: Box = static(default=Box.unit(1))
        reward_range: tuple[float, float] | None = static(default=(-2.0, 1.0))

        def reset(self, key):
            return jnp.zeros(()), Observation(jnp.zeros(1))

        def step(self, key, state, action):
            observation = Observation(jnp.where(action > 0, size, 1e6))
            return state, Transition(observation, jnp.ones(()), jnp.asarray(False), jnp.asarray(False), {})

    episodes = Episodes(Exploding())
    state = episodes.reset(jax.random.key(0))
    state, step = episodes.step(jax.random.key(1), state, jnp.zeros(1))
    assert not step.nonfinite and step.final_observation.actor == 1e6
    state, step = episodes.step(jax.random.key(2), state, jnp.ones(1))
    assert step.nonfinite and step.truncated and step.final_observation.actor == 1e6
    assert step.reward == -2  # the least there is: nothing is gained by breaking the simulation


def test_a_part_that_is_not_finite_is_caught_wherever_it_is():
    for part in ("state", "observation", "reward"):
        episodes = Episodes(environments.probe("NonFinite", {"part": part}).make())
        state = episodes.reset(jax.random.key(0))
        for clock in (1, 2, 3):
            before = state.observation
            state, step = episodes.step(jax.random.key(clock), state, jnp.zeros(1))
            assert step.nonfinite == step.truncated == (clock == 3)
        assert eqx.tree_equal(step.final_observation, before)
        assert step.reward == 0 and step.episode_return == 2 and not step.terminated
        assert jnp.isfinite(state.observation.actor).all() and state.task[1] == 0
