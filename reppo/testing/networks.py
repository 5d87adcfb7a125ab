"""Laws of builders of networks and of what they are made of: norms, activations, initializers."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.networks import (
    AbstractActivation,
    AbstractActorBuilder,
    AbstractCriticBuilder,
    AbstractEmbedding,
    AbstractInitializer,
    AbstractLayers,
    AbstractNorm,
    AbstractOffset,
    CriticOutput,
    LecunNormal,
    RMSNorm,
    Swish,
)
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import SHAPES, floats, observations, seeds, vectors

_ACTION, _OUTPUTS, _VALUES, _PREDICTIONS = 2, 4, 5, 3


def check_actor(builder: AbstractActorBuilder, *, skip: Collection[str] = ()) -> None:
    """Holds a builder of actor networks against the laws of its slot: `LAWS[AbstractActorBuilder]`.

    Args:
        builder: the component; small widths make it fast.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractActorBuilder, builder, skip)


def check_critic(builder: AbstractCriticBuilder, *, skip: Collection[str] = ()) -> None:
    """Holds a builder of critic networks against the laws of its slot: `LAWS[AbstractCriticBuilder]`.

    Arguments and errors as for `check_actor`.
    """
    hold(AbstractCriticBuilder, builder, skip)


@eqx.filter_jit
def _build_actor(builder: AbstractActorBuilder, seeds: Any, attempt: int = 0) -> Any:
    """Networks with a leading axis: one for every seed. Another attempt is traced anew."""
    return eqx.filter_vmap(lambda seed: builder.build(jax.random.key(seed), SHAPES, _OUTPUTS))(seeds)


@eqx.filter_jit
def _build_critic(builder: AbstractCriticBuilder, seeds: Any, predictions: int = _PREDICTIONS, attempt: int = 0) -> Any:
    def build(seed: Any) -> Any:
        return builder.build(jax.random.key(seed), SHAPES, _ACTION, _VALUES, predictions)

    return eqx.filter_vmap(build)(seeds)


@eqx.filter_jit
def _act(networks: Any, observation: Any) -> Any:
    return eqx.filter_vmap(lambda network: network(observation), in_axes=(eqx.if_array(0),))(networks)


@eqx.filter_jit
def _criticize(networks: Any, observation: Any, action: Any) -> Any:
    return eqx.filter_vmap(lambda network: network(observation, action), in_axes=(eqx.if_array(0),))(networks)


@eqx.filter_jit
def _used(networks: Any, *inputs: Any) -> Any:
    """For each array of parameters, the sum of the magnitudes of all outputs' gradients."""

    def total(network: Any) -> Any:
        # Weights that no sum of outputs cancels, as one of normalized numbers would.
        leaves = jax.tree.leaves(network(*inputs))
        return sum(jnp.sum(jnp.sin(1.0 + jnp.arange(leaf.size)) * leaf) for leaf in leaves)

    gradients = eqx.filter_vmap(eqx.filter_grad(total), in_axes=(eqx.if_array(0),))(networks)
    return jax.tree.map(lambda g: jnp.abs(g).sum(), gradients)


def _by_path(tree: Any) -> dict[str, np.ndarray]:
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


_SEEDS = np.array([0, 1, 0], np.uint32)
_OBSERVATION = {"image": np.arange(4, dtype=np.int32).reshape(2, 2), "position": np.array([0.3, -1, 2], np.float32)}


