"""What acts, and what acting leaves behind."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Key, PyTree

from reppo.distributions import Action
from reppo.environments import Observation


class AbstractPolicy(eqx.Module):
    """What is evaluated and exported: everything that acting needs, and nothing of the optimizer.

    Memory belongs to one environment; `start` makes it, anew where an episode ends.
    """

    @abstractmethod
    def __call__(
        self, memory: Any, observation: Observation, key: Key[Array, ""], deterministic: bool
    ) -> tuple[Action, Any, Any]:
        """Acts in one environment.

        Args:
            memory: what the policy remembers of the episode.
            observation: the raw observation.
            key: consumed unless `deterministic`.
            deterministic: whether to take the policy's preferred action, as evaluation does.

        Returns:
            The unit action (see `Action`), the new memory, and extras: what the update needs of this moment.
        """

    def start(self, key: Key[Array, ""]) -> PyTree[Array]:
        """The memory at the start of an episode; `()` unless the policy remembers. The key is consumed."""
        return ()

    def exploiting(self) -> "AbstractPolicy":
        """What acts once training is over: the policy itself, unless it explores while it collects."""
        return self

    def observe(self, observation: Observation) -> "AbstractPolicy":
        """What acts in collection once the raw observations of a time step are seen, leaves `[environment, ...]`.

        The policy itself, unless it keeps statistics that move while it collects. Evaluation never asks.
        """
        return self


class Trajectory(eqx.Module):
    """What was collected; every leaf is `[time, environment, ...]`.

    Attributes:
        observation: raw observation before the step.
        action: unit action taken.
        extras: what the policy gave for the update.
        reward: reward of the step.
        terminated: whether the step ended the episode for good.
        truncated: whether it ended the episode although it could have gone on; never set together with `terminated`.
        final_observation: the true next observation, also where the next row belongs to another episode.
    """

    observation: Observation
    action: Float[Array, "*batch action"]
    extras: PyTree[Array]
    reward: Float[Array, "*batch"]
    terminated: Bool[Array, "*batch"]
    truncated: Bool[Array, "*batch"]
    final_observation: Observation


def as_rows(tree: PyTree[Array]) -> PyTree[Array]:
    """`[time, environment, ...]` to `[rows, ...]`, in every leaf."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)


MOST_ROWS = 8192
"""As many rows of a rollout are looked at together, unless there are more environments."""


def map_rows(function: Callable[..., PyTree[Array]], *trees: PyTree[Array]) -> PyTree[Array]:
    """Maps a function of one row over leaves `[time, environment, ...]`, by as many steps at once as are few enough.

    So what networks have in between for all rows never stands in memory together: of wide layers that would be more
    than all that is trained, and more than a processor's caches hold.
    """
    length, environments = jax.tree.leaves(trees)[0].shape[:2]
    steps = max(n for n in range(1, length + 1) if length % n == 0 and (n == 1 or n * environments <= MOST_ROWS))
    blocks = jax.tree.map(lambda x: x.reshape(length // steps, steps, *x.shape[1:]), trees)
    found = jax.lax.map(lambda block: jax.vmap(jax.vmap(function))(*block), blocks)
    return jax.tree.map(lambda x: x.reshape(length, *x.shape[2:]), found)
