"""Laws of policies."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.environments import Observation
from reppo.rollout import AbstractPolicy
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import observations, seeds


def check_policy(
    policy: AbstractPolicy,
    shapes: Observation,
    action_size: int,
    *,
    skip: Collection[str] = (),
) -> None:
    """Holds a policy against the laws of what acts: `LAWS[AbstractPolicy]`.

    Args:
        policy: the policy, as `algorithm.policy(state)` gives it.
        shapes: shapes of what it observes, as `environment.observation_shapes()` gives them.
        action_size: number of action dimensions, at least 1.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    memory = policy.start(jax.random.key(0))
    hold(AbstractPolicy, policy, skip, shapes=shapes, action_size=action_size, memory=memory)


@eqx.filter_jit
def _act(policy: AbstractPolicy, memory: Any, observation: Observation, seed: Any, deterministic: bool) -> Any:
    return policy(memory, observation, jax.random.key(seed), deterministic)


@eqx.filter_jit
def _act_together(policy: AbstractPolicy, memory: Any, many: Observation, numbers: Any, deterministic: bool) -> Any:
    one = lambda observation, seed: policy(memory, observation, jax.random.key(seed), deterministic)
    return jax.vmap(one)(many, numbers)


def _observations(shapes: Observation) -> Any:
    return observations(shapes).map(lambda drawn: jax.tree.map(jnp.asarray, drawn))


@law(AbstractPolicy, "bounds", "an action is a finite float32 vector within [-1, 1], sampled or deterministic")
def _bounds(policy: AbstractPolicy, shapes: Observation, action_size: int, memory: Any) -> None:
    def body(observation: Any, seed: Any) -> None:
        for deterministic in (False, True):
            action = np.asarray(_act(policy, memory, observation, seed, deterministic)[0])
            ensure(action.shape == (action_size,) and action.dtype == np.float32, f"{action.dtype} {action.shape}")
            ensure(np.all(np.abs(action) <= 1), f"the action {action}, with deterministic={deterministic}")

    for_all(body, observation=_observations(shapes), seed=seeds())


@law(AbstractPolicy, "deterministic", "a deterministic action does not depend on the key")
def _deterministic(policy: AbstractPolicy, shapes: Observation, action_size: int, memory: Any) -> None:
    def body(observation: Any, seed: Any, other: Any) -> None:
        one, two = (np.asarray(_act(policy, memory, observation, s, True)[0]) for s in (seed, other))
        ensure(np.array_equal(one, two), f"{one} with one key, {two} with another")

    for_all(body, observation=_observations(shapes), seed=seeds(), other=seeds())


@law(AbstractPolicy, "memory", "acting keeps the structure, shapes and dtypes of the memory")
def _memory(policy: AbstractPolicy, shapes: Observation, action_size: int, memory: Any) -> None:
    describe = lambda tree: jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), tree)

    def body(observation: Any) -> None:
        for deterministic in (False, True):
            after = _act(policy, memory, observation, np.uint32(0), deterministic)[1]
            same = jax.tree.structure(after) == jax.tree.structure(memory) and describe(after) == describe(memory)
            ensure(same, f"{describe(memory)} before, {describe(after)} after")

    for_all(body, 3, observation=_observations(shapes))


@law(AbstractPolicy, "batched", "under vmap every environment gets the action that it gets by itself")
def _batched(policy: AbstractPolicy, shapes: Observation, action_size: int, memory: Any) -> None:
    def body(first: Any, second: Any, seed: Any) -> None:
        many = jax.tree.map(lambda a, b: jnp.stack([a, b]), first, second)
        numbers = np.array([seed, seed + 1], np.uint32)
        for deterministic in (False, True):
            together = np.asarray(_act_together(policy, memory, many, numbers, deterministic)[0])
            alone = [_act(policy, memory, o, s, deterministic)[0] for o, s in zip((first, second), numbers)]
            ensure(np.allclose(together, alone, atol=1e-4), f"{together} together, {alone} one by one")

    for_all(body, 10, first=_observations(shapes), second=_observations(shapes), seed=seeds())


@law(
    AbstractPolicy,
    "observe",
    "observing keeps the structure, shapes and dtypes of the policy, so that a scan carries it",
)
def _observe(policy: AbstractPolicy, shapes: Observation, action_size: int, memory: Any) -> None:
    def body(first: Any, second: Any) -> None:
        many = jax.tree.map(lambda a, b: jnp.stack([a, b]), first, second)
        describe = lambda tree: [(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(tree)]
        before, after = (eqx.filter(one, eqx.is_array) for one in (policy, policy.observe(many)))
        ensure(describe(before) == describe(after), f"{describe(before)} before, {describe(after)} after")

    for_all(body, 2, first=_observations(shapes), second=_observations(shapes))
