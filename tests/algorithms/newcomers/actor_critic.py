"""A policy and a state value that learn in one joint step: PPO in small."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.algorithms import AbstractAlgorithm, ActorPolicy, AlgorithmState
from reppo.component import static
from reppo.distributions import TanhNormalHead
from reppo.keys import subkey
from reppo.losses import Minibatch
from reppo.networks import Actor
from reppo.normalization import RunningMeanVariance, init_statistics, normalize_rollout, update_statistics
from reppo.optimization import Adam, Alternating, Epochs, optimizer_step, trainable
from reppo.rollout import as_rows
from reppo.summary import Summary
from reppo.targets import SoftLambda

HEAD, NORMALIZER, OPTIMIZER = TanhNormalHead(), RunningMeanVariance(), Adam(1e-2)


@final
class ActorCritic(AbstractAlgorithm):
    num_environments: int = static(16)
    rollout_length: int = static(8)

    def init(self, key, interface):
        build = lambda name, outputs: Actor(16, 1).build(subkey(key, name), interface.observation.actor, outputs)
        networks = (build("actor", HEAD.size(interface.action)), build("value", 1))
        optimizer = OPTIMIZER.transform().init(trainable(networks))
        return AlgorithmState((networks, optimizer), init_statistics(NORMALIZER, interface.observation))

    def policy(self, state):
        return ActorPolicy(state.learner[0][0], state.statistics.actor, NORMALIZER, HEAD)

    def update(self, state, trajectory, key):
        seen = (trajectory.observation, trajectory.final_observation)
        now, following = normalize_rollout(NORMALIZER, state.statistics, *seen)
        value = lambda observation: jax.vmap(jax.vmap(lambda o: state.learner[0][1](o)[0]))(observation.actor)
        flags = (trajectory.terminated, trajectory.truncated)
        over_environments = jax.vmap(SoftLambda(0.9), in_axes=(1, 1, 1, 1, None), out_axes=1)
        targets = over_environments(trajectory.reward, value(following), *flags, np.float32(0.9))
        rows = {"observation": now, "action": trajectory.action, "drawn": trajectory.extras.drawn, "target": targets}
        rows |= {"old": trajectory.extras.distribution, "advantage": targets - value(now)}
        data = Minibatch(**as_rows(rows))
        indices = Epochs(4, 4).indices(data.size, key)
        learner, metrics = Alternating().run(state.learner, data, indices, {"joint": self.joint_step}, key)
        return AlgorithmState(learner, update_statistics(NORMALIZER, state.statistics, seen[0])), metrics

    def joint_step(self, learner: Any, batch: Minibatch, key: Any):
        def loss(networks):
            new, value = (jax.vmap(network)(batch.observation.actor) for network in networks)
            ratio = lambda outputs, old, drawn: jnp.exp(HEAD(outputs).log_ratio(old, drawn))
            ratios = jax.vmap(ratio)(new, batch.old, batch.drawn)
            surrogate = jnp.minimum(ratios * batch.advantage, jnp.clip(ratios, 0.8, 1.2) * batch.advantage)
            return jnp.mean((value[:, 0] - batch.target) ** 2 - surrogate)

        value, gradient = eqx.filter_value_and_grad(loss)(learner[0])
        return optimizer_step(OPTIMIZER.transform(), gradient, learner[1], learner[0]), {"loss": Summary.of(value)}
