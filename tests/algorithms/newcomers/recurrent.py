"""A policy that remembers its episode and learns from whole sequences: the score function through a GRU."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from reppo.algorithms import AbstractAlgorithm, AlgorithmState
from reppo.component import static
from reppo.distributions import TanhNormalHead
from reppo.optimization import Adam, Alternating, Epochs, optimizer_step, trainable
from reppo.rollout import AbstractPolicy
from reppo.summary import Summary

HEAD, OPTIMIZER, SIZE = TanhNormalHead(), Adam(3e-3), 8


@final
class RecurrentPolicy(AbstractPolicy):
    cell: Any
    output: Any

    def remember(self, memory, observation):
        memory = self.cell(observation, memory)
        return memory, HEAD(self.output(memory))

    def __call__(self, memory, observation, key, deterministic):
        new, distribution = self.remember(memory, observation.actor)
        drawn = distribution.draw(key)
        action = distribution.mode() if deterministic else HEAD.take(distribution, drawn)
        return action, new, (memory, drawn)

    def start(self, key):
        return jnp.zeros(SIZE)


@final
class Recurrent(AbstractAlgorithm):
    num_environments: int = static(16)
    rollout_length: int = static(8)

    def init(self, key, interface):
        cell = eqx.nn.GRUCell(interface.observation.actor.shape[0], SIZE, key=key)
        policy = RecurrentPolicy(cell, eqx.nn.Linear(SIZE, HEAD.size(interface.action), key=key))
        return AlgorithmState((policy, OPTIMIZER.transform().init(trainable(policy))))

    def policy(self, state):
        return state.learner[0]

    def update(self, state, trajectory, key):
        sequences = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), trajectory)  # a row is an environment's
        indices = Epochs(1, 4).indices(self.num_environments, key)
        learner, metrics = Alternating().run(state.learner, sequences, indices, {"policy": self.policy_step}, key)
        return AlgorithmState(learner), metrics

    def policy_step(self, learner: Any, batch: Any, key: Any):
        def log_probs(policy, sequence):
            def step(memory, row):
                memory, distribution = policy.remember(memory, row.observation.actor)
                log_prob = distribution.log_prob_of_draw(row.extras[1])
                return jnp.where(row.terminated | row.truncated, 0.0, memory), log_prob

            return jax.lax.scan(step, sequence.extras[0][0], sequence)[1]

        def loss(policy):
            advantage = batch.reward - jnp.mean(batch.reward)
            return -jnp.mean(jax.vmap(lambda sequence: log_probs(policy, sequence))(batch) * advantage)

        value, gradient = eqx.filter_value_and_grad(loss)(learner[0])
        return optimizer_step(OPTIMIZER.transform(), gradient, learner[1], learner[0]), {"loss": Summary.of(value)}
