"""A critic and an actor that learn from a replay buffer: DDPG in small."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from reppo.algorithms import AbstractAlgorithm, ActorPolicy, AlgorithmState
from reppo.component import static
from reppo.distributions import TanhNormalHead
from reppo.losses import FixedSupport, HLGauss, Minibatch, QFunction
from reppo.networks import Actor, Critic
from reppo.normalization import NoNormalization
from reppo.optimization import Adam, Alternating, Sampled, optimizer_step, trainable
from reppo.rollout import as_rows
from reppo.summary import Summary

VALUE, HEAD, OPTIMIZER = HLGauss(FixedSupport(-5.0, 5.0), 21), TanhNormalHead(), Adam(1e-2)


@final
class OffPolicy(AbstractAlgorithm):
    num_environments: int = static(16)
    rollout_length: int = static(4)
    capacity: int = static(256)

    def init(self, key, interface):
        seen, size = interface.observation, interface.action.size
        actor = Actor(16, 1).build(key, seen.actor, HEAD.size(interface.action))
        networks = {"critic": Critic(16).build(key, seen.for_critic, size, VALUE.size, 0), "actor": actor}
        optimizers = {name: OPTIMIZER.transform().init(trainable(network)) for name, network in networks.items()}
        rows = lambda *shape: jnp.zeros((self.capacity, *shape))
        buffer = Minibatch(jax.tree.map(lambda leaf: rows(*leaf.shape), seen), rows(size), target=rows())
        return AlgorithmState((networks, optimizers), data=buffer)

    def policy(self, state):
        return ActorPolicy(state.learner[0]["actor"], (), NoNormalization(), HEAD)

    @property
    def saves_data(self):
        return False

    def update(self, state, trajectory, key):
        networks = state.learner[0]
        act = lambda observation: HEAD(networks["actor"](observation.actor)).mode()
        q = lambda observation: QFunction(networks["critic"], VALUE)(observation.for_critic, act(observation))
        following = jnp.where(trajectory.terminated, 0.0, jax.vmap(jax.vmap(q))(trajectory.final_observation))
        rows = {"observation": trajectory.observation, "action": trajectory.action}
        new = Minibatch(**as_rows(rows | {"target": trajectory.reward + 0.9 * following}))
        buffer = jax.tree.map(lambda old, new: jnp.concatenate([new, old])[: self.capacity], state.data, new)
        steps = {name: lambda *given, name=name: self.step(name, *given) for name in networks}
        indices = Sampled(8, 32).indices(self.capacity, key)
        learner, metrics = Alternating().run(state.learner, buffer, indices, steps, key)
        return AlgorithmState(learner, data=buffer), metrics

    def step(self, name: str, learner: Any, batch: Minibatch, key: Any):
        def loss(network):
            q = QFunction((learner[0] | {name: network})["critic"], VALUE)
            if name == "critic":
                error = lambda o, a, target: VALUE.loss(q.with_output(o.for_critic, a)[1].logits, target)
                return jnp.mean(jax.vmap(error)(batch.observation, batch.action, batch.target))
            return -jnp.mean(jax.vmap(lambda o: q(o.for_critic, HEAD(network(o.actor)).mode()))(batch.observation))

        value, gradient = eqx.filter_value_and_grad(loss)(learner[0][name])
        network, moments = optimizer_step(OPTIMIZER.transform(), gradient, learner[1][name], learner[0][name])
        new = (learner[0] | {name: network}, learner[1] | {name: moments})
        return new, {f"{name}/loss": Summary.of(value)}
