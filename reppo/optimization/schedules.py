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
        rows = jax.tree.leaves(data)[0].shape[0]

        def update(learner: Any, step: tuple[Array, Array]) -> tuple[Any, dict[str, Summary]]:
            number, indices = step
            minibatch = jax.tree.map(lambda x: x[indices], data)
            learner, critic_metrics = critic_step(learner, minibatch, subkey(key, "critic", number))
            learner, actor_metrics = actor_step(learner, minibatch, subkey(key, "actor", number))
            return learner, critic_metrics | actor_metrics

        shuffled = jax.vmap(lambda k: jax.random.permutation(k, rows))(
            jax.random.split(subkey(key, "shuffle"), self.epochs)
        )
        updates = self.epochs * self.num_minibatches
        steps = (jnp.arange(updates), shuffled.reshape(updates, rows // self.num_minibatches))
        learner, metrics = jax.lax.scan(update, learner, steps)
        return learner, {name: flatten(stacked) for name, stacked in metrics.items()}

    def validate(self) -> None:
        require(self.epochs >= 1, f"The number of epochs is {self.epochs}; give at least 1.")
        require(self.num_minibatches >= 1, f"The number of minibatches is {self.num_minibatches}; give at least 1.")
