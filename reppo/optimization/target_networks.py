"""Target networks: which critic the targets are made with."""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax

from reppo.component import Component, Scalar, hyper
from reppo.errors import require


class AbstractTargetNetwork(Component):
    """A network that follows one that is trained."""

    @abstractmethod
    def follow(self, target: Any, trained: Any) -> Any:
        """The target network after a step of the trained one.

        Args:
            target: before; at the start of training the untrained network itself.
            trained: after its step, a tree of the same form.
        """


@final
class Polyak(AbstractTargetNetwork):
    """A moving average of the weights: `target + rate * (trained - target)`.

    Attributes:
        rate: the share of the trained network, in (0, 1].

    References: Polyak & Juditsky 1992; Lillicrap et al. 2016 (arXiv 1509.02971).
    """

    rate: Scalar = hyper(0.005)

    def follow(self, target: Any, trained: Any) -> Any:
        average = lambda old, new: old + self.rate * (new - old) if eqx.is_inexact_array(new) else new
        return jax.tree.map(average, target, trained)

    def validate(self) -> None:
        require(0 < self.rate <= 1, f"The rate of a target network is {self.rate!s}; give one in (0, 1].")


@final
class NoTargetNetwork(AbstractTargetNetwork):
    """The trained network itself."""

    def follow(self, target: Any, trained: Any) -> Any:
        return trained
