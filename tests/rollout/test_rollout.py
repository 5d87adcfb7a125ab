"""Collection and evaluation: what an episode adds up to."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.component import static
from reppo.environments import (
    AbstractEnvironment,
    AbstractEnvironmentSpec,
    Box,
    Episodes,
    Observation,
    Transition,
)
from reppo.rollout import (
    AbstractPolicy,
    collect,
    evaluate,
    evaluation_starts,
    fresh_root,
    map_rows,
    replay,
)
from reppo.spec import Evaluation, Spec
from reppo.training import steps
from tests.algorithms.toys import ToyReplay
from tests.tiny import train_alone

HORIZON, LENGTH, ENVIRONMENTS = 5, 17, 6
PHYSICS = jax.random.split(jax.random.key(2), ENVIRONMENTS)


@final
class Counting(AbstractEnvironment):
    """Shows the number of the step, rewards the action times a gain, and reports the number as a metric."""

    gain: jax.Array = eqx.field(default=1.0, converter=jnp.asarray)
    randomizes: bool = static(default=False)
    horizon: int = static(default=HORIZON)
    action_space: Box = static(default=Box.unit(1))
    reward_range: tuple[float, float] | None = static(default=None)

    @property
    def metric_names(self):
        return ("reward/step",)

    def randomize(self, key):
        return Counting(jax.random.uniform(key), True) if self.randomizes else self

    def reset(self, key):
        return jnp.zeros(()), Observation(jnp.zeros(1))

    def step(self, key, state, action):
        count = state + 1
        false = jnp.array(False)
        return count, Transition(Observation(count[None]), self.gain * action[0], false, false, {"reward/step": count})


@final
class Half(AbstractPolicy):
    """Acts a half, or a quarter where it is evaluated."""

    def __call__(self, memory, observation, key, deterministic):
        return jnp.full(1, 0.25 if deterministic else 0.5), memory, ()


@pytest.fixture(scope="module")
def collected():
    episodes = Episodes(Counting())
    starts = jax.vmap(lambda key: episodes.reset(key, stagger=True))(jax.random.split(jax.random.key(0), ENVIRONMENTS))
    _, _, trajectory, ends = jax.jit(lambda s, k: collect(episodes, Half(), s, (), PHYSICS, LENGTH, k))(
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
    metrics = steps._rollout_metrics(ends, trajectory.terminated, trajectory.truncated)
    whole = sum((LENGTH - (first if first < HORIZON else 0)) // HORIZON for first in limit)
    step = metrics["episodes/reward/step"]
    assert step.count == metrics["episodes/return"].count == whole
    assert step.minimum == step.maximum == sum(range(1, HORIZON + 1))
    assert metrics["episodes/return"].mean == 0.5 * HORIZON
    assert metrics["episodes/truncated"].total == ends.ended.sum()


def test_every_evaluation_episode_is_whole_and_deterministic():
    episodes = Episodes(Counting())
    starts = jax.vmap(episodes.reset)(jax.random.split(jax.random.key(0), 3))
    outcome = jax.jit(lambda s: evaluate(episodes, Half(), s, jax.random.key(1)))(starts)
    np.testing.assert_array_equal(outcome.episode_return, np.full(3, 0.25 * HORIZON))
    np.testing.assert_array_equal(outcome.episode_length, np.full(3, HORIZON))
    np.testing.assert_array_equal(outcome.metrics["reward/step"], np.full(3, sum(range(1, HORIZON + 1))))


def test_an_evaluation_stops_with_its_last_episode():
    """And not before; what follows an end changes no outcome."""
    episodes, asked, ends = Episodes(Counting()), [], np.array([1, 4, 2])

    @final
    class Asked(AbstractPolicy):
        def __call__(self, memory, observation, key, deterministic):
            jax.debug.callback(lambda: asked.append(1))
            return Half()(memory, observation, key, deterministic)

    starts = jax.vmap(episodes.reset)(jax.random.split(jax.random.key(0), 3))
    starts = eqx.tree_at(lambda states: states.limit, starts, jnp.asarray(ends))
    outcome = evaluate(episodes, Asked(), starts, jax.random.key(1))
    jax.effects_barrier()
    assert len(asked) == ends.max()
    np.testing.assert_array_equal(outcome.episode_length, ends)
    np.testing.assert_array_equal(outcome.episode_return, 0.25 * ends)


def test_an_evaluation_episode_in_which_the_simulation_broke_has_no_return():
    episodes = Episodes(environments.probe("NonFinite").make())
    starts = jax.vmap(episodes.reset)(jax.random.split(jax.random.key(0), 3))
    outcome = evaluate(episodes, Half(), starts, jax.random.key(1))
    assert outcome.nonfinite.all() and jnp.isnan(outcome.episode_return).all()
    np.testing.assert_array_equal(outcome.episode_length, np.full(3, 3))


def test_an_episode_that_is_run_again_is_the_one_that_was_evaluated():
    task, root = environments.probe("ObservationValue").make(), jax.random.key(3)
    episodes = Episodes(task, num_starts=1)
    starts = evaluation_starts(task, root, 6)
    outcome = evaluate(episodes, Half(), starts, root)
    assert len(np.unique(outcome.episode_return)) == 2  # signs, as the starts have them
    for number in range(6):
        seen, rewards, ended = replay(episodes, Half(), root, number, lambda state: state)
        assert rewards == outcome.episode_return[number] == seen[0, 0] and ended[0]
    fresh = evaluation_starts(task, fresh_root(root), 6)
    assert (fresh.observation.actor != starts.observation.actor).any()


@final
class CountingTask(AbstractEnvironmentSpec):
    """Names `Counting` with physics that are drawn anew."""

    name: str = static(default="Counting")
    suite: str = static(default="tests")
    reward_range: tuple[float, float] | None = static(default=(-1.0, 1.0))
    horizon: int | None = static(default=HORIZON)

    def make(self):
        return Counting(1.0, True)


def test_every_training_environment_has_physics_of_its_own_and_evaluation_the_nominal_ones():
    episodes = Episodes(Counting(1.0, True))
    starts = jax.vmap(episodes.reset)(jax.random.split(jax.random.key(0), ENVIRONMENTS))
    rewards = []
    for seed in (1, 2):
        _, _, trajectory, _ = collect(episodes, Half(), starts, (), PHYSICS, LENGTH, jax.random.key(seed))
        rewards.append(np.asarray(trajectory.reward))
    gains = np.asarray(jax.vmap(jax.random.uniform)(PHYSICS))
    np.testing.assert_allclose(rewards[0], np.broadcast_to(0.5 * gains, (LENGTH, ENVIRONMENTS)), rtol=1e-6)
    np.testing.assert_array_equal(rewards[0], rewards[1])
    outcome = evaluate(episodes, Half(), starts, jax.random.key(1))
    np.testing.assert_array_equal(outcome.episode_return, np.full(ENVIRONMENTS, 0.25 * HORIZON))


def test_a_run_keeps_the_physics_of_its_environments():
    spec = Spec(environment=CountingTask(), algorithm=ToyReplay(), evaluation=Evaluation(interval=64, episodes=2))
    drawn = np.concatenate(
        [jax.random.key_data(steps._physics(jax.random.key(seed), spec.algorithm.num_environments)) for seed in (0, 1)]
    )
    assert len(np.unique(drawn, axis=0)) == 2 * spec.algorithm.num_environments  # others in every run
    _, reports = train_alone(spec, seed=0, steps=32 * 40)
    reward = reports[-1].metrics["replay/reward"]
    assert reward.maximum < 1.0  # every gain is below 1; the nominal one would let it come close
    assert reports[-1].evaluated.episode_return.mean() > 0.9 * HORIZON


@pytest.mark.parametrize("length, environments, blocks", [(6, 3, 1), (12, 4096, 6), (7, 4096, 7), (2, 9000, 2)])
def test_rows_are_mapped_in_blocks_and_come_back_in_their_order(length, environments, blocks):
    numbers = jnp.arange(length * environments, dtype=jnp.float32).reshape(length, environments)
    keys = jax.random.split(jax.random.key(0), numbers.shape)
    function = lambda number, key: {"double": 2 * number, "drawn": jax.random.bits(key, (2,))}
    traced = jax.make_jaxpr(lambda *rows: map_rows(function, *rows))(numbers, keys)
    assert [equation.params["length"] for equation in traced.eqns if equation.primitive.name == "scan"] == [blocks]
    found, expected = map_rows(function, numbers, keys), jax.vmap(jax.vmap(function))(numbers, keys)
    assert jax.tree.map(jnp.shape, found) == {"double": (length, environments), "drawn": (length, environments, 2)}
    assert all(jax.tree.leaves(jax.tree.map(jnp.array_equal, found, expected)))
