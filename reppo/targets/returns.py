"""Soft TD(lambda) returns."""

from abc import abstractmethod
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from reppo.component import Component, Scalar, hyper
from reppo.errors import require


def soft_lambda_returns(
    soft_reward: Float[Array, " time"],
    next_value: Float[Array, " time"],
    terminated: Bool[Array, " time"],
    truncated: Bool[Array, " time"],
    gamma: Float[Array, ""] | Scalar | float,
    lam: Float[Array, ""] | Float[Array, " time"] | Scalar | float,
) -> Float[Array, " time"]:
    """Lambda-returns of one trajectory, which may hold several episodes.

    `G_t = r_t + gamma * c_t`, where `c_t` is 0 if step t terminated; `V(s'_t)` if it was truncated or is the last row;
    and `lam_t * G_{t+1} + (1 - lam_t) * V(s'_t)` otherwise. So nothing that happens after the end of an episode, of
    either kind, reaches a return before it.

    Args:
        soft_reward: reward with the entropy bonus of the next action.
        next_value: value of the true next state, also where the episode ended there.
        terminated: whether the step ended the episode for good. Wins where `truncated` is set too.
        truncated: whether the step ended the episode although it could have gone on.
        gamma: discount factor, in [0, 1].
        lam: lambda, in [0, 1], one for all steps or one for each: 0 gives one-step targets, 1 Monte-Carlo returns.

    Returns:
        The return at every step.

    Raises:
        ConfigurationError: if the arrays are not of one length.

    Reference: Sutton & Barto 2018, section 12.1, with the soft rewards of arXiv 2507.11019, section 3.
    """
    shapes = [x.shape for x in (soft_reward, next_value, terminated, truncated)]
    require(
        shapes == [soft_reward.shape] * 4 and soft_reward.ndim == 1,
        f"Lambda-returns are of one trajectory: rewards, values and flags of one length, and these have the shapes "
        f"{', '.join(map(str, shapes))}. For many trajectories, use jax.vmap.",
    )
    cut = truncated.at[-1].set(True)

    def step(following: Float[Array, ""], row: Any) -> tuple[Float[Array, ""], Float[Array, ""]]:
        reward, value, is_terminated, is_cut, *of_step = row
        trace = of_step[0] if of_step else lam
        continuation = jnp.where(is_cut, value, trace * following + (1 - trace) * value)
        result = reward + gamma * jnp.where(is_terminated, 0.0, continuation)
        return result, result

    rows = (soft_reward, next_value, terminated, cut, *([lam] if jnp.ndim(lam) else []))
    _, returns = jax.lax.scan(step, jnp.zeros((), soft_reward.dtype), rows, reverse=True)
    return returns


class AbstractTargets(Component):
    """Makes the critic's regression targets of one trajectory."""

    @abstractmethod
    def __call__(
        self,
        soft_reward: Float[Array, " time"],
        next_value: Float[Array, " time"],
        terminated: Bool[Array, " time"],
        truncated: Bool[Array, " time"],
        gamma: Float[Array, ""] | Scalar,
        weight: Float[Array, " time"] | None = None,
    ) -> Float[Array, " time"]:
        """The target at every step; see `soft_lambda_returns` for the arguments.

        Args:
            soft_reward: reward with the entropy bonus of the next action.
            next_value: value of the true next state.
            terminated: whether the step ended the episode for good.
            truncated: whether it ended the episode although it could have gone on.
            gamma: discount factor.
            weight: how much of a trace goes on from a step through the next action, in [0, 1]; given where actions were
                drawn wider than the policy's (see `reppo.algorithms.WiderDraws`), and None, for 1, where they were not.
        """


@final
class SoftLambda(AbstractTargets):
    """`soft_lambda_returns`, the targets of REPPO (arXiv 2507.11019).

    Attributes:
        lam: lambda, in [0, 1].
    """

    lam: Scalar = hyper(0.95)

    def __call__(
        self,
        soft_reward: Float[Array, " time"],
        next_value: Float[Array, " time"],
        terminated: Bool[Array, " time"],
        truncated: Bool[Array, " time"],
        gamma: Float[Array, ""] | Scalar,
        weight: Float[Array, " time"] | None = None,
    ) -> Float[Array, " time"]:
        lam = self.lam if weight is None else self.lam * weight
        return soft_lambda_returns(soft_reward, next_value, terminated, truncated, gamma, lam)

    def validate(self) -> None:
        require(0 <= self.lam <= 1, f"lambda is {self.lam!s}; give one in [0, 1].")
