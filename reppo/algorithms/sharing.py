"""Layers that policy and value have in common, and the one step that then moves both."""

import dataclasses
from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import numpy as np
import optax
from equinox import AbstractVar
from jaxtyping import Array, Float, Key

from reppo.algorithms.learning import ActorParts, Learner, RowLosses, critic_loss, critic_metrics
from reppo.component import Component, Scalar, hyper
from reppo.errors import require
from reppo.keys import subkey
from reppo.losses import Minibatch
from reppo.networks import Actor, Critic, PlainLayers
from reppo.summary import Summary


class AbstractSharing(Component):
    """Which layers policy and value have in common.

    Both networks are whole wherever they act or are asked; what is shared is the actor's, and the same in both.

    Attributes:
        value_weight: weight of the critic's loss in the sum of both, where one step moves both.
    """

    value_weight: AbstractVar[Scalar]

    @property
    @abstractmethod
    def jointly(self) -> bool:
        """Whether one step moves both networks, by the sum of their losses and the actor's optimizer."""

    @abstractmethod
    def own(self, critic: Any) -> Any:
        """The critic without what it shares: nothing stands in its place."""

    @abstractmethod
    def tie(self, actor: Any, own: Any) -> Any:
        """The whole critic again, with what the actor has.

        Raises:
            ConfigurationError: if the actor's layers are of other shapes.
        """


@final
class NoSharing(AbstractSharing):
    """Two networks without a layer in common, each with a step of its own."""

    @property
    def jointly(self) -> bool:
        """False."""
        return False

    @property
    def value_weight(self) -> Scalar:
        """1: nothing is summed."""
        return np.float32(1)

    def own(self, critic: Any) -> Any:
        return critic

    def tie(self, actor: Any, own: Any) -> Any:
        return own


@final
class SharedEncoder(AbstractSharing):
    """All layers but the last ones are the same, and learn by the loss of the policy plus a part of the value's.

    Those are what stands before the hidden layers, such as a convolution, and the hidden layers: all linear ones, and
    all norms but the last, which the critic has only where its embedding is activated. The actor's optimizer moves
    both networks, so that a clip of gradients and the metric `actor/gradient_norm` span them; where the policy stops,
    so does the value.

    Attributes:
        value_weight: weight of the critic's loss in the sum, positive.

    Reference: Mnih et al. 2016 (arXiv 1602.01783); Huang et al. 2022
    (iclr-blog-track.github.io/2022/03/25/ppo-implementation-details).
    """

    value_weight: Scalar = hyper(0.5)

    @property
    def jointly(self) -> bool:
        """True."""
        return True

    def own(self, critic: Any) -> Any:
        return _with_layers(critic, None, (), ())

    def tie(self, actor: Any, own: Any) -> Any:
        network = getattr(actor, "network", actor)  # where some outputs are parameters beside a network
        linears = network.mlp.linears[:-1]
        return _with_layers(own, network.trunk, linears, network.mlp.norms[: len(linears) - 1])

    def fits(self, spec: Any) -> None:
        algorithm = spec.algorithm
        actor, critic = algorithm.actor, algorithm.critic
        require(
            isinstance(actor, Actor) and isinstance(critic, Critic),
            f"SharedEncoder knows the layers of Actor() and Critic(), not of {type(actor).__name__} and "
            f"{type(critic).__name__}.",
        )
        require(
            isinstance(actor.layers, PlainLayers) and isinstance(critic.layers, PlainLayers),
            "SharedEncoder needs the same hidden layers in actor and critic, and knows only plain ones. Set "
            "layers=PlainLayers() in algorithm.actor and algorithm.critic.",
        )
        pairs = {
            "width": (actor.width, critic.width),
            "hidden layers": (actor.depth, critic.encoder_depth + 1),
            "norm": (actor.norm, critic.norm),
            "activation": (actor.activation, critic.activation),
            "trunk": (actor.trunk, critic.trunk),
            "embedding": (actor.width, critic.embedding_size),
        }
        others = [f"{name} {a} and {b}" for name, (a, b) in pairs.items() if a != b]
        require(
            not others,
            "SharedEncoder needs the same hidden layers in actor and critic, the critic's embedding being the last, "
            f"and here they differ in {', '.join(others)}. Set algorithm.actor and algorithm.critic alike.",
        )
        require(
            algorithm.actor_optimizer == algorithm.critic_optimizer,
            "With SharedEncoder the actor's optimizer moves both networks, and algorithm.critic_optimizer is another. "
            "Give the same to both.",
        )

    def validate(self) -> None:
        require(self.value_weight > 0, f"The weight of the value's loss is {self.value_weight!s}; give a positive one.")