def _random_matrices(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {path: leaf for path, leaf in weights.items() if leaf.ndim >= 3 and np.any(leaf != leaf.ravel()[0])}


def _ensure_members_differ(networks: Any) -> None:
    weights = _by_path(networks)
    matrices = _random_matrices(weights)
    ensure(matrices or not weights, "no matrix of random weights")
    for path, leaf in matrices.items():
        ensure(not np.array_equal(leaf[0], leaf[1]), f"the same {path} from two keys")


def _ensure_reproducible(networks: Any, again: Any) -> None:
    for (path, leaf), other in zip(_by_path(networks).items(), _by_path(again).values(), strict=True):
        ensure(np.array_equal(leaf[0], leaf[2]) and np.array_equal(leaf, other), f"two {path} from one key")


def _ensure_all_used(used: Any) -> None:
    unused = [path for path, gradient in _by_path(used).items() if gradient == 0]
    ensure(not unused, f"no gradient for {', '.join(unused)}")
    broken = [path for path, gradient in _by_path(used).items() if not np.isfinite(gradient)]
    ensure(not broken, f"a gradient that is not finite for {', '.join(broken)}")


@law(AbstractActorBuilder, "shape", "as many finite float32 outputs as were asked for, whatever is observed")
def _actor_shape(builder: AbstractActorBuilder) -> None:
    networks = _build_actor(builder, _SEEDS)

    def body(observation: Any) -> None:
        outputs = _act(networks, observation)
        ensure(outputs.shape == (3, _OUTPUTS), f"outputs of shape {outputs.shape[1:]} instead of ({_OUTPUTS},)")
        ensure(outputs.dtype == np.float32 and np.isfinite(outputs).all(), f"{outputs[0]}")

    for_all(body, 10, observation=observations(low=-100, high=100))


@law(AbstractActorBuilder, "members", "networks from different keys have different weights, in every layer")
def _actor_members(builder: AbstractActorBuilder) -> None:
    _ensure_members_differ(_build_actor(builder, _SEEDS))


@law(AbstractActorBuilder, "reproducible", "networks from the same key have the same weights")
def _actor_reproducible(builder: AbstractActorBuilder) -> None:
    _ensure_reproducible(_build_actor(builder, _SEEDS), _build_actor(builder, _SEEDS, 1))


@law(AbstractActorBuilder, "used", "every parameter has a finite gradient that is not 0")
def _actor_used(builder: AbstractActorBuilder) -> None:
    _ensure_all_used(_used(_build_actor(builder, _SEEDS), _OBSERVATION))


@law(AbstractActorBuilder, "observation", "the outputs depend on every part of the observation")
def _actor_observation(builder: AbstractActorBuilder) -> None:
    networks = _build_actor(builder, _SEEDS)
    before = np.asarray(_act(networks, _OBSERVATION))
    for part in _OBSERVATION:
        after = np.asarray(_act(networks, _OBSERVATION | {part: _OBSERVATION[part][::-1].copy()}))
        ensure(not np.allclose(before, after), f"the same outputs for another {part!r}")


@law(AbstractCriticBuilder, "shape", "finite logits, embedding and prediction of the sizes that were asked for")
def _critic_shape(builder: AbstractCriticBuilder) -> None:
    networks = _build_critic(builder, _SEEDS)

    def body(observation: Any, action: Any) -> None:
        output = _criticize(networks, observation, action)
        shapes = (output.logits.shape[1:], output.embedding.shape[1:], output.prediction.shape[1:])
        expected = ((_VALUES,), (builder.embedding_size,), (_PREDICTIONS,))
        ensure(shapes == expected, f"logits, embedding and prediction of shapes {shapes} instead of {expected}")
        ensure(all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(output)), f"{output}")

    for_all(body, 10, observation=observations(low=-100, high=100), action=vectors(_ACTION, -1, 1))


@law(AbstractCriticBuilder, "members", "networks from different keys have different weights, in every layer")
def _critic_members(builder: AbstractCriticBuilder) -> None:
    _ensure_members_differ(_build_critic(builder, _SEEDS))


@law(AbstractCriticBuilder, "reproducible", "networks from the same key have the same weights")
def _critic_reproducible(builder: AbstractCriticBuilder) -> None:
    _ensure_reproducible(_build_critic(builder, _SEEDS), _build_critic(builder, _SEEDS, attempt=1))


@law(AbstractCriticBuilder, "no head", "without predictions there is no head for them, and all other weights stay")
def _critic_no_head(builder: AbstractCriticBuilder) -> None:
    networks = _build_critic(builder, _SEEDS, 0)
    prediction = _criticize(networks, _OBSERVATION, np.zeros(_ACTION, np.float32)).prediction
    ensure(prediction is None, f"the prediction {prediction}")
    whole = _by_path(_build_critic(builder, _SEEDS))
    for path, leaf in _by_path(networks).items():
        ensure(path in whole and np.array_equal(leaf, whole[path]), f"another {path} than with the head")


@law(AbstractCriticBuilder, "used", "every parameter has a finite gradient that is not 0")
def _critic_used(builder: AbstractCriticBuilder) -> None:
    networks = _build_critic(builder, _SEEDS)
    _ensure_all_used(_used(networks, _OBSERVATION, np.array([0.5, -0.5], np.float32)))


