"""Annealing: how the learning rates of the networks fall while a run goes on."""

from abc import abstractmethod
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require


class AbstractAnnealing(Component):
    """The share of its initial learning rate that an optimizer has left.

    It knows how far a run is, never how far it will go: a longer budget continues the same run.
    """

    @abstractmethod
    def __call__(self, steps: Float[Array, ""]) -> Float[Array, ""]:
        """The share, in [0, 1]; constant within an iteration.

        Args:
            steps: environment steps before the rollout of this iteration, at least 0.
        """


@final
class NoAnnealing(AbstractAnnealing):
    """The initial learning rate throughout."""

    def __call__(self, steps: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.ones(())


@final
class LinearAnnealing(AbstractAnnealing):
    """Falls linearly from 1 to a floor, and stays there.

    Attributes:
        horizon: environment steps after which the floor is reached, positive. What a run's budget is does not matter:
            a shorter run ends before, a longer one goes on at the floor.
        rate_floor: the share that is left then, in [0, 1]. At 0 nothing is learned beyond the horizon.

    Reference: Schulman et al. 2017 (arXiv 1707.06347), table 5.
    """

    horizon: Scalar = hyper(1_000_000)
    rate_floor: Scalar = hyper(0.0)

    def __call__(self, steps: Float[Array, ""]) -> Float[Array, ""]:
        return 1 - (1 - self.rate_floor) * jnp.minimum(steps / self.horizon, 1.0)

    def validate(self) -> None:
        require(self.horizon > 0, f"The horizon of the annealing is {self.horizon!s} steps; give a positive one.")
        require(
            0 <= self.rate_floor <= 1,
            f"The floor of the learning rate is {self.rate_floor!s} of it; give one in [0, 1].",
        )
