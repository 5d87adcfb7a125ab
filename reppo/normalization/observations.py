"""Normalization of observations by running statistics.

The statistics live in the algorithm's state, never among the parameters (an optimizer with weight decay would move
them), and are frozen for a whole iteration: collection, targets and every epoch see the same ones, so that
KL(old, new) is exactly 0 at the first minibatch. They are merged with the rollout at its end.
"""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from reppo.component import Component, Scalar, hyper
from reppo.errors import require


class AbstractNormalizer(Component):
    """Normalizes one observation by statistics that it can update."""

    @abstractmethod
    def init(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> Any:
        """Statistics of nothing seen yet, for observations of these shapes."""

    @abstractmethod
    def __call__(self, statistics: Any, observation: PyTree[Array]) -> PyTree[Array]:
        """Normalizes one observation."""

    @abstractmethod
    def update(self, statistics: Any, observations: PyTree[Array]) -> Any:
        """Merges in observations with any leading axes, such as `[time, environment]`."""


class MeanVariance(eqx.Module):
    """Running mean and variance of each element of an observation.

    Attributes:
        count: number of observations seen.
        mean: mean, a tree like one observation.
        variance: population variance, likewise; 1 before anything was seen.
    """

    count: Float[Array, ""]
    mean: PyTree[Float[Array, "..."]]
    variance: PyTree[Float[Array, "..."]]


@final
class RunningMeanVariance(AbstractNormalizer):
    """`(x - mean) / sqrt(variance + epsilon)` with the mean and variance of all that was seen.

    Attributes:
        epsilon: added to the variance, positive.

    The merge is that of Chan, Golub & LeVeque 1979. Differs from the reference, which updates at every environment
    step: there the policy changes while it collects.
    """

    epsilon: Scalar = hyper(1e-2)

    def init(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> MeanVariance:
        return MeanVariance(
            count=jnp.array(0.0),
            mean=jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes),
            variance=jax.tree.map(lambda leaf: jnp.ones(leaf.shape), shapes),
        )

    def __call__(self, statistics: MeanVariance, observation: PyTree[Array]) -> PyTree[Array]:
        return jax.tree.map(
            lambda x, mean, variance: (x - mean) * jax.lax.rsqrt(variance + self.epsilon),
            observation,
            statistics.mean,
            statistics.variance,
        )

    def update(self, statistics: MeanVariance, observations: PyTree[Array]) -> MeanVariance:
        flat = jax.tree.map(
            lambda x, mean: x.reshape(-1, *mean.shape).astype(jnp.float32), observations, statistics.mean
        )
        seen = jax.tree.leaves(flat)[0].shape[0]
        count = statistics.count + seen
        share = seen / count

        def merged_mean(x: Array, mean: Array) -> Array:
            return mean + (x.mean(0) - mean) * share

        def merged_variance(x: Array, mean: Array, variance: Array) -> Array:
            between = (x.mean(0) - mean) ** 2 * share * (1 - share)
            return variance * (1 - share) + x.var(0) * share + between

        return MeanVariance(
            count=count,
            mean=jax.tree.map(merged_mean, flat, statistics.mean),
            variance=jax.tree.map(merged_variance, flat, statistics.mean, statistics.variance),
        )

    def validate(self) -> None:
        require(self.epsilon > 0, f"The epsilon of observation normalization is {self.epsilon!s}; give a positive one.")


@final
class NoNormalization(AbstractNormalizer):
    """Observations as they come."""

    def init(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> tuple[()]:
        return ()

    def __call__(self, statistics: tuple[()], observation: PyTree[Array]) -> PyTree[Array]:
        return observation

    def update(self, statistics: tuple[()], observations: PyTree[Array]) -> tuple[()]:
        return ()
