"""For every law of environments one that breaks it."""

import dataclasses

import jax
import jax.numpy as jnp

from reppo.environments import AbstractEnvironment, BestAction, NonFinite, Observation, Transition
from tests.testing.wrong.changing import COUNTER, batched_wrongly, wrong


def steps(change):
    """A `BestAction` whose transition is changed by a function of (transition, action)."""

    def step(self, key, state, action):
        state, transition = BestAction.step(self, key, state, action)
        return state, change(transition, action)

    return wrong(BestAction(), step=step)


def replaced(transition, **changes):
    fields = {field.name: getattr(transition, field.name) for field in dataclasses.fields(Transition)}
    bare = object.__new__(Transition)  # past the checks of its types
    for name, value in {**fields, **changes}.items():
        object.__setattr__(bare, name, value)
    return bare


def restless(self, key):
    state, observation = BestAction.reset(self, key)
    return state, Observation(observation.actor + next(COUNTER))


ENVIRONMENTS = {
    (AbstractEnvironment, "scan"): steps(lambda t, action: replaced(t, observation=Observation(jnp.zeros(2)))),
    (AbstractEnvironment, "transition"): steps(lambda t, action: replaced(t, terminated=jnp.float32(1))),
    (AbstractEnvironment, "finite"): NonFinite(),
    (AbstractEnvironment, "rewards"): BestAction(reward_range=(0.0, 1.0)),
    (AbstractEnvironment, "key"): wrong(BestAction(), reset=restless),
    (AbstractEnvironment, "batched"): steps(lambda t, action: replaced(t, reward=batched_wrongly(t.reward))),
    (AbstractEnvironment, "action bounds"): steps(lambda t, action: replaced(t, reward=jnp.sum(action))),
    (AbstractEnvironment, "time limit"): BestAction(horizon=0),
    (AbstractEnvironment, "reset"): wrong(
        BestAction(), observation_shapes=lambda self: Observation(jax.ShapeDtypeStruct((2,), jnp.float32))
    ),
    (AbstractEnvironment, "drawing"): wrong(BestAction(), draw=lambda self, axes, state: axes.plot(state["place"])),
}