def _with_layers(critic: Any, trunk: Any, linears: tuple[Any, ...], norms: tuple[Any, ...]) -> Any:
    """A critic with other layers before its heads."""
    if hasattr(critic, "critic"):  # one whose outputs are moved
        return dataclasses.replace(critic, critic=_with_layers(critic.critic, trunk, linears, norms))
    encoder = dataclasses.replace(critic.encoder, linears=linears, norms=norms)
    return dataclasses.replace(critic, trunk=trunk, encoder=encoder)


@final
class Pair(eqx.Module):
    """Both networks, as one that a step moves.

    Attributes:
        actor: the actor network.
        own: the critic network without what it shares.
    """

    actor: Any
    own: Any


def joint_learner(sharing: AbstractSharing, parts: ActorParts, actor: Any, critic: Any) -> Learner:
    """The learner before training where one step moves both networks.

    Args:
        sharing: which layers they share.
        parts: those of the actor's step, whose optimizer moves both.
        actor: the actor network.
        critic: the critic network; what it shares becomes the actor's.

    Raises:
        ConfigurationError: if actor and critic observe different things.
    """
    tied = sharing.tie(actor, sharing.own(critic))
    shapes = [[leaf.shape for leaf in jax.tree.leaves(eqx.filter(one, eqx.is_array))] for one in (critic, tied)]
    require(
        shapes[0] == shapes[1],
        "Policy and value cannot share their first layers: actor and critic observe different things in this task. "
        "Choose algorithm.sharing=NoSharing().",
    )
    learner = parts.init(Pair(actor, sharing.own(critic)), tied, optax.identity())
    return dataclasses.replace(learner, actor=actor)


def joint_step(
    sharing: AbstractSharing,
    parts: ActorParts,
    learner: Learner,
    batch: Minibatch,
    row_losses: RowLosses,
    says: str,
    key: Key[Array, ""],
) -> tuple[Learner, dict[str, Summary]]:
    """One gradient step of both networks, by the sum of their losses.

    Args:
        sharing: which layers they share, and the weight of the critic's loss.
        parts: those of the actor's step.
        learner: before the step.
        batch: the minibatch.
        row_losses: what the critic says of a row, and what that costs.
        says: what its value is called among the metrics, such as `value`.
        key: consumed.
    """
    weights = parts.weights(learner)

    def loss(pair: Pair) -> tuple[Float[Array, ""], Any]:
        value, seen = parts.objective(pair.actor, None, batch, weights, key)
        value_loss, rows = critic_loss(sharing.tie(pair.actor, pair.own), batch, row_losses, subkey(key, "critic"))
        return value + sharing.value_weight * value_loss, (value, seen, rows)

    pair = Pair(learner.actor, sharing.own(learner.critic))
    gradient, (value, seen, rows) = eqx.filter_grad(loss, has_aux=True)(pair)
    both, metrics = parts.moved(dataclasses.replace(learner, actor=pair), batch, gradient, weights, value, seen)
    moved: Any = both.actor
    learner = dataclasses.replace(both, actor=moved.actor, critic=sharing.tie(moved.actor, moved.own))
    return learner, metrics | critic_metrics(rows, batch, gradient.own, says)
