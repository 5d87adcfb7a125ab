"""Two learners that are nothing like REPPO, run through the unchanged training loop."""

from typing import Any, final

import jax
import jax.numpy as jnp

from reppo.algorithms import AbstractAlgorithm, AlgorithmState
from reppo.component import static
from reppo.rollout import AbstractPolicy, Trajectory, as_rows
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
    computed: bool = static(False)  # whether the policy is computed from the state, not picked

    def init(self, key, interface):
        size = interface.action.size
        buffer = {"actions": jnp.zeros((self.capacity, size)), "rewards": jnp.full(self.capacity, -1e6)}
        return AlgorithmState({"action": jnp.zeros(size)}, data=buffer)

    def policy(self, state):
        action = state.learner["action"]
        return ToyReplayPolicy(0.5 * action if self.computed else action)

    def update(self, state, trajectory: Trajectory, key):
        actions = jnp.concatenate([as_rows(trajectory.action), state.data["actions"]])[: self.capacity]
        rewards = jnp.concatenate([as_rows(trajectory.reward), state.data["rewards"]])[: self.capacity]
        best = jax.lax.top_k(rewards, self.capacity // 10)[1]
        new = AlgorithmState({"action": actions[best].mean(0)}, data={"actions": actions, "rewards": rewards})
        return new, {"replay/reward": Summary.of(trajectory.reward)}


@final
class ToyRecurrentPolicy(AbstractPolicy):
    """Counts the steps of the episode in its memory and acts by the count."""

    scale: jax.Array

    def __call__(self, memory: Any, observation, key, deterministic):
        return jnp.full(1, jnp.tanh(self.scale * memory)), memory + 1.0, memory

    def start(self, key):
        return jnp.array(0.0)


@final
class ToyRecurrent(AbstractAlgorithm):
    """Learns nothing; reports what its policy remembered."""

    num_environments: int = static(8)
    rollout_length: int = static(4)

    def init(self, key, interface):
        return AlgorithmState(jnp.array(0.1))

    def policy(self, state):
        return ToyRecurrentPolicy(state.learner)

    def update(self, state, trajectory: Trajectory, key):
        return state, {"recurrent/memory": Summary.of(trajectory.extras)}
