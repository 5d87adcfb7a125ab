"""The statistics of both parts of an observation, as an algorithm's state holds them."""

from typing import Any

import jax
from jaxtyping import Array, PyTree

from reppo.environments import Observation
from reppo.normalization.observations import AbstractNormalizer


def init_statistics(normalizer: AbstractNormalizer, shapes: Observation) -> Observation:
    """Statistics of nothing seen yet; those of the critic are None where it sees what the actor sees.

    Args:
        normalizer: what makes them.
        shapes: a `jax.ShapeDtypeStruct` for each array of an observation.
    """
    return Observation(normalizer.init(shapes.actor), None if shapes.critic is None else normalizer.init(shapes.critic))


def normalize_rollout(
    normalizer: AbstractNormalizer, statistics: Observation, observation: Observation, following: Observation
) -> tuple[Observation, Observation]:
    """Observations and next observations of a rollout, normalized as they were when it was collected.

    Args:
        normalizer: how.
        statistics: those from before the rollout.
        observation: leaves `[time, environment, ...]`.
        following: the next observations, likewise.
    """

    def both(statistics: Any, now: PyTree[Array], then: PyTree[Array]) -> tuple[Any, Any]:
        return (None, None) if now is None else normalizer.rollout(statistics, now, then)

    actor = both(statistics.actor, observation.actor, following.actor)
    critic = both(statistics.critic, observation.critic, following.critic)
    return Observation(actor[0], critic[0]), Observation(actor[1], critic[1])


def normalize_batch(normalizer: AbstractNormalizer, statistics: Observation, observation: Observation) -> Observation:
    """Observations, leaves `[rows, ...]`, normalized by one set of statistics."""

    def rows(statistics: Any, seen: PyTree[Array]) -> Any:
        return None if seen is None else jax.vmap(lambda one: normalizer(statistics, one))(seen)

    return Observation(rows(statistics.actor, observation.actor), rows(statistics.critic, observation.critic))


def update_statistics(normalizer: AbstractNormalizer, statistics: Observation, observation: Observation) -> Observation:
    """Merges in observations with any leading axes, such as `[time, environment]`."""
    update = lambda statistics, seen: None if seen is None else normalizer.update(statistics, seen)
    return Observation(update(statistics.actor, observation.actor), update(statistics.critic, observation.critic))
