"""The critic network: an encoder, a head for the value, a head for the auxiliary task.

The encoder is one of (observation, action), or of observations alone where the action has no length.
"""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, slot, static
from reppo.errors import require
from reppo.keys import subkey
from reppo.networks.action_places import AbstractActionPlace, ActionAsInput
from reppo.networks.activations import AbstractActivation, Swish
from reppo.networks.initializers import AbstractInitializer, LecunNormal
from reppo.networks.layers import AbstractLayers, PlainLayers
from reppo.networks.norms import AbstractNorm, RMSNorm
from reppo.networks.trunks import AbstractTrunk, Flat, Flattened


class CriticOutput(eqx.Module):
    """What the critic says of one (observation, action).

    Attributes:
        logits: what the value representation decodes.
        embedding: the encoder's output, which the auxiliary task predicts one step ahead.
        prediction: outputs of the auxiliary head; None if there is no auxiliary task.
    """

    logits: Float[Array, " logits"]
    embedding: Float[Array, " embedding"]
    prediction: Float[Array, " prediction"] | None


class AbstractCriticBuilder(Component):
    """Builds a network from one (normalized observation, action) to a `CriticOutput`.

    A critic of states is one for actions of length 0 (see `reppo.losses.StateValue`).
    """

    @property
    @abstractmethod
    def embedding_size(self) -> int:
        """Length of the embedding."""

    @abstractmethod
    def build(
        self,
        key: Key[Array, ""],
        shapes: PyTree[jax.ShapeDtypeStruct],
        action_size: int,
        value_size: int,
        prediction_size: int,
    ) -> eqx.Module:
        """The network; `value_size` and `prediction_size` are the numbers of outputs of its two heads.

        Args:
            key: consumed.
            shapes: of one observation.
            action_size: the length of a unit action; 0 for a critic of states.
            value_size: outputs of the head of values, at least 1.
            prediction_size: outputs of the auxiliary head; 0 for no such head.
        """


class AbstractEmbedding(Component):
    """Where the embedding is taken, between the encoder's last linear layer and the heads."""

    @abstractmethod
    def build(
        self, size: int, norm: AbstractNorm, activation: AbstractActivation
    ) -> tuple[eqx.Module | AbstractActivation, eqx.Module | AbstractActivation]:
        """Two maps of vectors of that size: from the encoder's output to the embedding, from there to the heads.

        Args:
            size: the length of the embedding, at least 1.
            norm: the norm of hidden layers.
            activation: the activation of hidden layers.
        """


@final
class LinearEmbedding(AbstractEmbedding):
    """The embedding is the encoder's linear output; each head starts with its activation, without normalization."""

    def build(
        self, size: int, norm: AbstractNorm, activation: AbstractActivation
    ) -> tuple[eqx.Module | AbstractActivation, eqx.Module | AbstractActivation]:
        return eqx.nn.Identity(), activation


@final
class ActivatedEmbedding(AbstractEmbedding):
    """The encoder's output is normalized and activated like a hidden layer, and that is what the heads take.

    So has it the reference's single-file version.

    Source: the reference implementation, github.com/cvoelcker/reppo.
    """

    def build(
        self, size: int, norm: AbstractNorm, activation: AbstractActivation
    ) -> tuple[eqx.Module | AbstractActivation, eqx.Module | AbstractActivation]:
        return NormedActivation(norm.build(size), activation), eqx.nn.Identity()


class NormedActivation(eqx.Module):
    """Normalization, then activation."""

    norm: eqx.Module
    activation: AbstractActivation

    def __call__(self, x: Float[Array, " features"]) -> Float[Array, " features"]:
        """Applies both."""
        return self.activation(self.norm(x))  # pyright: ignore[reportCallIssue]


