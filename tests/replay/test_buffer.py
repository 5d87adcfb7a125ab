"""A buffer gives back exactly what went in: over wrap-around, both kinds of ends, and environments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo.environments import Box, Interface, Observation
from reppo.errors import ConfigurationError
from reppo.replay import UniformReplay
from reppo.rollout import Trajectory

ENVIRONMENTS, LENGTH, RING, GAMMA = 2, 3, 11, 0.5
REPLAY = UniformReplay(capacity=ENVIRONMENTS * RING + 1)  # the rest of the division is not used
ENDS = st.lists(  # of each rollout, for each step and environment: goes on, terminated, truncated
    st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=LENGTH * ENVIRONMENTS, max_size=LENGTH * ENVIRONMENTS),
    min_size=1,
    max_size=9,
)


def interface(shape=()):
    seen = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    return Interface(Observation(seen, jax.ShapeDtypeStruct((1,), jnp.int32)), Box((-1.0,), (1.0,)))


def shown(number):
    """An observation that is told by its number."""
    return Observation(np.stack([number, -number], -1).astype(np.float32), number[..., None].astype(np.int32))


class Slowly:
    """All steps that ever were, each with what followed it, in plain lists for each environment."""

    def __init__(self, environments):
        self.steps = [[] for _ in range(environments)]
        self.now = [1000.0 * (1 + e) for e in range(environments)]

    def rollout(self, ends):
        """The next rollout; `ends` is `[time, environment]`."""
        rows = []
        for row in ends:
            for environment, end in enumerate(row):
                now = self.now[environment]
                number = len(self.steps[environment])
                self.steps[environment].append((now, number, end, now + 1))
                self.now[environment] = now + (3 if end else 1)  # another episode begins elsewhere
            rows.append([steps[-1] for steps in self.steps])
        now, number, end, then = np.moveaxis(np.array(rows), -1, 0)
        return Trajectory(
            observation=jax.tree.map(jnp.asarray, shown(now)),
            action=jnp.asarray(np.sin(now)[..., None], jnp.float32),
            extras=(),
            reward=jnp.asarray(1 + number % 7, jnp.float32),
            terminated=jnp.asarray(end == 1),
            truncated=jnp.asarray(end == 2),
            final_observation=jax.tree.map(jnp.asarray, shown(then)),
        )

    def kept(self, environment, ring):
        """Numbers of the steps for whose observations, and those that followed ends and the last, there is room."""
        steps, used = self.steps[environment], 1
        for number in reversed(range(len(steps))):
            used += 1 + bool(steps[number][2] and number < len(steps) - 1)
            if used > ring:
                return range(number + 1, len(steps))
        return range(len(steps))

    def expected(self, environment, number, steps):
        """Reward, discount and next observation of a step, by hand."""
        reward, discount = 0.0, 1.0
        for at in range(number, min(number + steps, len(self.steps[environment]))):
            _, own, end, then = self.steps[environment][at]
            reward += discount * (1 + own % 7)
            discount *= 0.0 if end == 1 else GAMMA
            if end:
                break
        return reward, discount, then


@functools.cache
def compiled():
    add = jax.jit(REPLAY.add, donate_argnums=0)
    draw = jax.jit(lambda stored, key: [REPLAY.draw(stored, 256, steps, GAMMA, key) for steps in (1, 3)])
    return add, draw


def check(slowly, stored, ring, drawn, steps):
    found = set()
    for row in range(len(drawn.reward)):
        start = float(drawn.observation.actor[row, 0])
        environment = int(start // 1000) - 1
        number = [step[0] for step in slowly.steps[environment]].index(start)
        reward, discount, then = slowly.expected(environment, number, steps)
        assert drawn.reward[row] == pytest.approx(reward) and drawn.discount[row] == pytest.approx(discount)
        np.testing.assert_array_equal(drawn.observation.critic[row], [start])
        np.testing.assert_array_equal(drawn.next_observation.actor[row], [then, -then])
        np.testing.assert_array_equal(drawn.next_observation.critic[row], [then])
        np.testing.assert_allclose(drawn.action[row], [np.sin(start)], rtol=1e-6)
        found.add((environment, number))
    return found


@settings(max_examples=60, deadline=None)
@given(ENDS)
def test_what_is_drawn_is_what_went_in(rollouts):
    add, draw = compiled()
    slowly, stored = Slowly(ENVIRONMENTS), REPLAY.init(interface(), ENVIRONMENTS)
    for ends in rollouts:
        stored = add(stored, slowly.rollout(np.reshape(ends, (LENGTH, ENVIRONMENTS))))
    expected = {(e, number) for e in range(ENVIRONMENTS) for number in slowly.kept(e, RING)}
    assert REPLAY.size(stored) == len(expected)
    for steps, drawn in zip((1, 3), draw(stored, jax.random.key(len(rollouts)))):
        found = check(slowly, stored, RING, jax.tree.map(np.asarray, drawn), steps)
        assert found == expected  # 256 rows of at most 20 steps: one is missed once in 25 000


def test_rollouts_of_one_step_are_kept_as_well():
    replay = UniformReplay(capacity=5 * 3)
    slowly, stored = Slowly(3), replay.init(interface(), 3)
    add = jax.jit(replay.add, donate_argnums=0)
    draw = jax.jit(lambda stored, key: replay.draw(stored, 128, 2, GAMMA, key))
    for number in range(12):
        ends = np.array([[number % 4 == 3, 2 * (number % 5 == 2), 1]])
        stored = add(stored, slowly.rollout(ends))
        expected = {(e, step) for e in range(3) for step in slowly.kept(e, 5)}
        drawn = jax.tree.map(np.asarray, draw(stored, jax.random.key(number)))
        assert check(slowly, stored, 5, drawn, 2) == expected


def test_every_step_is_as_likely_as_any_other():
    """Also where environments have kept numbers of steps that differ, since one ends more episodes."""
    add, _ = compiled()
    slowly, stored = Slowly(ENVIRONMENTS), REPLAY.init(interface(), ENVIRONMENTS)
    for _ in range(6):
        stored = add(stored, slowly.rollout(np.array([[0, 1], [0, 2], [0, 1]])))
    steps = [len(slowly.kept(e, RING)) for e in range(ENVIRONMENTS)]
    assert steps[0] > steps[1] + 3
    drawn = REPLAY.draw(stored, 40_000, 1, GAMMA, jax.random.key(0))
    _, counts = np.unique(np.asarray(drawn.observation.actor[:, 0]), return_counts=True)
    expected = 40_000 / sum(steps)
    assert len(counts) == sum(steps)
    assert ((counts - expected) ** 2 / expected).sum() < sum(steps) + 5 * np.sqrt(2 * sum(steps))  # chi-squared


def test_an_iteration_works_in_place_whatever_the_size():
    """No copy of the buffer, and as much work for a large one as for a small one."""
    sizes, flops, temporaries = (1_000, 1_000_000), [], []
    for size in sizes:
        replay = UniformReplay(capacity=size)

        def iteration(stored, trajectory, key, replay=replay):
            stored = replay.add(stored, trajectory)
            return stored, replay.draw(stored, 64, 1, GAMMA, key)

        forms = (
            jax.eval_shape(lambda replay=replay: replay.init(interface((8,)), 4)),
            jax.eval_shape(lambda: rollout_of(interface((8,)), 16, 4)),
            jax.eval_shape(lambda: jax.random.key(0)),
        )
        program = jax.jit(iteration, donate_argnums=0).lower(*forms).compile()
        flops.append(program.cost_analysis()["flops"])
        temporaries.append(program.memory_analysis().temp_size_in_bytes)
        kept = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(forms[0]))
        assert program.memory_analysis().alias_size_in_bytes >= kept
    assert temporaries[1] < 2 * temporaries[0] < 1_000_000
    assert flops[1] < 1.5 * flops[0]  # a few more halvings


def rollout_of(interface, length, environments):
    rows = lambda *shape, dtype=jnp.float32: jnp.zeros((length, environments, *shape), dtype)
    seen = jax.tree.map(lambda leaf: rows(*leaf.shape, dtype=leaf.dtype), interface.observation)
    return Trajectory(seen, rows(interface.action.size), (), rows(), rows(dtype=bool), rows(dtype=bool), seen)


def test_a_buffer_that_does_not_hold_a_rollout_is_refused():
    REPLAY.check(ENVIRONMENTS, 5, 10)
    for rollout_length, least, needed in ((6, 0, 26), (2, 11, 26), (2, 100, 202)):
        with pytest.raises(ConfigurationError, match=f"capacity of the replay buffer is 23; give at least {needed}"):
            REPLAY.check(ENVIRONMENTS, rollout_length, least)
    with pytest.raises(ConfigurationError, match="capacity of the replay buffer is 0; give at least 1"):
        UniformReplay(0).validate()
