"""How a policy explores: what it draws from while it collects."""

from abc import abstractmethod
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, Scalar, hyper
from reppo.distributions import AbstractDistribution, Draw, require_pathwise
from reppo.errors import require


class AbstractExploration(Component):
    """Draws the actions that are collected."""

    def start(self, key: Key[Array, ""]) -> PyTree[Array]:
        """What is remembered of an episode, at its start; `()` unless something is. The key is consumed."""
        return ()

    @abstractmethod
    def draw(
        self, distribution: AbstractDistribution, memory: PyTree[Array], key: Key[Array, ""]
    ) -> tuple[Draw, Float[Array, ""] | None]:
        """A draw, and its weight in traces: less than 1 where the policy would have drawn it less likely than it was.

        Args:
            distribution: that of the policy.
            memory: of the episode.
            key: consumed.

        Returns:
            The draw; and its weight in (0, 1], or None where all weights are 1, since the policy itself drew.
        """


@final
class OwnDraws(AbstractExploration):
    """The policy's own distribution: what is collected is on-policy."""

    def draw(self, distribution: AbstractDistribution, memory: PyTree[Array], key: Key[Array, ""]) -> tuple[Draw, None]:
        return distribution.draw(key), None


@final
class WiderDraws(AbstractExploration):
    """Mixed exploration: the policy's distribution, wider by a factor that each episode draws.

    The weight is the ratio of the policy's density to that of the wider one, where it is between `least_weight` and 1,
    and the nearer of the two elsewhere: a return goes on through actions that the policy would have drawn, and gives
    way to the value of the next state at others. Densities are those of the draw, before the limit on actions.

    In the reference implementation, whose settings are those without effect (factors of 1), each environment has a
    factor of its own, evenly spaced, and some may have the least; here an environment draws one uniformly for the
    episodes that begin in a rollout. There the densities are those of the action after its limit.

    Attributes:
        least: least factor on the standard deviation, at least 1.
        most: greatest, at least `least`.
        least_weight: the least weight of an action, in (0, 1].

    Source: the reference implementation, github.com/cvoelcker/reppo (`exploration_noise_min`, `exploration_noise_max`,
        `lmbda_min`). Truncated importance weights in traces: Munos et al. 2016, arXiv 1606.02647.
    """

    least: Scalar = hyper(1.0)
    most: Scalar = hyper(1.5)
    least_weight: Scalar = hyper(0.5)

    def start(self, key: Key[Array, ""]) -> Float[Array, ""]:
        """The factor of an episode."""
        return jax.random.uniform(key, (), minval=self.least, maxval=self.most)

    def draw(
        self, distribution: AbstractDistribution, memory: PyTree[Array], key: Key[Array, ""]
    ) -> tuple[Draw, Float[Array, ""]]:
        wider = distribution.widened(memory)
        drawn = wider.draw(key)
        return drawn, jnp.clip(jnp.exp(distribution.log_ratio(wider, drawn)), self.least_weight, 1.0)

    def validate(self) -> None:
        require(self.least >= 1, f"The least factor on the standard deviation is {self.least!s}; give at least 1.")
        require(
            self.most >= self.least,
            f"The greatest factor on the standard deviation is {self.most!s}; give at least the least, {self.least!s}.",
        )
        require(
            0 < self.least_weight <= 1, f"The least weight of an action is {self.least_weight!s}; give one in (0, 1]."
        )

    def fits(self, spec: Any) -> None:
        require_pathwise(spec, "WiderDraws widens a standard deviation, which means nothing for", "Choose OwnDraws().")
        for name in ("next_value", "actor_loss"):
            part = getattr(spec.algorithm, name, None)
            require(
                part is None or not part.on_policy,
                f"{type(part).__name__} ({name}) learns from the actions that were taken as the policy's own, and "
                "WiderDraws() draws others. Choose OwnDraws(), or a component that draws fresh actions, such as "
                f"{_FRESH[name]}.",
            )


_FRESH = {"next_value": "FreshAction()", "actor_loss": "PathwiseLoss()"}
