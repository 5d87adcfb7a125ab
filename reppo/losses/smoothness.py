"""What is asked of the critic besides its values: slopes by which a policy can climb."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, Scalar, hyper
from reppo.distributions import require_pathwise
from reppo.errors import require
from reppo.networks import normalizes_batches

Values = Callable[[PyTree[Array], Float[Array, " action"]], Float[Array, " critic"]]
"""From a normalized critic observation and a unit action to the value that each critic gives."""


class AbstractSmoothness(Component):
    """A term of the critic's loss that depends on how its values change with observation and action."""

    @abstractmethod
    def __call__(
        self,
        values: Values,
        observation: PyTree[Array],
        action: Float[Array, " action"],
        key: Key[Array, ""],
    ) -> Float[Array, ""]:
        """The weighted loss of one example, summed over critics, at least 0.

        Args:
            values: of the critics.
            observation: normalized.
            action: the unit action that was taken.
            key: consumed.
        """


@final
class NoSmoothness(AbstractSmoothness):
    """Nothing: the critic learns its values, and its slopes are what comes of that."""

    def __call__(
        self,
        values: Values,
        observation: PyTree[Array],
        action: Float[Array, " action"],
        key: Key[Array, ""],
    ) -> Float[Array, ""]:
        return jnp.zeros(())


@final
class SmoothActionGradient(AbstractSmoothness):
    """The gradient of Q in the action shall change little with the observation, and Q be curved downwards in it.

    Two of the three terms of PAVE: `mixed` times the mean square by which the gradient differs at an observation with
    noise on it, and `curvature` times `max(0, margin + trace)`, the trace of the Hessian in the action estimated from
    one vector of signs. The third one compares with the next observation, which rows of a rollout do not hold. A critic
    whose activations are piecewise linear has next to no curvature.

    Attributes:
        mixed: weight of the first term, at least 0.
        noise: standard deviation of the noise on normalized observations, positive.
        curvature: weight of the second term, at least 0.
        margin: how negative the trace shall be, in values per squared unit action, at least 0.

    Reference: Lee et al. 2026 (arXiv 2601.22970), equations 11 and 13, with the weights of its published code.
    """

    mixed: Scalar = hyper(0.1)
    noise: Scalar = hyper(0.01)
    curvature: Scalar = hyper(0.01)
    margin: Scalar = hyper(1.0)

    def __call__(
        self,
        values: Values,
        observation: PyTree[Array],
        action: Float[Array, " action"],
        key: Key[Array, ""],
    ) -> Float[Array, ""]:
        noise_key, sign_key = jax.random.split(key)
        gradient = lambda observation: jax.jacrev(lambda action: values(observation, action))(action)
        change = gradient(observation) - gradient(self._noisy(observation, noise_key))
        signs = jax.random.rademacher(sign_key, action.shape, action.dtype)
        slope = lambda action: jax.jvp(lambda action: values(observation, action), (action,), (signs,))[1]
        trace = jax.jvp(slope, (action,), (signs,))[1]
        mixed = self.mixed * jnp.sum(jnp.mean(change**2, axis=-1))
        return mixed + self.curvature * jnp.sum(jax.nn.relu(trace + self.margin))

    def _noisy(self, observation: PyTree[Array], key: Key[Array, ""]) -> PyTree[Array]:
        noise = optax.tree.random_like(key, observation)
        return jax.tree.map(lambda x, moved: x + self.noise * moved, observation, noise)

    def validate(self) -> None:
        for name in ("mixed", "curvature", "margin"):
            number = getattr(self, name)
            require(number >= 0, f"The {name} of SmoothActionGradient is {number!s}; give at least 0.")
        require(self.noise > 0, f"The noise of SmoothActionGradient is {self.noise!s}; give a positive one.")

    def fits(self, spec: Any) -> None:
        reason = "SmoothActionGradient takes the gradient of Q in the action, which means nothing for"
        require_pathwise(spec, reason, "Choose NoSmoothness().")
        require(
            not normalizes_batches(spec.algorithm.critic),
            "SmoothActionGradient takes the gradient of Q in the action of one row, and with BatchNorm() in the critic "
            "Q depends on the actions of all. Choose NoSmoothness(), or another norm for algorithm.critic.",
        )
