"""How far the new policy is from the one that collected the data."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from reppo.component import Component, static
from reppo.distributions import AbstractDistribution, require_pathwise
from reppo.errors import require
from reppo.numerics import limit

MAX_LOG_RATIO = 20.0
"""Within +- this the log of a ratio of densities is held before it is exponentiated."""


class AbstractDivergence(Component):
    """A divergence between two policies at one state, summed over action dimensions if its name does not say else."""

    @abstractmethod
    def __call__(self, old: AbstractDistribution, new: AbstractDistribution, key: Key[Array, ""]) -> Float[Array, ""]:
        """The divergence; the key is consumed by estimators that draw samples."""


@final
class ExactKL(AbstractDivergence):
    """KL(old, new) in closed form. The published implementations estimate it from samples; there is no need to.

    Source: Voelcker et al., arXiv 2507.11019.
    """

    def __call__(self, old: AbstractDistribution, new: AbstractDistribution, key: Key[Array, ""]) -> Float[Array, ""]:
        return old.kl(new)


@final
class ExactReverseKL(AbstractDivergence):
    """KL(new, old) in closed form: the other direction. The paper prints both; the published code uses KL(old, new).

    Source: Voelcker et al., arXiv 2507.11019.
    """

    def __call__(self, old: AbstractDistribution, new: AbstractDistribution, key: Key[Array, ""]) -> Float[Array, ""]:
        return new.kl(old)


@final
class SampledKL(AbstractDivergence):
    """KL(old, new) as the mean log-ratio at actions drawn from the old policy.

    Both densities are taken at the same action, before the tanh, which cancels: no action is too near the border, and
    the divergence of a policy from itself is exactly 0. `MismatchedKL` is what the reference implementation computes.

    Attributes:
        num_samples: number of actions, at least 1.

    Source: Voelcker et al., arXiv 2507.11019.
    """

    num_samples: int = static(16)

    def __call__(self, old: AbstractDistribution, new: AbstractDistribution, key: Key[Array, ""]) -> Float[Array, ""]:
        def log_ratio(sample_key: Key[Array, ""]) -> Float[Array, ""]:
            return old.log_ratio(new, old.draw(sample_key))

        return _mean_over_samples(log_ratio, self.num_samples, key)

    def validate(self) -> None:
        _require_samples(self.num_samples)


@final
class LowVarianceKL(AbstractDivergence):
    """KL(old, new) as the mean of `ratio - 1 - log(ratio)`, `ratio = new / old`, at actions drawn from the old policy.

    Never negative and of lower variance than the mean log-ratio while the two policies are near each other. Densities
    as for `SampledKL`. The log-ratio is held below 20, so that its exponential does not overflow where the new policy
    is narrow; beyond that the gradient still leads back.

    Attributes:
        num_samples: number of actions, at least 1.

    Reference: Schulman 2020, "Approximating KL divergence" (joschu.net/blog/kl-approx.html), the estimator k3.
    """

    num_samples: int = static(16)

    def __call__(self, old: AbstractDistribution, new: AbstractDistribution, key: Key[Array, ""]) -> Float[Array, ""]:
        def estimate(sample_key: Key[Array, ""]) -> Float[Array, ""]:
            log_ratio = limit(new.log_ratio(old, old.draw(sample_key)), -jnp.inf, MAX_LOG_RATIO)
            return jnp.expm1(log_ratio) - log_ratio

        return _mean_over_samples(estimate, self.num_samples, key)

    def validate(self) -> None:
        _require_samples(self.num_samples)


@final
class MismatchedKL(AbstractDivergence):
    """The reference implementation's estimate: the old density at the actions drawn, the new one at the same clipped.

    The two differ only at actions beyond +-0.9999. Where policies saturate this is no KL: that of a policy from itself
    is not 0 but grows with the distance of its mean from the border, which closes the gate there.

    Attributes:
        num_samples: number of actions, at least 1; 16 in the reference.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    num_samples: int = static(16)

    def __call__(self, old: AbstractDistribution, new: AbstractDistribution, key: Key[Array, ""]) -> Float[Array, ""]:
        def log_ratio(sample_key: Key[Array, ""]) -> Float[Array, ""]:
            action, old_log_prob = old.sample_and_log_prob(sample_key)
            return old_log_prob - new.log_prob(jnp.clip(action, -1 + 1e-4, 1 - 1e-4))

        return _mean_over_samples(log_ratio, self.num_samples, key)

    def validate(self) -> None:
        _require_samples(self.num_samples)

    def fits(self, spec: Any) -> None:
        reason = "MismatchedKL clips actions to +-0.9999, which means nothing for"
        require_pathwise(spec, reason, "Choose ExactKL() or SampledKL().")


@final
class PerDimension(AbstractDivergence):
    """The mean over action dimensions of another divergence, so that a bound means the same in tasks with any number.

    A bound of 0.1 on the sum leaves each of 29 dimensions a fifth of what it leaves each of 6. Where actions are a
    discrete set, it is the other divergence as it is.

    Attributes:
        divergence: the one whose mean is taken, in nats.
    """

    divergence: AbstractDivergence = ExactKL()

    def __call__(self, old: AbstractDistribution, new: AbstractDistribution, key: Key[Array, ""]) -> Float[Array, ""]:
        drawn = jax.tree.leaves(jax.eval_shape(old.draw, key))
        return self.divergence(old, new, key) / sum(leaf.size for leaf in drawn)


def _mean_over_samples(
    estimate: Callable[[Key[Array, ""]], Float[Array, ""]], num_samples: int, key: Key[Array, ""]
) -> Float[Array, ""]:
    return jax.vmap(estimate)(jax.random.split(key, num_samples)).mean()


def _require_samples(num_samples: int) -> None:
    require(num_samples >= 1, f"The number of samples of the KL is {num_samples}; give at least 1.")