@law(AbstractCriticBuilder, "action", "logits can be differentiated in the action, and depend on it")
def _critic_action(builder: AbstractCriticBuilder) -> None:
    networks = _build_critic(builder, _SEEDS)
    outputs = [_criticize(networks, _OBSERVATION, np.array(a, np.float32)).logits for a in ([0.5, -0.5], [-0.5, 0.5])]
    ensure(not np.allclose(*outputs), "the same logits for another action")


@law(AbstractCriticBuilder, "states", "for actions of length 0 it is a critic of states, of the same sizes")
def _critic_states(builder: AbstractCriticBuilder) -> None:
    networks = eqx.filter_vmap(lambda key: builder.build(key, SHAPES, 0, _VALUES, 0))(
        jax.random.split(jax.random.key(0))
    )
    output = _criticize(networks, _OBSERVATION, np.zeros(0, np.float32))
    ensure(output.logits.shape == (2, _VALUES) and np.isfinite(output.logits).all(), f"{output.logits}")


@law(AbstractCriticBuilder, "observation", "the logits depend on every part of the observation")
def _critic_observation(builder: AbstractCriticBuilder) -> None:
    networks, action = _build_critic(builder, _SEEDS), np.zeros(_ACTION, np.float32)
    before = np.asarray(_criticize(networks, _OBSERVATION, action).logits)
    for part in _OBSERVATION:
        other = _OBSERVATION | {part: _OBSERVATION[part][::-1].copy()}
        ensure(
            not np.allclose(before, _criticize(networks, other, action).logits), f"the same logits for another {part!r}"
        )


def check_norm(norm: AbstractNorm, *, skip: Collection[str] = ()) -> None:
    """Holds a normalization layer against the laws of its slot: `LAWS[AbstractNorm]`. Errors as for `check_actor`."""
    hold(AbstractNorm, norm, skip)


def check_activation(activation: AbstractActivation, *, skip: Collection[str] = ()) -> None:
    """Holds an activation against the laws of its slot: `LAWS[AbstractActivation]`. Errors as for `check_actor`."""
    hold(AbstractActivation, activation, skip)


def check_initializer(initializer: AbstractInitializer, *, skip: Collection[str] = ()) -> None:
    """Holds an initializer against the laws of its slot: `LAWS[AbstractInitializer]`. Errors as for `check_actor`."""
    hold(AbstractInitializer, initializer, skip)


@eqx.filter_jit
def _layer(norm: AbstractNorm, x: Any) -> Any:
    layer: Any = norm.build(x.shape[0])
    return layer(x), jax.jacobian(layer)(x)


@law(AbstractNorm, "shape", "a layer from [size] to [size], finite with a finite gradient, for constant inputs as well")
def _norm_shape(norm: AbstractNorm) -> None:
    def body(x: Any, scale: Any) -> None:
        made, gradient = _layer(norm, x * np.float32(scale))
        ensure(made.shape == x.shape, f"shape {made.shape} instead of {x.shape}")
        ensure(np.isfinite(made).all() and np.isfinite(gradient).all(), f"{made}, with the gradient {gradient}")

    for_all(body, x=vectors(4), scale=floats(1, 100))


@law(AbstractNorm, "scale", "what comes out is of a size of its own, or is what went in")
def _norm_scale(norm: AbstractNorm) -> None:
    def body(x: Any, scale: Any) -> None:
        if np.ptp(x) < 1 or np.abs(x).max() < 1:
            return
        one, other = (np.asarray(_layer(norm, x * np.float32(factor))[0]) for factor in (1.0, scale))
        same = np.allclose(one, other, rtol=1e-2, atol=1e-2)
        ensure(same or np.array_equal(other, x * np.float32(scale)), f"{one}, and {other} for {scale} times the input")

    for_all(body, x=vectors(4), scale=floats(2, 100))


@eqx.filter_jit
def _activate(activation: AbstractActivation, x: Any) -> Any:
    return activation(x), jax.jacobian(activation)(x)


