"""Normalization of observations by running statistics.

The statistics live in the algorithm's state, never among the parameters (an optimizer with weight decay would move
them). On-policy algorithms freeze them for a whole iteration: collection, targets and every epoch see the same ones, so
that KL(old, new) is exactly 0 at the first minibatch; they are merged with the rollout at its end. Off-policy ones
merge a rollout before they learn from it.

A number that is absurdly far from what was seen (`FAR`) counts as one at that distance: a simulation on its way to NaN
would otherwise spoil the statistics for the rest of the run.
"""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from reppo.component import Component, Scalar, hyper
from reppo.errors import require

FAR = 300.0
"""Observations count as at most `FAR * (1 + standard deviation)` away from their mean."""


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

    def far(self, statistics: Any, observations: PyTree[Array]) -> Float[Array, ""]:
        """The share of the numbers of observations, with any leading axes, that count as nearer than they are.

        0 unless a normalizer says otherwise.
        """
        return jnp.zeros(())

    def observe(self, statistics: Any, observations: PyTree[Array]) -> Any:
        """What acting goes by once it sees the observations of a time step, `[environment, ...]`.

        Unless a normalizer says otherwise nothing new: the statistics are frozen while a rollout is collected. What
        is seen here is merged for good by `update`, when the rollout is over.
        """
        return statistics

    def rollout(
        self, statistics: Any, observation: PyTree[Array], following: PyTree[Array]
    ) -> tuple[PyTree[Array], PyTree[Array]]:
        """Normalizes a rollout as it was when it was collected.

        Args:
            statistics: those from before the rollout.
            observation: leaves `[time, environment, ...]`.
            following: the next observations, likewise.
        """
        normalize = jax.vmap(jax.vmap(lambda one: self(statistics, one)))
        return normalize(observation), normalize(following)


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
    step (`PerStepStatistics`): there the policy changes while it collects.
    """

    epsilon: Scalar = hyper(1e-2)

    def init(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> MeanVariance:
        return _nothing_seen(shapes)

    def __call__(self, statistics: MeanVariance, observation: PyTree[Array]) -> PyTree[Array]:
        return jax.tree.map(
            lambda x, mean, variance: (
                (_near(x, mean, jnp.sqrt(variance)) - mean) * jax.lax.rsqrt(variance + self.epsilon)
            ),
            observation,
            statistics.mean,
            statistics.variance,
        )

    def update(self, statistics: MeanVariance, observations: PyTree[Array]) -> MeanVariance:
        return _merged(statistics, observations)

    def far(self, statistics: MeanVariance, observations: PyTree[Array]) -> Float[Array, ""]:
        return _share_far(statistics, observations)

    def validate(self) -> None:
        _require_epsilon(self.epsilon)


@final
class RunningMeanDeviation(AbstractNormalizer):
    """`(x - mean) / (standard deviation + epsilon)`: epsilon is added to the deviation, as in the PyTorch reference.

    Attributes:
        epsilon: added to the standard deviation, positive.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    epsilon: Scalar = hyper(1e-2)

    def init(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> MeanVariance:
        return _nothing_seen(shapes)

    def __call__(self, statistics: MeanVariance, observation: PyTree[Array]) -> PyTree[Array]:
        return jax.tree.map(
            lambda x, mean, variance: (_near(x, mean, jnp.sqrt(variance)) - mean) / (jnp.sqrt(variance) + self.epsilon),
            observation,
            statistics.mean,
            statistics.variance,
        )

    def update(self, statistics: MeanVariance, observations: PyTree[Array]) -> MeanVariance:
        return _merged(statistics, observations)

    def far(self, statistics: MeanVariance, observations: PyTree[Array]) -> Float[Array, ""]:
        return _share_far(statistics, observations)

    def validate(self) -> None:
        _require_epsilon(self.epsilon)


@final
class PerStepStatistics(AbstractNormalizer):
    """Another normalizer whose statistics move at every environment step, before acting, as in the reference.

    Each observation of a rollout is normalized by the statistics that hold when the policy acts on it, its own time
    step among them; a next observation by those of the next step. Actor and critic learn from what was collected so.

    Differs from the reference in two small ways: the last next observation of a rollout is normalized by the statistics
    before it, and evaluation does not know the observations that the next rollout starts from.

    Attributes:
        normalizer: what is moved.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    normalizer: AbstractNormalizer = RunningMeanVariance()

    def init(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> Any:
        return self.normalizer.init(shapes)

    def __call__(self, statistics: Any, observation: PyTree[Array]) -> PyTree[Array]:
        return self.normalizer(statistics, observation)

    def update(self, statistics: Any, observations: PyTree[Array]) -> Any:
        return self.normalizer.update(statistics, observations)

    def far(self, statistics: Any, observations: PyTree[Array]) -> Float[Array, ""]:
        return self.normalizer.far(statistics, observations)

    def observe(self, statistics: Any, observations: PyTree[Array]) -> Any:
        return self.normalizer.update(statistics, observations)

    def rollout(
        self, statistics: Any, observation: PyTree[Array], following: PyTree[Array]
    ) -> tuple[PyTree[Array], PyTree[Array]]:
        def step(statistics: Any, row: PyTree[Array]) -> tuple[Any, Any]:
            statistics = self.observe(statistics, row)
            return statistics, statistics

        _, moving = jax.lax.scan(step, statistics, observation)
        next_moving = jax.tree.map(lambda leaf: jnp.concatenate([leaf[1:], leaf[-1:]]), moving)
        normalize = jax.vmap(lambda statistics, row: jax.vmap(lambda one: self(statistics, one))(row))
        return normalize(moving, observation), normalize(next_moving, following)


@final
class MergedTwice(AbstractNormalizer):
    """Another normalizer that merges each observation twice, as the PyTorch reference does in effect.

    For means and variances of all that was seen that is the same in theory, since all weights double.

    Attributes:
        normalizer: what merges.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    normalizer: AbstractNormalizer = RunningMeanVariance()

    def init(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> Any:
        return self.normalizer.init(shapes)

    def __call__(self, statistics: Any, observation: PyTree[Array]) -> PyTree[Array]:
        return self.normalizer(statistics, observation)

    def update(self, statistics: Any, observations: PyTree[Array]) -> Any:
        return self.normalizer.update(self.normalizer.update(statistics, observations), observations)

    def far(self, statistics: Any, observations: PyTree[Array]) -> Float[Array, ""]:
        return self.normalizer.far(statistics, observations)


@final
class NoNormalization(AbstractNormalizer):
    """Observations as they come."""

    def init(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> tuple[()]:
        return ()

    def __call__(self, statistics: tuple[()], observation: PyTree[Array]) -> PyTree[Array]:
        return observation

    def update(self, statistics: tuple[()], observations: PyTree[Array]) -> tuple[()]:
        return ()


def _nothing_seen(shapes: PyTree[jax.ShapeDtypeStruct]) -> MeanVariance:
    return MeanVariance(
        count=jnp.zeros(()),
        mean=jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes),
        variance=jax.tree.map(lambda leaf: jnp.ones(leaf.shape), shapes),
    )


def _merged(statistics: MeanVariance, observations: PyTree[Array]) -> MeanVariance:
    """The statistics of what was seen before and these observations, whatever their leading axes."""
    flat = _as_rows(statistics, observations)
    flat = jax.tree.map(_all_near, flat, *_known_range(statistics, flat))
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


def _as_rows(statistics: MeanVariance, observations: PyTree[Array]) -> PyTree[Array]:
    """Observations with any leading axes as `[rows, ...]` of float32."""
    return jax.tree.map(lambda x, mean: x.reshape(-1, *mean.shape).astype(jnp.float32), observations, statistics.mean)


def _near(x: Any, mean: Any, deviation: Any) -> Array:
    """Moves what is farther from the mean than `FAR` allows to that distance."""
    reach = FAR * (1 + deviation)
    return jnp.clip(x, mean - reach, mean + reach)


_all_near = jax.vmap(_near, in_axes=(0, None, None))


def _known_range(statistics: MeanVariance, observations: PyTree[Array]) -> tuple[PyTree[Array], PyTree[Array]]:
    """Mean and deviation of what was seen; before that 0, and the geometric mean magnitude of `[rows, ...]`.

    A few absurd numbers hardly move a geometric mean.
    """
    magnitude = lambda x: jnp.expm1(jnp.log1p(jnp.abs(x)).mean(0))
    seen = statistics.count > 0
    deviation = lambda x, variance: jnp.where(seen, jnp.sqrt(variance), magnitude(x))
    return statistics.mean, jax.tree.map(deviation, observations, statistics.variance)


def _share_far(statistics: MeanVariance, observations: PyTree[Array]) -> Float[Array, ""]:
    rows = _as_rows(statistics, observations)
    near = jax.tree.map(_all_near, rows, *_known_range(statistics, rows))
    moved = jax.tree.map(lambda x, moved: jnp.mean(x != moved), rows, near)
    return jnp.stack(jax.tree.leaves(moved)).mean()


def _require_epsilon(epsilon: Scalar) -> None:
    require(epsilon > 0, f"The epsilon of observation normalization is {epsilon!s}; give a positive one.")
