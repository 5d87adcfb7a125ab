"""Hypothesis strategies: specs, components, rows with random ends, trajectories, distributions, observations."""

import contextlib
import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jaxtyping import Bool, Float, PyTree

from reppo.algorithms import Ppo, Reppo
from reppo.component import Component
from reppo.distributions import CategoricalHead, TanhNormal
from reppo.environments import Discrete, Observation
from reppo.environments.suites import all_suites
from reppo.errors import ConfigurationError
from reppo.losses import ExpectedLoss, FixedSupport, HLGauss
from reppo.networks import Actor, Critic
from reppo.optimization import Epochs
from reppo.rollout import Trajectory
from reppo.spec import Evaluation, Spec, resolve, validate
from reppo.targets import ExpectedAction

Draw = Callable[..., Any]
"""Hypothesis' own name for it is a protocol, which cannot be checked at run time."""

SHAPES = {"image": jax.ShapeDtypeStruct((2, 2), jnp.int32), "position": jax.ShapeDtypeStruct((3,), jnp.float32)}
"""The observation that checks use where any will do: two parts, of different ranks and dtypes."""


class Rows(NamedTuple):
    """What targets are made of, `[time]` each.

    Attributes:
        reward: soft rewards.
        next_value: values of the true next observations.
        terminated: whether the episode ended for good there.
        truncated: whether it was cut there; may be set beside `terminated`, which wins.
    """

    reward: Float[np.ndarray, " time"]
    next_value: Float[np.ndarray, " time"]
    terminated: Bool[np.ndarray, " time"]
    truncated: Bool[np.ndarray, " time"]


def floats(low: float | int, high: float | int) -> st.SearchStrategy[float]:
    """Numbers in [low, high] that float32 holds exactly; none so small that XLA flushes it to 0.

    Args:
        low: the least, finite.
        high: the greatest, at least `low`.
    """
    return st.floats(low, high, width=32, allow_subnormal=False)


def vectors(size: int, low: float | int = -10, high: float | int = 10) -> st.SearchStrategy[Float[np.ndarray, " size"]]:
    """float32 vectors of `size` numbers in [low, high].

    Args:
        size: how many numbers, at least 1.
        low: the least, finite.
        high: the greatest, at least `low`.
    """
    return arrays(np.float32, size, elements=floats(low, high))


def seeds() -> st.SearchStrategy[np.uint32]:
    """Seeds for random keys. NumPy numbers, as `filter_jit` would compile anew for every Python integer."""
    return st.integers(0, 2**31 - 1).map(np.uint32)


@st.composite
def rows(draw: Draw, length: int = 6) -> Rows:
    """Rewards and values of several episodes in a row, ending at random: terminated, truncated, or both at once.

    Args:
        draw: given by hypothesis.
        length: how many rows, at least 1.
    """
    ends = draw(arrays(np.int8, length, elements=st.sampled_from([0, 0, 1, 2, 3])))
    return Rows(draw(vectors(length)), draw(vectors(length)), (ends & 1) > 0, (ends & 2) > 0)


@st.composite
def distributions(draw: Draw, action_size: int = 2) -> TanhNormal:
    """Policies at one state, from nearly deterministic to nearly uniform over the signs.

    Args:
        draw: given by hypothesis.
        action_size: action dimensions, at least 1.
    """
    return TanhNormal(
        loc=jnp.asarray(draw(vectors(action_size, -3.0, 3.0))),
        scale=jnp.asarray(draw(vectors(action_size, 0.0625, 3.0))),
    )


def observations(shapes: PyTree[Any] = None, low: float | int = -10, high: float | int = 10) -> st.SearchStrategy[Any]:
    """One observation.

    Args:
        shapes: a tree of `jax.ShapeDtypeStruct`; where None, that of `SHAPES`.
        low: least number in it, finite.
        high: greatest number in it, at least `low`.
    """
    leaves, structure = jax.tree.flatten(SHAPES if shapes is None else shapes)

    def leaf(like: Any) -> st.SearchStrategy[Any]:
        whole = jnp.issubdtype(like.dtype, jnp.integer)
        elements = st.integers(int(low), int(high)) if whole else floats(low, high)
        return arrays(np.dtype(like.dtype), like.shape, elements=elements)

    return st.tuples(*map(leaf, leaves)).map(lambda drawn: jax.tree.unflatten(structure, drawn))


