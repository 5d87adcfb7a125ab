"""The rows that losses see."""

from typing import TYPE_CHECKING, Any, final

import equinox as eqx
from jaxtyping import Array, Bool, Float

from reppo.distributions import Draw
from reppo.environments import Observation

if TYPE_CHECKING:
    Numbers = Flags = Vectors = Histograms = Any  # not None wherever a loss asks for them
else:
    Numbers = Float[Array, " rows"] | None
    Flags = Bool[Array, " rows"] | None
    Vectors = Float[Array, "rows embedding"] | None
    Histograms = Float[Array, "rows bins"] | None


@final
class Minibatch(eqx.Module):
    """Rows of a rollout, with what was computed of them before the first update; leaves `[rows, ...]`.

    What an algorithm does not use is None.

    Attributes:
        observation: normalized observations.
        action: actions taken.
        drawn: the draws behind them (see `AbstractDistribution`); None where only the actions are known.
        old: distributions of the policy that took them, as they are without exploration, with leaves `[rows, ...]`.
        target: what the critic shall learn.
        histogram: the distribution that it shall learn, whose mean is the target.
        advantage: how much better the action was than the policy.
        value: what the critic said of the state when it was collected.
        reward: scaled reward.
        terminated: whether the step ended its episode for good.
        truncated: whether it ended its episode although it could have gone on.
        counts: whether the critic learns from the row.
        next_embedding: the critic's embedding of the next state and action.
    """

    observation: Observation
    action: Float[Array, "rows action"]
    drawn: Draw = None
    old: Any = None
    target: Numbers = None
    histogram: Histograms = None
    advantage: Numbers = None
    value: Numbers = None
    reward: Numbers = None
    terminated: Flags = None
    truncated: Flags = None
    counts: Flags = None
    next_embedding: Vectors = None

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.action)
