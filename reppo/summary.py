"""Mean, minimum and maximum of a metric over everything that was seen, mergeable across updates."""

import dataclasses
import operator
from collections.abc import Iterable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

__all__ = ["Summary", "flatten"]


class Summary(eqx.Module):
    """What is kept of a metric: enough for its mean and extremes over a whole chunk of training.

    A value that is not finite is kept as such: it shows up in the mean. `broken` is how many values were seen before
    the first array of values with one that is not finite; infinity if all are finite. Of several metrics in one, each
    of these is `[metric]`.
    """

    total: Float[Array, "*metrics"]
    minimum: Float[Array, "*metrics"]
    maximum: Float[Array, "*metrics"]
    count: Float[Array, "*metrics"]
    broken: Float[Array, "*metrics"]

    @classmethod
    def of(cls, values: Float[Array, "..."], where: Bool[Array, "..."] | None = None) -> "Summary":
        """Summarizes an array of any shape; where a mask is given, its true entries only."""
        mask = jnp.ones_like(values, bool) if where is None else where
        return cls(
            total=jnp.sum(values, where=mask),
            minimum=jnp.min(values, where=mask, initial=jnp.inf),
            maximum=jnp.max(values, where=mask, initial=-jnp.inf),
            count=jnp.sum(mask, dtype=jnp.float32),
            broken=jnp.where(jnp.all(jnp.isfinite(values), where=mask), jnp.inf, 0.0),
        )

    @classmethod
    def none(cls) -> "Summary":
        """The summary of nothing, neutral in `merge`."""
        zero, infinity = jnp.array(0.0), jnp.array(jnp.inf)
        return cls(total=zero, minimum=infinity, maximum=-infinity, count=zero, broken=infinity)

    def merge(self, other: "Summary") -> "Summary":
        """The summary of what both have seen."""
        return Summary(
            total=self.total + other.total,
            minimum=jnp.minimum(self.minimum, other.minimum),
            maximum=jnp.maximum(self.maximum, other.maximum),
            count=self.count + other.count,
            broken=jnp.minimum(self.broken, self.count + other.broken),
        )

    @classmethod
    def together(cls, metrics: Iterable["Summary"]) -> "Summary":
        """Several summaries in one, `[metric]`."""
        metrics, fields = list(metrics), [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: jnp.array([getattr(one, name) for one in metrics], jnp.float32) for name in fields})

    def apart(self, names: Iterable[str]) -> dict[str, "Summary"]:
        """Those of which this one is `together`, by their names."""
        return {name: jax.tree.map(operator.itemgetter(at), self) for at, name in enumerate(names)}

    @property
    def mean(self) -> Float[Array, "*metrics"]:
        """The mean; NaN if nothing was seen."""
        return self.total / self.count


def flatten(stacked: Summary) -> Summary:
    """Merges a stack of summaries, such as the output of a scan, into one: over the first axis."""
    return Summary(
        total=jnp.sum(stacked.total, axis=0),
        minimum=jnp.min(stacked.minimum, axis=0),
        maximum=jnp.max(stacked.maximum, axis=0),
        count=jnp.sum(stacked.count, axis=0),
        broken=jnp.min(jnp.cumsum(stacked.count, axis=0) - stacked.count + stacked.broken, axis=0),
    )
