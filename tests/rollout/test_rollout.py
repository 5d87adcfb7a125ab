"""Collection and evaluation: what an episode adds up to."""

from typing import final

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo.component import static
from reppo.environments import AbstractEnvironment, ActionSpace, Episodes, Observation, Transition
from reppo.rollout import AbstractPolicy, collect, evaluate
from reppo.training.loop import _rollout_metrics

HORIZON, LENGTH, ENVIRONMENTS = 5, 17, 6


@final
class Counting(AbstractEnvironment):
    """Shows the number of the step, rewards the action, and reports the number as a metric."""

    horizon: int = static(default=HORIZON)
    action_space: ActionSpace = static(default=ActionSpace.unit(1))
    reward_range: tuple[float, float] | None = static(default=None)

    @property
    def metric_names(self):
        return ("reward/step",)

    def reset(self, key):
        return jnp.zeros(()), Observation(jnp.zeros(1))

    def step(self, key, state, action):
        count = state + 1
        false = jnp.array(False)
        return count, Transition(Observation(count[None]), action[0], false, false, {"reward/step": count})


@final
class Half(AbstractPolicy):
    """Acts a half, or a quarter where it is evaluated."""

    def __call__(self, memory, observation, key, deterministic):
        return jnp.full(1, 0.25 if deterministic else 0.5), memory, ()


@pytest.fixture(scope="module")
def collected():
    episodes = Episodes(Counting())
    starts = jax.vmap(lambda key: episodes.reset(key, stagger=True))(jax.random.split(jax.random.key(0), ENVIRONMENTS))
    _, _, trajectory, ends = jax.jit(lambda s, k: collect(episodes, Half(), s, (), (), LENGTH, k))(
        starts, jax.random.key(1)
    )
    return starts.limit, trajectory, ends


def test_episodes_end_at_their_limits_and_the_true_next_observation_is_kept(collected):
    limit, trajectory, ends = jax.tree.map(np.asarray, collected)
    for number in range(ENVIRONMENTS):
        clock, first = 0, True
        for time in range(LENGTH):
            assert trajectory.observation.actor[time, number, 0] == clock
            assert trajectory.final_observation.actor[time, number, 0] == clock + 1
            over = clock + 1 == (limit[number] if first else HORIZON)
            assert ends.ended[time, number] == trajectory.truncated[time, number] == over
            clock, first = (0, False) if over else (clock + 1, first)


def test_only_whole_episodes_are_added_up(collected):
    limit, trajectory, ends = collected
    assert (limit < HORIZON).any()
    metrics = _rollout_metrics(ends, trajectory.terminated, trajectory.truncated)
    whole = sum((LENGTH - (first if first < HORIZON else 0)) // HORIZON for first in limit)
    step = metrics["episodes/reward/step"]
    assert step.count == metrics["episodes/return"].count == whole
    assert step.minimum == step.maximum == sum(range(1, HORIZON + 1))
    assert metrics["episodes/return"].mean == 0.5 * HORIZON
    assert metrics["episodes/truncated"].total == ends.ended.sum()


def test_every_evaluation_episode_is_whole_and_deterministic():
    episodes = Episodes(Counting())
    starts = jax.vmap(episodes.reset)(jax.random.split(jax.random.key(0), 3))
    outcome = jax.jit(lambda s: evaluate(episodes, Half(), s, (), jax.random.key(1)))(starts)
    np.testing.assert_array_equal(outcome.episode_return, np.full(3, 0.25 * HORIZON))
    np.testing.assert_array_equal(outcome.episode_length, np.full(3, HORIZON))
    np.testing.assert_array_equal(outcome.metrics["reward/step"], np.full(3, sum(range(1, HORIZON + 1))))
