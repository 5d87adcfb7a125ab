"""Two learners that are nothing like REPPO, run through the unchanged training loop."""

from typing import Any, final

import jax
import jax.numpy as jnp

from reppo.algorithms import AbstractAlgorithm
from reppo.component import static
from reppo.rollout import AbstractPolicy, Trajectory
from reppo.summary import Summary


@final
class ToyReplayPolicy(AbstractPolicy):
    """One constant action."""

    action: jax.Array

    def __call__(self, memory, observation, key, deterministic):
        noise = 0.0 if deterministic else 0.5 * jax.random.normal(key, self.action.shape)
        return jnp.clip(self.action + noise, -1.0, 1.0), memory, ()


@final
class ToyReplay(AbstractAlgorithm):
    """Keeps the last rollouts in a buffer and moves to the mean of the best tenth of the actions in it."""

    num_environments: int = static(8)
    rollout_length: int = static(4)
    capacity: int = static(128)

    def init(self, key, environment):
        size = environment.action_space.size
        return {
            "action": jnp.zeros(size),
            "actions": jnp.zeros((self.capacity, size)),
            "rewards": jnp.full(self.capacity, -1e6),
        }

    def policy(self, state):
        return ToyReplayPolicy(state["action"])

    def memory(self, key):
        return ()

    def update(self, state, trajectory: Trajectory, key):
        actions = jnp.concatenate([trajectory.action.reshape(-1, state["action"].size), state["actions"]])
        rewards = jnp.concatenate([trajectory.reward.ravel(), state["rewards"]])
        actions, rewards = actions[: self.capacity], rewards[: self.capacity]
        best = jax.lax.top_k(rewards, self.capacity // 10)[1]
        new = {"action": actions[best].mean(0), "actions": actions, "rewards": rewards}
        return new, {"replay/reward": Summary.of(trajectory.reward)}


@final
class ToyRecurrentPolicy(AbstractPolicy):
    """Counts the steps of the episode in its memory and acts by the count."""

    scale: jax.Array

    def __call__(self, memory: Any, observation, key, deterministic):
        return jnp.full(1, jnp.tanh(self.scale * memory)), memory + 1.0, memory


@final
class ToyRecurrent(AbstractAlgorithm):
    """Learns nothing; reports what its policy remembered."""

    num_environments: int = static(8)
    rollout_length: int = static(4)

    def init(self, key, environment):
        return jnp.array(0.1)

    def policy(self, state):
        return ToyRecurrentPolicy(state)

    def memory(self, key):
        return jnp.array(0.0)

    def update(self, state, trajectory: Trajectory, key):
        return state, {"recurrent/memory": Summary.of(trajectory.extras)}