@law(AbstractActivation, "elementwise", "each output depends on its own input alone, and is finite with its gradient")
def _activation_elementwise(activation: AbstractActivation) -> None:
    def body(x: Any) -> None:
        made, jacobian = (np.asarray(part) for part in _activate(activation, x))
        ensure(made.shape == x.shape and np.isfinite(made).all(), f"{made}")
        ensure(np.isfinite(jacobian).all(), f"the Jacobian {jacobian}")
        ensure(np.array_equal(jacobian, np.diag(np.diag(jacobian))), f"the Jacobian {jacobian}")
        other = np.asarray(_activate(activation, x[::-1].copy())[0])
        ensure(np.allclose(made[::-1], other), f"{made}, and {other} for the reversed input")

    for_all(body, x=vectors(4, -100.0, 100.0))


@law(AbstractActivation, "nonlinear", "it is no straight line")
def _activation_nonlinear(activation: AbstractActivation) -> None:
    made = np.asarray(_activate(activation, np.array([-2.0, 1.0, 4.0], np.float32))[0])
    ensure(not np.allclose(made[0] + made[2], 2 * made[1]), f"{made} at -2, 1 and 4")


@eqx.filter_jit
def _weights(initializer: AbstractInitializer, seed: Any, sizes: tuple[int, int]) -> Any:
    return initializer(jax.random.key(seed), *sizes)


@law(AbstractInitializer, "shape", "a finite weight [out, in] and a finite bias [out]")
def _initializer_shape(initializer: AbstractInitializer) -> None:
    for sizes in ((64, 48), (1, 3)):
        weight, bias = _weights(initializer, np.uint32(0), sizes)
        shapes = (weight.shape, bias.shape)
        ensure(shapes == (sizes[::-1], sizes[1:]), f"weight and bias of shapes {shapes} for (in, out) = {sizes}")
        ensure(np.isfinite(weight).all() and np.isfinite(bias).all(), f"{weight} and {bias}")


@law(AbstractInitializer, "key", "the weight depends on the key, and on nothing else")
def _initializer_key(initializer: AbstractInitializer) -> None:
    def body(seed: Any) -> None:
        one, again, other = (np.asarray(_weights(initializer, s, (64, 48))[0]) for s in (seed, seed, seed + 1))
        ensure(np.array_equal(one, again), "two weights from one key")
        ensure(not np.array_equal(one, other), "one weight from two keys")

    for_all(body, 3, seed=seeds())


@law(
    AbstractInitializer, "variance", "inputs of size 1 give outputs of a size between 1/4 and 2, whatever their number"
)
def _initializer_variance(initializer: AbstractInitializer) -> None:
    for sizes in ((64, 48), (256, 48)):
        weight = np.asarray(_weights(initializer, np.uint32(0), sizes)[0])
        size = float(np.sqrt((weight**2).sum(axis=1).mean()))
        ensure(0.25 <= size <= 2, f"outputs of size {size} from {sizes[0]} inputs")


def check_layers(layers: AbstractLayers, *, skip: Collection[str] = ()) -> None:
    """Holds hidden layers against the laws of their slot: `LAWS[AbstractLayers]`. Errors as for `check_actor`."""
    hold(AbstractLayers, layers, skip)


_LAYER_SIZES = {"none": (3, 2), "one": (3, 8, 2), "two": (3, 8, 8, 2)}


@eqx.filter_jit
def _build_layers(layers: AbstractLayers, seeds: Any, sizes: tuple[int, ...], attempt: int = 0) -> Any:
    """Stacks with a leading axis: one for every seed. Another attempt is traced anew."""
    parts = (RMSNorm(), Swish(), LecunNormal(), LecunNormal())
    return eqx.filter_vmap(lambda seed: layers.build(jax.random.key(seed), sizes, *parts))(seeds)


@law(AbstractLayers, "shape", "as many finite float32 outputs as were asked for, however many hidden layers there are")
def _layers_shape(layers: AbstractLayers) -> None:
    for sizes in _LAYER_SIZES.values():
        networks = _build_layers(layers, _SEEDS, sizes)

        def body(x: Any, networks: Any = networks) -> None:
            outputs = _act(networks, x)
            ensure(outputs.shape == (3, 2), f"outputs of shape {outputs.shape[1:]} instead of (2,)")
            ensure(outputs.dtype == np.float32 and np.isfinite(outputs).all(), f"{outputs[0]}")

        for_all(body, 5, x=vectors(3, -100, 100))


@law(AbstractLayers, "key", "the weights of every layer depend on the key, and on nothing else")
def _layers_key(layers: AbstractLayers) -> None:
    for sizes in _LAYER_SIZES.values():
        networks = _build_layers(layers, _SEEDS, sizes)
        _ensure_members_differ(networks)
        _ensure_reproducible(networks, _build_layers(layers, _SEEDS, sizes, 1))


