"""How truncated steps enter the targets and the critic's loss."""

from abc import abstractmethod
from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool

from reppo.component import Component


class Cuts(eqx.Module):
    """The ends in one trajectory, as the targets read them.

    Attributes:
        terminated: steps after which nothing is worth anything.
        truncated: steps whose return is cut by the value of their next state.
        counts: steps that the critic learns from.
    """

    terminated: Bool[Array, " time"]
    truncated: Bool[Array, " time"]
    counts: Bool[Array, " time"]


class AbstractTruncation(Component):
    """A treatment of truncated steps."""

    @abstractmethod
    def __call__(self, terminated: Bool[Array, " time"], truncated: Bool[Array, " time"]) -> Cuts:
        """The cuts of one trajectory, from the flags that the environment gave."""


@final
class OwnFlag(AbstractTruncation):
    """A truncated step is cut where it is, by the value of its true next state; the critic learns from every step."""

    def __call__(self, terminated: Bool[Array, " time"], truncated: Bool[Array, " time"]) -> Cuts:
        return Cuts(terminated=terminated, truncated=truncated, counts=jnp.ones_like(truncated))


@final
class TruncationAsTermination(AbstractTruncation):
    """A truncated step counts as terminated: as if nothing were to come after a time limit.

    What implementations do that know a single flag `done` (Pardo et al. 2018, arXiv 1712.00378).
    """

    def __call__(self, terminated: Bool[Array, " time"], truncated: Bool[Array, " time"]) -> Cuts:
        none = jnp.zeros_like(truncated)
        return Cuts(terminated=terminated | truncated, truncated=none, counts=~none)


@final
class MaskedFlag(AbstractTruncation):
    """A truncated step is cut where it is, by the value of its true next state, but the critic does not learn from it.

    So has it the reference's single-file version.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    def __call__(self, terminated: Bool[Array, " time"], truncated: Bool[Array, " time"]) -> Cuts:
        return Cuts(terminated=terminated, truncated=truncated, counts=~truncated)


@final
class ShiftedFlag(AbstractTruncation):
    """The step before a truncated one is cut, and the critic does not learn from the truncated one.

    So the reference implementation does without the true final observation, which auto-reset takes away: the value of
    the next state is never asked for where that state belongs to another episode. The cut wins over a termination of
    the same step, at the end of the rollout too: such a step bootstraps although its episode is over.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    def __call__(self, terminated: Bool[Array, " time"], truncated: Bool[Array, " time"]) -> Cuts:
        cut = jnp.append(truncated[1:], True)
        return Cuts(terminated=(terminated | truncated) & ~cut, truncated=cut, counts=~truncated)
