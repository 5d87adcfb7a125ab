"""Heads: how the outputs of the actor network become a distribution over actions."""

from abc import abstractmethod
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float, Int

from reppo.component import Component, Scalar, hyper, slot
from reppo.distributions.categorical import Categorical
from reppo.distributions.contract import AbstractDistribution, Action, Draw
from reppo.distributions.normal import Normal
from reppo.distributions.scales import AbstractScale, StateScale
from reppo.distributions.tanh_normal import TanhNormal
from reppo.environments import ActionSpace, Box, Discrete
from reppo.errors import require

_WITH = ", and in the other slots what goes with it, as presets such as presets.reppo_small do by the task."


class AbstractHead(Component):
    """Turns the actor network's outputs into a distribution, and its draws into what is done."""

    @property
    @abstractmethod
    def pathwise(self) -> bool:
        """Whether a sample can be differentiated in the outputs, so that a gradient of Q goes through it."""

    @abstractmethod
    def size(self, space: ActionSpace) -> int:
        """Number of network outputs for an action space.

        Raises:
            ConfigurationError: if the head is not for such a space.
        """

    @abstractmethod
    def __call__(self, outputs: Float[Array, " outputs"]) -> AbstractDistribution:
        """The distribution, for one state."""

    @abstractmethod
    def take(self, distribution: AbstractDistribution, drawn: Draw) -> Action:
        """What is done for a draw of the distribution while data are collected."""

    @abstractmethod
    def aimed_entropy(self, distribution: Any) -> Any:
        """The entropy that a learned temperature aims for, in nats; of a distribution whose leaves may have rows."""

    def free(self, space: ActionSpace) -> Float[Array, " free"] | None:
        """Where those of the outputs start that are parameters of their own, the same in every state; None without any.

        They are the last ones. `reppo.algorithms.build_actor` puts them beside a network of the others.

        Args:
            space: what `size` was asked of.
        """
        return None


def require_pathwise(spec: Any, reason: str, cure: str) -> None:
    """Refuses a spec whose policy draws its actions from a set, not a continuum.

    Args:
        spec: the spec; one whose algorithm has no slot `head` is not asked.
        reason: what does not go with its actions; ends in "those of CategoricalHead".
        cure: what to do instead.

    Raises:
        ConfigurationError: if it does.
    """
    head = getattr(spec.algorithm, "head", None)
    require(head is None or head.pathwise, f"{reason} those of {type(head).__name__}. {cure}")


def require_choice(spec: Any, reason: str, cure: str) -> None:
    """Refuses a spec whose policy draws its actions from a continuum, not a set.

    Args:
        spec: the spec; one whose algorithm has no slot `head` is not asked.
        reason: what does not go with its actions; ends in "those of TanhNormalHead".
        cure: what to do instead.

    Raises:
        ConfigurationError: if it does.
    """
    head = getattr(spec.algorithm, "head", None)
    require(head is None or not head.pathwise, f"{reason} those of {type(head).__name__}. {cure}")


class AbstractBoxHead(AbstractHead):
    """A head for actions in a box: a mean and a standard deviation for each dimension.

    Attributes:
        scale: where the standard deviation comes from.
        entropy_target: entropy that the temperature aims for, per action dimension, in nats.
    """

    scale: AbstractVar[AbstractScale]
    entropy_target: AbstractVar[Scalar]

    def size(self, space: ActionSpace) -> int:
        require(
            isinstance(space, Box),
            f"{type(self).__name__} is for actions in a box, and the task has {space}. Choose CategoricalHead().",
        )
        return (1 + self.scale.per_action) * space.size

    def free(self, space: ActionSpace) -> Float[Array, " free"] | None:
        return self.scale.free(space.size)

    def loc_and_scale(
        self, outputs: Float[Array, " outputs"]
    ) -> tuple[Float[Array, " action"], Float[Array, " action"]]:
        """The first outputs, one an action dimension, and the standard deviations that the others stand for."""
        actions = outputs.shape[0] // (1 + self.scale.per_action)
        return outputs[:actions], self.scale(outputs[actions:], actions)

    def aimed_entropy(self, distribution: Any) -> Any:
        return self.entropy_target * distribution.loc.shape[-1]

    def fits(self, spec: Any) -> None:
        require(
            spec.environment.discrete is not True,
            f"{type(self).__name__} is for actions in a box, and those of {spec.environment.name} are a discrete set. "
            f"Choose CategoricalHead(){_WITH}",
        )