class CriticNetwork(eqx.Module):
    """An encoder whose output gives the embedding, and the heads that start from it."""

    encoder: Any
    value_head: Any
    prediction_head: Any
    embed: Any
    enter: Any
    trunk: Any = Flattened()
    action: AbstractActionPlace = ActionAsInput()

    def __call__(self, observation: PyTree[Array], action: Float[Array, " action"]) -> CriticOutput:
        """Output for one normalized observation and a unit action."""
        embedding = self.embed(self.encoder(self.action.enter(self.trunk(observation), action)))
        features = self.enter(embedding)
        logits = self.action.leave(self.value_head(features), action)
        prediction = None
        if self.prediction_head is not None:
            prediction = self.action.leave(self.prediction_head(features), action)
        return CriticOutput(logits=logits, embedding=embedding, prediction=prediction)


@final
class Critic(AbstractCriticBuilder):
    """The reference implementation's critic (ALGORITHM of arXiv 2507.11019, appendix).

    Without actions, normalization and a hidden layer in the heads it is a perceptron of `encoder_depth + 1` hidden
    layers.

    Attributes:
        width: units of each hidden layer and, unless `embedding_width` says otherwise, of the embedding; at least 1.
        encoder_depth: hidden layers of the encoder, before its linear embedding, at least 0.
        head_depth: hidden layers of each head, at least 0.
        norm: normalization layer before each activation of a hidden layer.
        activation: activation function.
        initializer: initial weights.
        embedding: where the embedding is taken.
        embedding_width: length of the embedding; 0 for `width`.
        trunk: what stands before the encoder.
        action: where the action enters.
        layers: what the hidden layers of encoder and heads are.
    """

    width: int = static(512)
    encoder_depth: int = static(1)
    head_depth: int = static(1)
    norm: AbstractNorm = RMSNorm()
    activation: AbstractActivation = Swish()
    initializer: AbstractInitializer = LecunNormal()
    embedding: AbstractEmbedding = slot(LinearEmbedding(), added=True)
    embedding_width: int = static(0, added=True)
    trunk: AbstractTrunk = slot(Flat(), added=True)
    action: AbstractActionPlace = slot(ActionAsInput(), added=True)
    layers: AbstractLayers = slot(PlainLayers(), added=True)

    @property
    def embedding_size(self) -> int:
        """Length of the embedding."""
        return self.embedding_width or self.width

    def build(
        self,
        key: Key[Array, ""],
        shapes: PyTree[jax.ShapeDtypeStruct],
        action_size: int,
        value_size: int,
        prediction_size: int,
    ) -> CriticNetwork:
        def mlp(name: str, in_size: int, depth: int, out_size: int, last: AbstractInitializer) -> eqx.Module:
            sizes = [in_size, *[self.width] * depth, out_size]
            return self.layers.build(subkey(key, name), sizes, self.norm, self.activation, self.initializer, last)

        hidden, last = self.initializer, self.initializer.last()

        def head(name: str, out_size: int) -> eqx.Module:
            return mlp(name, self.embedding_size, self.head_depth, out_size * self.action.copies(action_size), last)

        embed, enter = self.embedding.build(self.embedding_size, self.norm, self.activation)
        inputs = self.trunk.size(shapes) + self.action.input_size(action_size)
        return CriticNetwork(
            encoder=mlp("encoder", inputs, self.encoder_depth, self.embedding_size, hidden),
            value_head=head("value_head", value_size),
            prediction_head=head("prediction_head", prediction_size) if prediction_size else None,
            embed=embed,
            enter=enter,
            trunk=self.trunk.build(subkey(key, "trunk"), shapes, self.norm, self.activation, self.initializer),
            action=self.action,
        )

    def validate(self) -> None:
        require(self.width >= 1, f"The critic's width is {self.width}; give at least 1 unit.")
        require(
            self.encoder_depth >= 0 and self.head_depth >= 0,
            f"The critic's depths are {self.encoder_depth} (encoder) and {self.head_depth} (heads); give at least 0.",
        )
        require(
            self.embedding_width >= 0,
            f"The width of the critic's embedding is {self.embedding_width}; give at least 1 unit, or 0 for as many as "
            "the hidden layers have.",
        )
