"""How an observation becomes the vector that a network starts from."""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from reppo.component import Component, static
from reppo.errors import require
from reppo.keys import subkey
from reppo.networks.activations import AbstractActivation
from reppo.networks.blocks import flat_size, flatten_observation
from reppo.networks.initializers import AbstractInitializer
from reppo.networks.norms import AbstractNorm


class AbstractTrunk(Component):
    """Builds what stands before the layers of an actor or a critic: from one normalized observation to a vector."""

    @abstractmethod
    def size(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> int:
        """The length of the vector, for observations of these shapes.

        Raises:
            ConfigurationError: if it is not for such observations.
        """

    @abstractmethod
    def build(
        self,
        key: Key[Array, ""],
        shapes: PyTree[jax.ShapeDtypeStruct],
        norm: AbstractNorm,
        activation: AbstractActivation,
        initializer: AbstractInitializer,
    ) -> eqx.Module:
        """The map from an observation to the vector.

        Args:
            key: consumed.
            shapes: of one observation.
            norm: that of the network's hidden layers.
            activation: likewise.
            initializer: likewise.
        """


class Flattened(eqx.Module):
    """All numbers of an observation, one after the other."""

    def __call__(self, observation: PyTree[Array]) -> Float[Array, " features"]:
        """The vector of one observation."""
        return flatten_observation(observation)


@final
class Flat(AbstractTrunk):
    """The observation's numbers, one after the other: no layer at all."""

    def size(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> int:
        return flat_size(shapes)

    def build(
        self,
        key: Key[Array, ""],
        shapes: PyTree[jax.ShapeDtypeStruct],
        norm: AbstractNorm,
        activation: AbstractActivation,
        initializer: AbstractInitializer,
    ) -> Flattened:
        return Flattened()


class Convolved(eqx.Module):
    """A convolution of each image of an observation, beside all that is no image.

    Attributes:
        convolutions: for each image, in the order of the tree.
        norm: what normalizes all their outputs together.
        activation: applied after it.
    """

    convolutions: tuple[eqx.nn.Conv2d, ...]
    norm: eqx.Module
    activation: AbstractActivation

    def __call__(self, observation: PyTree[Array]) -> Float[Array, " features"]:
        """The vector of one observation: the features of its images, then its other numbers."""
        leaves = jax.tree.leaves(observation)
        images = [jnp.moveaxis(leaf, -1, 0).astype(jnp.float32) for leaf in leaves if leaf.ndim == 3]
        seen = [conv(image).ravel() for conv, image in zip(self.convolutions, images, strict=True)]
        features = self.activation(self.norm(jnp.concatenate(seen)))  # pyright: ignore[reportCallIssue]
        others = [jnp.ravel(leaf).astype(jnp.float32) for leaf in leaves if leaf.ndim != 3]
        return jnp.concatenate([features, *others])


@final
class Convolution(AbstractTrunk):
    """One layer of convolutions on each image `[height, width, channels]` of the observation, of stride 1.

    No padding; normalized and activated like a hidden layer. What is no image is passed on beside it. The network of
    MinAtar's paper (Young & Tian 2019, arXiv 1903.03176) is this and one hidden layer of 128 units.

    Attributes:
        channels: features of each place, at least 1.
        kernel: side of the square that each sees, in pixels, at least 1.
    """

    channels: int = static(16)
    kernel: int = static(3)

    def size(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> int:
        images = self._images(shapes)
        return self._features(images) + flat_size(shapes) - sum(image.size for image in images)

    def build(
        self,
        key: Key[Array, ""],
        shapes: PyTree[jax.ShapeDtypeStruct],
        norm: AbstractNorm,
        activation: AbstractActivation,
        initializer: AbstractInitializer,
    ) -> Convolved:
        images = self._images(shapes)
        convolutions = []
        for place, image in enumerate(images):
            own, inputs = subkey(key, "convolution", place), image.shape[-1]
            skeleton = eqx.filter_eval_shape(eqx.nn.Conv2d, inputs, self.channels, self.kernel, key=own)
            weight, bias = initializer(own, self.kernel**2 * inputs, self.channels)
            weights = weight.reshape(self.channels, inputs, self.kernel, self.kernel), bias[:, None, None]
            convolutions.append(eqx.tree_at(lambda layer: (layer.weight, layer.bias), skeleton, weights))
        return Convolved(tuple(convolutions), norm.build(self._features(images)), activation)

    def _images(self, shapes: PyTree[jax.ShapeDtypeStruct]) -> list[jax.ShapeDtypeStruct]:
        images = [leaf for leaf in jax.tree.leaves(shapes) if len(leaf.shape) == 3]
        require(
            bool(images),
            "Convolution() is for observations with an image [height, width, channels], and this one has the shapes "
            f"{[leaf.shape for leaf in jax.tree.leaves(shapes)]}. Set trunk=Flat() in algorithm.actor and "
            "algorithm.critic.",
        )
        for image in images:
            require(
                min(image.shape[:2]) >= self.kernel,
                f"The kernel of the convolution is {self.kernel} pixels wide, and an image has the shape "
                f"{image.shape}. Give a smaller one.",
            )
        return images

    def _features(self, images: list[jax.ShapeDtypeStruct]) -> int:
        cut = self.kernel - 1
        return sum(self.channels * (image.shape[0] - cut) * (image.shape[1] - cut) for image in images)

    def fits(self, spec: Any) -> None:
        require(
            spec.environment.observes_image is not False,
            f"Convolution() is for images, and {spec.environment.name} shows none. Set trunk=Flat() in algorithm.actor "
            "and algorithm.critic.",
        )

    def validate(self) -> None:
        require(self.channels >= 1, f"The channels of the convolution are {self.channels}; give at least 1.")
        require(self.kernel >= 1, f"The kernel of the convolution is {self.kernel} pixels wide; give at least 1.")
