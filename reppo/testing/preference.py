"""Laws of which action a policy prefers."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.algorithms import AbstractPreference, ActorPolicy
from reppo.distributions import TanhNormalHead
from reppo.environments import Observation
from reppo.networks import Actor
from reppo.normalization import NoNormalization
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import seeds, vectors

_SHAPES = jax.ShapeDtypeStruct((3,), jnp.float32)


def check_preference(preference: AbstractPreference, *, skip: Collection[str] = ()) -> None:
    """Holds a choice of the preferred action against the laws of its slot: `LAWS[AbstractPreference]`.

    Args:
        preference: the component; it is given a policy of two actions, and critics that have each a best action.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractPreference, preference, skip)


@eqx.filter_jit
def _acted(preference: AbstractPreference, weights: Any, observation: Any, best: Any, seed: Any) -> Any:
    """What is done: preferred at two keys, collected, and by the policy alone; values of what is and was preferred."""
    network = Actor(8, 1).build(jax.random.key(weights), _SHAPES, 4)
    normalizer = NoNormalization()
    policy = ActorPolicy(network, normalizer.init(_SHAPES), normalizer, TanhNormalHead())
    q = lambda observation, action: -jnp.sum((action - best) ** 2)
    made = preference.of(policy, q)
    act = lambda one, key, deterministic: one((), Observation(observation), jax.random.key(key), deterministic)[0]
    preferred = act(made, seed, True)
    collected = act(made, seed, False), act(policy, seed, False)
    values = q(observation, preferred), q(observation, act(policy, seed, True))
    return (preferred, act(made, seed + 1, True)), collected, values


_INPUTS = {"weights": seeds(), "observation": vectors(3), "best": vectors(2, -1, 1), "seed": seeds()}


@law(AbstractPreference, "possible", "the preferred action is a unit action that does not depend on the key")
def _possible(preference: AbstractPreference) -> None:
    def body(**inputs: Any) -> None:
        (one, other), _, _ = _acted(preference, **inputs)
        ensure(one.shape == (2,) and np.all(np.abs(one) <= 1), f"the action {one}")
        ensure(np.array_equal(one, other), f"{one} at one key, {other} at another")

    for_all(body, **_INPUTS)


@law(AbstractPreference, "collects", "while collecting it acts as the policy does")
def _collects(preference: AbstractPreference) -> None:
    def body(**inputs: Any) -> None:
        _, (one, other), _ = _acted(preference, **inputs)
        ensure(np.array_equal(one, other), f"{one} is collected, where the policy draws {other}")

    for_all(body, **_INPUTS)


@law(AbstractPreference, "no worse", "by the critic, what is preferred is no worse than the policy's mode")
def _no_worse(preference: AbstractPreference) -> None:
    def body(**inputs: Any) -> None:
        _, _, (value, of_mode) = _acted(preference, **inputs)
        ensure(value >= of_mode - 1e-5, f"a value of {value}, where that of the mode is {of_mode}")

    for_all(body, **_INPUTS)
