"""Scaling of rewards by what was collected.

The scale of a rollout is known before anything is learned from it, and is one for all of its rewards.
"""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require
from reppo.normalization.observations import MeanVariance, RunningMeanVariance


class AbstractRewardScaling(Component):
    """A factor on the rewards of each rollout, by statistics of those so far."""

    @abstractmethod
    def init(self, num_environments: int) -> Any:
        """Statistics of nothing seen yet.

        Args:
            num_environments: environments that run in parallel, at least 1.
        """

    @abstractmethod
    def update(
        self,
        statistics: Any,
        reward: Float[Array, "time environment"],
        ended: Bool[Array, "time environment"],
        gamma: Float[Array, ""] | Scalar,
    ) -> Any:
        """Merges in a rollout.

        Args:
            statistics: those from before.
            reward: of each step.
            ended: whether an episode ended there, in either way.
            gamma: discount factor, in [0, 1].
        """

    @abstractmethod
    def factor(self, statistics: Any) -> Float[Array, ""]:
        """What rewards are multiplied by, positive."""


@final
class NoRewardScaling(AbstractRewardScaling):
    """Rewards as they are."""

    def init(self, num_environments: int) -> tuple[()]:
        return ()

    def update(
        self,
        statistics: tuple[()],
        reward: Float[Array, "time environment"],
        ended: Bool[Array, "time environment"],
        gamma: Float[Array, ""] | Scalar,
    ) -> tuple[()]:
        return ()

    def factor(self, statistics: tuple[()]) -> Float[Array, ""]:
        return jnp.ones(())


class RunningReturns(eqx.Module):
    """Discounted sums of rewards.

    Attributes:
        current: of each environment, from the start of its episode to the last step, `[environment]`.
        seen: mean and variance of all that there were, at every step.
    """

    current: Float[Array, " environment"]
    seen: MeanVariance


@final
class RunningReturnScale(AbstractRewardScaling):
    """Rewards are divided by the running standard deviation of their discounted sums.

    In each environment the sum goes on as `R_t = gamma * R_{t-1} + r_t`, from 0 at the start of an episode, and counts
    at every step. A rollout is merged before it is scaled, so that the first is scaled too; usual implementations move
    the scale at every step instead. Where all rewards were 0 they stay so: the factor is at most 1 / sqrt(epsilon).

    What is learned is then in units that change with time, so it is for scalar critics alone: no support is known.

    Attributes:
        epsilon: added to the variance, positive.

    Reference: Engstrom et al. 2020 (arXiv 2005.12729); Huang et al. 2022
    (iclr-blog-track.github.io/2022/03/25/ppo-implementation-details).
    """

    epsilon: Scalar = hyper(1e-8)

    def init(self, num_environments: int) -> RunningReturns:
        seen = RunningMeanVariance().init(jax.ShapeDtypeStruct((), jnp.float32))
        return RunningReturns(jnp.zeros(num_environments), seen)

    def update(
        self,
        statistics: RunningReturns,
        reward: Float[Array, "time environment"],
        ended: Bool[Array, "time environment"],
        gamma: Float[Array, ""] | Scalar,
    ) -> RunningReturns:
        def step(before: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            reward, ended = row
            now = gamma * before + reward
            return jnp.where(ended, 0.0, now), now

        current, returns = jax.lax.scan(step, statistics.current, (reward, ended))
        return RunningReturns(current, RunningMeanVariance().update(statistics.seen, returns))

    def factor(self, statistics: RunningReturns) -> Float[Array, ""]:
        return jax.lax.rsqrt(statistics.seen.variance + self.epsilon)

    def fits(self, spec: Any) -> None:
        value = getattr(spec.algorithm, "value", None)
        require(
            not hasattr(value, "support"),
            f"RunningReturnScale changes the units of values as it goes, and {type(value).__name__} has a support that "
            "stays. Choose algorithm.value=ScalarValue(), or algorithm.reward_scaling=NoRewardScaling().",
        )

    def validate(self) -> None:
        require(self.epsilon > 0, f"The epsilon of the reward scaling is {self.epsilon!s}; give a positive one.")