@st.composite
def trajectories(
    draw: Draw, time: int = 6, environments: int = 2, observation_size: int = 3, action_size: int = 2
) -> Trajectory:
    """Rollouts whose episodes end at random, never terminated and truncated at once; `extras` is empty.

    Args:
        draw: given by hypothesis.
        time: steps, at least 1.
        environments: how many, at least 1.
        observation_size: numbers in an observation, at least 1.
        action_size: action dimensions, at least 1.
    """
    seed = draw(seeds())
    ends = draw(arrays(np.int8, (time, environments), elements=st.sampled_from([0, 0, 0, 1, 2])))
    numbers = np.random.default_rng(seed)

    def normal(*shape: int) -> Any:
        return jnp.asarray(numbers.normal(size=(time, environments, *shape)), jnp.float32)

    observation, final = normal(observation_size), normal(observation_size)
    # Where an episode goes on, the next row starts from what this one ended with.
    goes_on = jnp.asarray(ends[:-1] == 0)[..., None]
    final = final.at[:-1].set(jnp.where(goes_on, observation[1:], final[:-1]))
    return Trajectory(
        observation=Observation(observation),
        action=jnp.tanh(normal(action_size)),
        extras=(),
        reward=normal(),
        terminated=jnp.asarray(ends == 1),
        truncated=jnp.asarray(ends == 2),
        final_observation=Observation(final),
    )


def shipped(slot: type[Component]) -> list[type[Component]]:
    """The library's concrete components for a slot, by name; the slot is named by its abstract class."""
    found = {
        name: cls
        for name, cls in Component.registry.items()
        if issubclass(cls, slot) and cls.__module__.startswith("reppo.") and not inspect.isabstract(cls)
    }
    return [found[name] for name in sorted(found)]


def small(component: Any, most: int = 8) -> Any:
    """A copy in which every count and width is at most `most`, here and in all slots, where it stays valid.

    Args:
        component: any, or a whole algorithm.
        most: the greatest width or count that is left, at least 1.
    """
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        if isinstance(value, Component):
            changed = small(value, most)
        elif isinstance(value, int) and not isinstance(value, bool) and value > most:
            changed = most
        else:
            continue
        component = _replaced(component, field.name, changed)
    return component


@st.composite
def components(draw: Draw, slot: type[Component]) -> Any:
    """Small, valid components for a slot, of those that the library ships, with other numbers than their defaults."""
    made = [cls for cls in shipped(slot) if _has_defaults(cls)]
    component: Any = small(draw(st.sampled_from(made))())
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        inner = typing.get_type_hints(type(component))[field.name]
        if isinstance(value, Component):
            if any(map(_has_defaults, shipped(inner))):
                component = _replaced(component, field.name, draw(components(inner)))
        elif isinstance(value, np.floating):
            component = _replaced(component, field.name, float(value) * draw(floats(0.5, 1.5)))
    return component


CHOICES: dict[str, Component] = {
    "head": CategoricalHead(),
    "actor_loss": ExpectedLoss(),
    "next_value": ExpectedAction(),
}
"""The slots of `Reppo` that a discrete set of actions needs filled in another way."""


def goes_with_choices(component: Component) -> bool:
    """Whether a component goes with policies that choose from a discrete set (see `Component.fits`)."""
    slots: Any = CHOICES
    task = next(suite.declare(one) for suite in all_suites() for one in suite.samples if suite.tasks[one].discrete)
    try:
        component.fits(Spec(environment=task, algorithm=Reppo(**slots)))
    except ConfigurationError:
        return False
    return True


@st.composite
def specs(draw: Draw) -> Spec:
    """Resolved specs of `Reppo` or `Ppo` on a small task, with any shipped component in any of its slots."""
    algorithm: Any = draw(st.sampled_from([Reppo, Ppo]))(
        num_environments=4,
        rollout_length=4,
        actor=Actor(width=8, depth=1),
        critic=Critic(width=8),
        value=HLGauss(support=FixedSupport(-5.0, 5.0), num_bins=8),
        batches=Epochs(epochs=2, num_minibatches=2),
    )
    slots = typing.get_type_hints(type(algorithm))
    fields = [
        field.name for field in dataclasses.fields(algorithm) if isinstance(getattr(algorithm, field.name), Component)
    ]
    suite, task = draw(st.sampled_from([(suite, task) for suite in all_suites() for task in suite.samples]))
    spec = Spec(
        environment=suite.declare(task),
        algorithm=algorithm,
        evaluation=Evaluation(interval=64, episodes=2),
    )
    actions = spec.environment.make().action_space
    if isinstance(actions, Discrete):
        changes: Any = CHOICES if isinstance(algorithm, Reppo) else {"head": CHOICES["head"]}
        spec = validate(dataclasses.replace(spec, algorithm=dataclasses.replace(algorithm, **changes)))
    for name in draw(st.permutations(fields)):
        # One that does not go with what is already there, or with the task's actions, is left out.
        changed: Any = dataclasses.replace(spec.algorithm, **{name: draw(components(slots[name]))})
        with contextlib.suppress(ConfigurationError):
            changed.head.size(actions)
            spec = validate(dataclasses.replace(spec, algorithm=changed))
    return resolve(spec)


def _has_defaults(cls: type[Component]) -> bool:
    return all(
        field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        for field in dataclasses.fields(cls)
    )


def _replaced(component: Any, field: str, value: Any) -> Any:
    """With another value in a field; as it was, where that is not valid."""
    try:
        return validate(dataclasses.replace(component, **{field: value}))
    except ConfigurationError:
        return component
