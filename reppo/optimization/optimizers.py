"""Optimizers: components that build Optax transforms inside the traced function.

Built there, their settings are traced arrays: a sweep over learning rates is one program.
"""

from abc import abstractmethod
from typing import final

import optax

from reppo.component import Component, Scalar, hyper
from reppo.errors import require


class AbstractClip(Component):
    """Limits gradients before the optimizer sees them."""

    @abstractmethod
    def transform(self) -> optax.GradientTransformation:
        """The Optax transform."""


@final
class ClipByGlobalNorm(AbstractClip):
    """Scales the gradient down to a global norm of at most `max_norm` (Pascanu et al. 2013, arXiv 1211.5063).

    Attributes:
        max_norm: the limit, positive.
    """

    max_norm: Scalar = hyper(0.5)

    def transform(self) -> optax.GradientTransformation:
        return optax.clip_by_global_norm(self.max_norm)  # pyright: ignore[reportArgumentType]

    def validate(self) -> None:
        require(
            self.max_norm > 0, f"The limit on the gradient norm is {self.max_norm!s}; give a positive one, or NoClip()."
        )


@final
class NoClip(AbstractClip):
    """Gradients as they are."""

    def transform(self) -> optax.GradientTransformation:
        return optax.identity()


class AbstractOptimizer(Component):
    """A gradient-based optimizer."""

    @abstractmethod
    def transform(self) -> optax.GradientTransformation:
        """The Optax transform; call it inside the traced function."""


@final
class Adam(AbstractOptimizer):
    """Adam (Kingma & Ba 2015, arXiv 1412.6980).

    Attributes:
        learning_rate: step size, positive.
        clip: what is done to gradients first.
    """

    learning_rate: Scalar = hyper(3e-4)
    clip: AbstractClip = ClipByGlobalNorm()

    def transform(self) -> optax.GradientTransformation:
        return optax.chain(self.clip.transform(), optax.adam(self.learning_rate))  # pyright: ignore[reportArgumentType]

    def validate(self) -> None:
        require(self.learning_rate > 0, f"The learning rate is {self.learning_rate!s}; give a positive one.")
