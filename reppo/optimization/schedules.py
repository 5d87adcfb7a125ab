"""Schedules: in what order minibatches update critic and actor."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Key, PyTree

from reppo.component import Component, static
from reppo.errors import require
from reppo.keys import subkey
from reppo.summary import Summary, flatten

Step = Callable[[Any, PyTree[Array], Key[Array, ""]], tuple[Any, dict[str, Summary]]]
"""(learner, minibatch, key) -> (learner, metrics)."""


class AbstractSchedule(Component):
    """Goes over a rollout in minibatches."""

    num_minibatches: AbstractVar[int]

    @abstractmethod
    def run(
        self, learner: Any, data: PyTree[Array], critic_step: Step, actor_step: Step, key: Key[Array, ""]
    ) -> tuple[Any, dict[str, Summary]]:
        """Applies the two steps to minibatches of `data`, whose leaves are `[rows, ...]`.

        Returns:
            The learner, and the metrics summarized over all updates.
        """


@final
class Alternating(AbstractSchedule):
    """For each epoch, for each shuffled minibatch: a critic step, then an actor step with the critic just updated.

    Attributes:
        epochs: passes over the rollout, at least 1.
        num_minibatches: minibatches an epoch; must divide the number of rows.
    """

    epochs: int = static(8)
    num_minibatches: int = static(64)

    def run(
        self, learner: Any, data: PyTree[Array], critic_step: Step, actor_step: Step, key: Key[Array, ""]
    ) -> tuple[Any, dict[str, Summary]]:
        def update(learner: Any, minibatch: PyTree[Array], number: Array) -> tuple[Any, dict[str, Summary]]:
            learner, critic_metrics = critic_step(learner, minibatch, subkey(key, "critic", number))
            learner, actor_metrics = actor_step(learner, minibatch, subkey(key, "actor", number))
            return learner, critic_metrics | actor_metrics

        return _over_minibatches(update, learner, data, self.epochs, self.num_minibatches, key)

    def validate(self) -> None:
        _require_counts(self.epochs, self.num_minibatches)


@final
class CriticThenActor(AbstractSchedule):
    """All epochs of critic steps, then all epochs of actor steps with the finished critic, over the same minibatches.

    As many steps of each as `Alternating` makes, so that only their order differs.

    Attributes:
        epochs: passes over the rollout for each of the two, at least 1.
        num_minibatches: minibatches an epoch; must divide the number of rows.
    """

    epochs: int = static(8)
    num_minibatches: int = static(64)

    def run(
        self, learner: Any, data: PyTree[Array], critic_step: Step, actor_step: Step, key: Key[Array, ""]
    ) -> tuple[Any, dict[str, Summary]]:
        metrics: dict[str, Summary] = {}
        for name, step in (("critic", critic_step), ("actor", actor_step)):

            def update(
                learner: Any, minibatch: PyTree[Array], number: Array, name: str = name, step: Step = step
            ) -> tuple[Any, dict[str, Summary]]:
                return step(learner, minibatch, subkey(key, name, number))

            learner, new = _over_minibatches(update, learner, data, self.epochs, self.num_minibatches, key)
            metrics |= new
        return learner, metrics

    def validate(self) -> None:
        _require_counts(self.epochs, self.num_minibatches)


def _over_minibatches(
    update: Callable[..., tuple[Any, dict[str, Summary]]],
    learner: Any,
    data: PyTree[Array],
    epochs: int,
    num_minibatches: int,
    key: Key[Array, ""],
) -> tuple[Any, dict[str, Summary]]:
    """Scans `update(learner, minibatch, number)` over all minibatches of all epochs, each epoch shuffled anew."""
    rows = jax.tree.leaves(data)[0].shape[0]
    shuffled = jax.vmap(lambda k: jax.random.permutation(k, rows))(jax.random.split(subkey(key, "shuffle"), epochs))
    updates = epochs * num_minibatches

    def step(learner: Any, item: tuple[Array, Array]) -> tuple[Any, dict[str, Summary]]:
        number, indices = item
        return update(learner, jax.tree.map(lambda x: x[indices], data), number)

    steps = (jnp.arange(updates), shuffled.reshape(updates, rows // num_minibatches))
    learner, metrics = jax.lax.scan(step, learner, steps)
    return learner, {name: flatten(stacked) for name, stacked in metrics.items()}


def _require_counts(epochs: int, num_minibatches: int) -> None:
    require(epochs >= 1, f"The number of epochs is {epochs}; give at least 1.")
    require(num_minibatches >= 1, f"The number of minibatches is {num_minibatches}; give at least 1.")