@final
class TanhNormalHead(AbstractBoxHead):
    """Mean and log standard deviation, both outputs of the network: `scale = exp(log_std) + floor`.

    Attributes:
        floor: added to the standard deviation, at least 0. The reference implementation adds 0.1 although its
            configuration says 0; here it is what it says.
        max_action: limit on the actions that are taken, in (0, 1]. Densities are those of what was drawn before it.
        entropy_target: entropy that the temperature aims for, per action dimension, in nats; any finite number.
        scale: where the standard deviation comes from, before the floor.

    The squashed normal of SAC (Haarnoja et al. 2018, arXiv 1801.01290). Differs from the reference in that `log_std` is
    limited to [-10, 4] (see `StateScale`).
    """

    floor: Scalar = hyper(0.0)
    max_action: Scalar = hyper(0.999)
    entropy_target: Scalar = hyper(-0.5)
    scale: AbstractScale = slot(StateScale(), added=True)

    @property
    def pathwise(self) -> bool:
        """True: a sample is `tanh(loc + scale * noise)`."""
        return True

    def __call__(self, outputs: Float[Array, " outputs"]) -> TanhNormal:
        loc, scale = self.loc_and_scale(outputs)
        return TanhNormal(loc=loc, scale=scale + self.floor)

    def take(self, distribution: AbstractDistribution, drawn: Float[Array, " action"]) -> Action:
        return jnp.clip(distribution.action_of(drawn), -self.max_action, self.max_action)

    def validate(self) -> None:
        require(0 <= self.floor <= 10, f"The floor of the standard deviation is {self.floor!s}; give one in [0, 10].")
        require(0 < self.max_action <= 1, f"max_action is {self.max_action!s}; give one in (0, 1].")


@final
class NormalHead(AbstractBoxHead):
    """Mean and standard deviation of a Gaussian whose draws are clipped to [-1, 1], the usual policy of PPO.

    Attributes:
        scale: where the standard deviation comes from.
        entropy_target: entropy that the temperature aims for, per action dimension, in nats; any finite number. That
            of the draw: at a standard deviation of 0.15 it is -0.5.

    Reference: Schulman et al. 2017 (arXiv 1707.06347), section 6.1.
    """

    scale: AbstractScale = StateScale()
    entropy_target: Scalar = hyper(-0.5)

    @property
    def pathwise(self) -> bool:
        """True: a draw is `loc + scale * noise`."""
        return True

    def __call__(self, outputs: Float[Array, " outputs"]) -> Normal:
        return Normal(*self.loc_and_scale(outputs))

    def take(self, distribution: AbstractDistribution, drawn: Float[Array, " action"]) -> Action:
        return distribution.action_of(drawn)


@final
class CategoricalHead(AbstractHead):
    """The outputs are the logits of a discrete set of actions.

    Attributes:
        entropy_target: entropy that the temperature aims for, as a share of that of the uniform policy, in [0, 1].
            0.98 is SAC's for discrete actions (Christodoulou 2019, arXiv 1910.07207).
    """

    entropy_target: Scalar = hyper(0.98)

    @property
    def pathwise(self) -> bool:
        """False: an action is drawn from a set."""
        return False

    def size(self, space: ActionSpace) -> int:
        require(
            isinstance(space, Discrete),
            f"CategoricalHead is for a discrete set of actions, and the task has {space}. Choose TanhNormalHead().",
        )
        return space.size

    def __call__(self, outputs: Float[Array, " outputs"]) -> Categorical:
        return Categorical(outputs)

    def take(self, distribution: AbstractDistribution, drawn: Int[Array, ""]) -> Action:
        return distribution.action_of(drawn)

    def aimed_entropy(self, distribution: Any) -> Any:
        return self.entropy_target * np.log(np.float32(distribution.logits.shape[-1]))

    def fits(self, spec: Any) -> None:
        require(
            spec.environment.discrete is not False,
            f"CategoricalHead is for a discrete set of actions, and those of {spec.environment.name} are in a box. "
            f"Choose TanhNormalHead(){_WITH}",
        )

    def validate(self) -> None:
        require(0 <= self.entropy_target <= 1, f"entropy_target is {self.entropy_target!s}; give one in [0, 1].")
