"""How far the new policy is from the one that collected the data."""

from abc import abstractmethod
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from reppo.component import Component, static
from reppo.distributions import TanhNormal
from reppo.errors import require


class AbstractDivergence(Component):
    """A divergence between two policies at one state, summed over action dimensions."""

    @abstractmethod
    def __call__(self, old: TanhNormal, new: TanhNormal, key: Key[Array, ""]) -> Float[Array, ""]:
        """The divergence; the key is consumed by estimators that draw samples."""


@final
class ExactKL(AbstractDivergence):
    """KL(old, new) in closed form. The published implementations estimate it from samples; there is no need to."""

    def __call__(self, old: TanhNormal, new: TanhNormal, key: Key[Array, ""]) -> Float[Array, ""]:
        return old.kl(new)


@final
class SampledKL(AbstractDivergence):
    """KL(old, new) as the mean log-ratio at actions drawn from the old policy, as in the reference implementation.

    Both densities are taken at the same action, so that the divergence of a policy from itself is exactly 0.

    Attributes:
        num_samples: number of actions, at least 1; 16 in the reference.
    """

    num_samples: int = static(16)

    def __call__(self, old: TanhNormal, new: TanhNormal, key: Key[Array, ""]) -> Float[Array, ""]:
        def log_ratio(sample_key: Key[Array, ""]) -> Float[Array, ""]:
            action = jnp.clip(old.sample(sample_key), -1 + 1e-4, 1 - 1e-4)
            return old.log_prob(action) - new.log_prob(action)

        return jax.vmap(log_ratio)(jax.random.split(key, self.num_samples)).mean()

    def validate(self) -> None:
        require(self.num_samples >= 1, f"The number of samples of the KL is {self.num_samples}; give at least 1.")