@law(AbstractLayers, "used", "every parameter has a finite gradient that is not 0")
def _layers_used(layers: AbstractLayers) -> None:
    for sizes in _LAYER_SIZES.values():
        _ensure_all_used(_used(_build_layers(layers, _SEEDS, sizes), np.array([0.3, -1, 2], np.float32)))


@law(AbstractLayers, "hidden", "without hidden layers it is linear, with them it is not")
def _layers_hidden(layers: AbstractLayers) -> None:
    x = np.array([0.3, -1, 2], np.float32)
    for name, sizes in _LAYER_SIZES.items():
        networks = _build_layers(layers, _SEEDS, sizes)
        one, other, middle = (np.asarray(_act(networks, y)) for y in (x, -x, 0 * x))
        straight = np.allclose(one - middle, middle - other, atol=1e-5)
        ensure(straight == (name == "none"), f"{one[0]} for {x}, {other[0]} for {-x} with {name} of them")


def check_embedding(embedding: AbstractEmbedding, *, skip: Collection[str] = ()) -> None:
    """Holds a place of the critic's embedding against the laws of its slot: `LAWS[AbstractEmbedding]`.

    Arguments and errors as for `check_actor`.
    """
    hold(AbstractEmbedding, embedding, skip)


@eqx.filter_jit
def _embedded(embedding: AbstractEmbedding, x: Any) -> Any:
    maps: Any = embedding.build(x.shape[0], RMSNorm(), Swish())
    made = maps[0](x)
    return made, maps[1](made)


@law(AbstractEmbedding, "shape", "two maps from [size] to [size]: to the embedding, and from there to the heads")
def _embedding_shape(embedding: AbstractEmbedding) -> None:
    def body(x: Any) -> None:
        for made in _embedded(embedding, x):
            ensure(made.shape == x.shape and np.isfinite(made).all(), f"{made}")

    for_all(body, x=vectors(4))


@law(AbstractEmbedding, "activated", "between the encoder's linear layer and those of the heads there is an activation")
def _embedding_activated(embedding: AbstractEmbedding) -> None:
    x = np.array([-1.0, 0.5, 2.0, 3.0], np.float32)
    one, other, middle = (np.asarray(_embedded(embedding, y)[1]) for y in (x, -x, 0 * x))
    ensure(not np.allclose(one - middle, middle - other), f"{one} for {x}, {other} for {-x}: a linear map")


def check_offset(offset: AbstractOffset, *, skip: Collection[str] = ()) -> None:
    """Holds an offset of the untrained critic against the laws of its slot: `LAWS[AbstractOffset]`.

    Arguments and errors as for `check_actor`.
    """
    hold(AbstractOffset, offset, skip)


class _LinearCritic(eqx.Module):
    weight: Any

    def __call__(self, observation: Any, action: Any) -> CriticOutput:
        logits = self.weight * jnp.sum(action)
        return CriticOutput(logits=logits, embedding=2 * logits, prediction=3 * logits)


@eqx.filter_jit
def _with_offset(offset: AbstractOffset, weight: Any, action: Any) -> tuple[CriticOutput, CriticOutput]:
    critic = _LinearCritic(weight)
    built: Any = offset.build(critic, lambda scale: jnp.arange(weight.shape[0], dtype=jnp.float32))
    return critic(None, action), built(None, action)


@law(AbstractOffset, "logits", "logits move by the same whatever is observed and done; embedding and prediction stay")
def _offset_logits(offset: AbstractOffset) -> None:
    def body(weight: Any, action: Any, other: Any) -> None:
        (before, after), (elsewhere, moved) = (_with_offset(offset, weight, a) for a in (action, other))
        ensure(after.logits.shape == before.logits.shape, f"logits of shape {after.logits.shape}")
        one, two = after.logits - before.logits, moved.logits - elsewhere.logits
        ensure(np.isfinite(one).all() and np.allclose(one, two, atol=1e-2), f"by {one}, and by {two} elsewhere")
        for name in ("embedding", "prediction"):
            ensure(np.array_equal(getattr(before, name), getattr(after, name)), f"another {name}")

    for_all(body, weight=vectors(4, -1, 1), action=vectors(2, -1, 1), other=vectors(2, -1, 1))
