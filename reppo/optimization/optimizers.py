"""Optimizers: components that build Optax transforms inside the traced function.

Built there, their settings are traced arrays: a sweep over learning rates is one program.
"""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

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


class AbstractMultiplierOptimizer(Component):
    """How the multipliers are moved, which stand beside the actor's parameters."""

    @abstractmethod
    def beside(self, actor: optax.GradientTransformation) -> optax.GradientTransformation:
        """The Optax transform of a pair: the actor's parameters, whose own transform is given, and the multipliers."""


class AbstractOptimizer(AbstractMultiplierOptimizer):
    """A gradient-based optimizer. As that of the multipliers it has nothing to do with the actor's."""

    @abstractmethod
    def transform(self) -> optax.GradientTransformation:
        """The Optax transform; call it inside the traced function."""

    def annealed(self, rate: Float[Array, ""]) -> optax.GradientTransformation:
        """The transform where a share of the learning rate is left.

        Args:
            rate: the share, in [0, 1].
        """
        return optax.chain(self.transform(), optax.scale(rate))  # pyright: ignore[reportArgumentType]

    def beside(self, actor: optax.GradientTransformation) -> optax.GradientTransformation:
        return _apart(actor, self.transform())


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
        _require_learning_rate(self.learning_rate)


@final
class AdamW(AbstractOptimizer):
    """Adam with decoupled weight decay: every parameter also shrinks by `learning_rate * weight_decay` of itself.

    Attributes:
        learning_rate: step size, positive.
        weight_decay: the decay, at least 0; 0 gives Adam.
        clip: what is done to gradients first.

    Reference: Loshchilov & Hutter 2019 (arXiv 1711.05101).
    """

    learning_rate: Scalar = hyper(3e-4)
    weight_decay: Scalar = hyper(1e-2)
    clip: AbstractClip = ClipByGlobalNorm()

    def transform(self) -> optax.GradientTransformation:
        return optax.chain(self.clip.transform(), optax.adamw(self.learning_rate, weight_decay=self.weight_decay))  # pyright: ignore[reportArgumentType]

    def validate(self) -> None:
        _require_learning_rate(self.learning_rate)
        require(self.weight_decay >= 0, f"The weight decay is {self.weight_decay!s}; give one of at least 0.")


@final
class UnitNormRows(AbstractOptimizer):
    """Another optimizer, after each of whose steps the rows of all weights of linear layers are scaled to length 1.

    A row, the last axis of weights `[..., out, in]`, is what one output takes from all inputs, in each critic of an
    ensemble by itself. It has a direction and no length, so that weights do not grow and steps turn them as far late in
    a run as early. This holds for every `eqx.nn.Linear` of a network, also those that give its outputs; initial weights
    are scaled at the first step. Biases, norms, convolutions and multipliers are moved by the steps alone; a row of
    zeros stays.

    In FlashSAC, too, the layers of the outputs are scaled and their biases are not; its other linear layers have no
    bias, and the scales of its norms are brought to the length that they begin with.

    Attributes:
        optimizer: what makes the steps.

    Reference: Kim et al. 2026 (arXiv 2604.04539); source: its code, github.com/Holiday-Robot/FlashSAC.
    """

    optimizer: AbstractOptimizer = Adam()

    def transform(self) -> optax.GradientTransformation:
        return _projected(self.optimizer.transform())

    def annealed(self, rate: Float[Array, ""]) -> optax.GradientTransformation:
        return _projected(self.optimizer.annealed(rate))


@final
class WithActor(AbstractMultiplierOptimizer):
    """The multipliers are further parameters of the actor: inside its optimizer, and inside its clip.

    So the reference implementation has it. A large gradient of the policy then shrinks the steps that both multipliers
    would make, as far as the optimizer does not undo it.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    def beside(self, actor: optax.GradientTransformation) -> optax.GradientTransformation:
        return actor


def _projected(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """A transform after whose updates the rows of linear layers have length 1."""

    def project(update: Any, layer: Any) -> Any:
        if not _is_linear(layer):
            return update
        weight = layer.weight + update.weight
        length = jnp.linalg.norm(weight, axis=-1, keepdims=True)
        return eqx.tree_at(lambda it: it.weight, update, weight / jnp.maximum(length, 1e-8) - layer.weight)

    def update(gradient: Any, state: Any, parameters: Any) -> tuple[Any, Any]:
        updates, state = inner.update(gradient, state, parameters)
        return jax.tree.map(project, updates, parameters, is_leaf=_is_linear), state

    return optax.GradientTransformation(inner.init, update)  # pyright: ignore[reportArgumentType]


def _is_linear(layer: Any) -> bool:
    return isinstance(layer, eqx.nn.Linear)


def _apart(first: optax.GradientTransformation, second: optax.GradientTransformation) -> optax.GradientTransformation:
    """A transform of pairs that treats each half by itself."""

    def init(parameters: tuple[Any, Any]) -> tuple[Any, Any]:
        return first.init(parameters[0]), second.init(parameters[1])

    def update(
        gradient: tuple[Any, Any], state: tuple[Any, Any], parameters: tuple[Any, Any]
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        updates, states = zip(
            first.update(gradient[0], state[0], parameters[0]), second.update(gradient[1], state[1], parameters[1])
        )
        return updates, states

    return optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]


def _require_learning_rate(learning_rate: Scalar) -> None:
    require(learning_rate > 0, f"The learning rate is {learning_rate!s}; give a positive one.")
