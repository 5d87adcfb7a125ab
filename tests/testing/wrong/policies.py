"""For every law of policies one that breaks it."""

import jax
import jax.numpy as jnp

from reppo.environments import Observation
from reppo.rollout import AbstractPolicy
from tests.testing.wrong.changing import batched_wrongly, calls, wrong


class Toy(AbstractPolicy):
    """A linear policy with noise, which counts its steps."""

    weight: jax.Array

    def __call__(self, memory, observation, key, deterministic):
        action = jnp.tanh(self.weight @ observation.actor)
        noise = 0.0 if deterministic else 0.1 * jax.random.normal(key, action.shape)
        return jnp.clip(action + noise, -1, 1), memory + 1, ()

    def start(self, key):
        return jnp.zeros((), jnp.int32)


TOY = Toy(jnp.array([[0.5, -0.5, 0.1], [0.2, 0.3, -0.4]]))
OBSERVED = {"shapes": Observation(jax.ShapeDtypeStruct((3,), jnp.float32)), "action_size": 2}
TOY_CONTEXT = {**OBSERVED, "memory": jnp.zeros((), jnp.int32)}


def acts(change):
    def rule(self, memory, observation, key, deterministic):
        action, memory, extras = Toy.__call__(self, memory, observation, key, deterministic)
        return *change(action, memory, key), extras

    return calls(TOY, rule)


POLICIES = {
    (AbstractPolicy, "bounds"): acts(lambda action, memory, key: (3 * action, memory)),
    (AbstractPolicy, "deterministic"): acts(
        lambda action, memory, key: (jnp.clip(action + jax.random.normal(key), -1, 1), memory)
    ),
    (AbstractPolicy, "memory"): acts(lambda action, memory, key: (action, memory + 0.5)),
    (AbstractPolicy, "batched"): acts(lambda action, memory, key: (batched_wrongly(action), memory)),
    (AbstractPolicy, "observe"): wrong(TOY, observe=lambda self, observation: Toy(self.weight[0])),
}
