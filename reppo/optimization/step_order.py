"""In what order the steps of an update are made."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from reppo.component import Component
from reppo.keys import subkey
from reppo.summary import Summary, flatten

Step = Callable[[Any, PyTree[Array], Key[Array, ""]], tuple[Any, dict[str, Summary]]]
"""(learner, minibatch, key) -> (learner, metrics)."""


class AbstractStepOrder(Component):
    """Goes over minibatches and makes the steps of an algorithm in some order."""

    @abstractmethod
    def run(
        self,
        learner: Any,
        data: PyTree[Array],
        indices: Int[Array, "updates batch"],
        steps: Mapping[str, Step],
        key: Key[Array, ""],
    ) -> tuple[Any, dict[str, Summary]]:
        """Applies all steps to all minibatches.

        Args:
            learner: what they change.
            data: leaves `[rows, ...]`.
            indices: the rows of each minibatch (see `AbstractBatches`).
            steps: by name, in the algorithm's order. A step's stream of random numbers is told by its name, so that it
                does not depend on the order.
            key: consumed.

        Returns:
            The learner, and the metrics summarized over all updates.
        """


@final
class Alternating(AbstractStepOrder):
    """For each minibatch, every step in turn: a critic step, then an actor step with the critic just updated."""

    def run(
        self,
        learner: Any,
        data: PyTree[Array],
        indices: Int[Array, "updates batch"],
        steps: Mapping[str, Step],
        key: Key[Array, ""],
    ) -> tuple[Any, dict[str, Summary]]:
        return _over_minibatches(learner, data, indices, steps, key)


@final
class CriticThenActor(AbstractStepOrder):
    """All minibatches for the first step, then all for the next: the actor learns from the finished critic.

    As many steps of each as `Alternating` makes, at the same minibatches, so that only their order differs.
    """

    def run(
        self,
        learner: Any,
        data: PyTree[Array],
        indices: Int[Array, "updates batch"],
        steps: Mapping[str, Step],
        key: Key[Array, ""],
    ) -> tuple[Any, dict[str, Summary]]:
        metrics: dict[str, Summary] = {}
        for name, step in steps.items():
            learner, new = _over_minibatches(learner, data, indices, {name: step}, key)
            metrics |= new
        return learner, metrics


def _over_minibatches(
    learner: Any, data: PyTree[Array], indices: Array, steps: Mapping[str, Step], key: Key[Array, ""]
) -> tuple[Any, dict[str, Summary]]:
    """Scans over minibatches; at each, makes every step in turn."""
    names: list[str] = []

    def update(learner: Any, item: tuple[Array, Array]) -> tuple[Any, Summary]:
        number, rows = item
        minibatch, metrics = jax.tree.map(lambda x: x[rows], data), {}
        for name, step in steps.items():
            learner, new = step(learner, minibatch, subkey(key, name, number))
            metrics |= new
        names[:] = metrics
        return learner, Summary.together(metrics.values())

    learner, stacked = jax.lax.scan(update, learner, (jnp.arange(len(indices)), indices))
    return learner, flatten(stacked).apart(names)
