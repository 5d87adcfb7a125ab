import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo.keys import subkey
from reppo.losses import FixedSupport, HLGauss, ScalarValue, hl_gauss
from reppo.networks import (
    ActivatedEmbedding,
    Actor,
    Critic,
    LayerNorm,
    NoNorm,
    NoOffset,
    PlainLayers,
    Relu,
    ResidualBlocks,
    Swish,
    Tanh,
    UniformFanIn,
    ZeroBias,
    ZeroOffset,
    build_mlp,
)
from reppo.spec.identity import _canonical

ACTOR = Actor(width=8)
CRITIC = Critic(width=8)
SHAPES = {"position": jax.ShapeDtypeStruct((3,), jnp.float32), "image": jax.ShapeDtypeStruct((2, 2), jnp.int32)}
OBSERVATION = {"position": jnp.array([0.3, -1.0, 2.0]), "image": jnp.arange(4).reshape(2, 2)}
ACTION = jnp.array([0.5, -0.5])


@functools.cache
def actor(builder=ACTOR, seed=0, outputs=4):
    return builder.build(jax.random.key(seed), SHAPES, outputs)


@functools.cache
def critic(builder=CRITIC, seed=0, prediction_size=9):
    return builder.build(jax.random.key(seed), SHAPES, len(ACTION), 11, prediction_size)


def weights(mlp):
    return [np.asarray(linear.weight) for linear in mlp.linears]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_shapes_of_the_actor(depth):
    network = actor(dataclasses.replace(ACTOR, depth=depth))
    assert [w.shape for w in weights(network.mlp)] == [
        (out, into) for into, out in zip([7, *[8] * depth], [*[8] * depth, 4], strict=True)
    ]
    assert network(OBSERVATION).shape == (4,)


@pytest.mark.parametrize(("encoder_depth", "head_depth"), [(1, 1), (0, 0), (2, 1)])
def test_shapes_of_the_critic(encoder_depth, head_depth):
    network = critic(dataclasses.replace(CRITIC, encoder_depth=encoder_depth, head_depth=head_depth))
    output = network(OBSERVATION, ACTION)
    assert (output.logits.shape, output.embedding.shape, output.prediction.shape) == ((11,), (8,), (9,))
    assert len(network.encoder.linears) == encoder_depth + 1
    assert len(network.value_head.linears) == len(network.prediction_head.linears) == head_depth + 1
    assert CRITIC.embedding_size == 8


def test_the_critic_is_encoder_activation_and_heads():
    network = critic()
    output = network(OBSERVATION, ACTION)
    flat = np.concatenate([np.arange(4), [0.3, -1.0, 2.0], ACTION]).astype(np.float32)  # image, position, action

    def layer(linear, x):
        return np.asarray(linear.weight, float) @ x + np.asarray(linear.bias, float)

    def swish(x):
        return x / (1 + np.exp(-x))

    def perceptron(mlp, x):
        x = layer(mlp.linears[0], x)
        return layer(mlp.linears[1], swish(x / np.sqrt(np.mean(x**2) + 1e-6)))

    embedding = perceptron(network.encoder, flat)
    np.testing.assert_allclose(output.embedding, embedding, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(output.logits, perceptron(network.value_head, swish(embedding)), rtol=1e-4, atol=1e-4)
    prediction = perceptron(network.prediction_head, swish(embedding))
    np.testing.assert_allclose(output.prediction, prediction, rtol=1e-4, atol=1e-4)


SAME_WEIGHTS = {
    "LayerNorm": {"norm": LayerNorm()},
    "NoNorm": {"norm": NoNorm()},
    "Relu": {"activation": Relu()},
    "Tanh": {"activation": Tanh()},
}


@pytest.mark.parametrize("change", SAME_WEIGHTS.values(), ids=SAME_WEIGHTS)
def test_norm_and_activation_leave_all_weights_as_they_were(change):
    before, after = actor(), actor(dataclasses.replace(ACTOR, **change))
    jax.tree.map(np.testing.assert_array_equal, weights(before.mlp), weights(after.mlp))
    assert not np.array_equal(before(OBSERVATION), after(OBSERVATION))
    before, after = critic(), critic(dataclasses.replace(CRITIC, **change))
    for part in ("encoder", "value_head", "prediction_head"):
        jax.tree.map(np.testing.assert_array_equal, weights(getattr(before, part)), weights(getattr(after, part)))


def test_a_deeper_network_keeps_the_weights_of_the_layers_that_it_shares():
    before, after = weights(actor().mlp), weights(actor(dataclasses.replace(ACTOR, depth=4)).mlp)
    for layer in range(2):
        np.testing.assert_array_equal(before[layer], after[layer])
    before, after = critic(), critic(dataclasses.replace(CRITIC, encoder_depth=2))
    np.testing.assert_array_equal(weights(before.encoder)[0], weights(after.encoder)[0])
    jax.tree.map(np.testing.assert_array_equal, weights(before.value_head), weights(after.value_head))


def test_without_a_prediction_head_everything_else_is_as_it_was():
    before, after = critic(), critic(prediction_size=0)
    assert after.prediction_head is None
    for part in ("encoder", "value_head"):
        jax.tree.map(np.testing.assert_array_equal, weights(getattr(before, part)), weights(getattr(after, part)))
    outputs = before(OBSERVATION, ACTION), after(OBSERVATION, ACTION)
    assert outputs[1].prediction is None
    np.testing.assert_array_equal(outputs[0].logits, outputs[1].logits)
    np.testing.assert_array_equal(outputs[0].embedding, outputs[1].embedding)


def test_layers_of_one_shape_and_the_two_heads_draw_different_weights():
    first, second, third = weights(actor(dataclasses.replace(ACTOR, depth=3)).mlp)[:3]
    assert not np.array_equal(second, third)
    network = critic()
    assert not np.array_equal(weights(network.value_head)[0], weights(network.prediction_head)[0])


@pytest.mark.parametrize("initializer", [ACTOR.initializer, UniformFanIn()], ids=["LecunNormal", "UniformFanIn"])
def test_members_of_an_ensemble_differ(initializer):
    keys = jax.random.split(jax.random.key(0), 3)
    builder = dataclasses.replace(ACTOR, depth=1, initializer=initializer)
    actors = eqx.filter_jit(eqx.filter_vmap(lambda key: builder.build(key, SHAPES, 4)))(keys)
    for linear in actors.mlp.linears:
        assert len({bytes(np.asarray(member)) for member in linear.weight}) == 3
    outputs = eqx.filter_jit(eqx.filter_vmap(lambda member: member(OBSERVATION)))(actors)
    assert outputs.shape == (3, 4) and len({bytes(np.asarray(output)) for output in outputs}) == 3


def test_the_same_key_gives_the_same_network():
    jax.tree.map(np.testing.assert_array_equal, weights(actor().mlp), weights(actor().mlp))
    assert not np.array_equal(weights(actor().mlp)[0], weights(actor(seed=1).mlp)[0])


def test_the_initializer_reaches_every_layer():
    network = critic(dataclasses.replace(CRITIC, initializer=UniformFanIn()))
    for part in (network.encoder, network.value_head, network.prediction_head):
        for linear in part.linears:
            assert np.any(linear.bias) and np.abs(linear.weight).max() <= linear.in_features**-0.5
    for linear in critic().encoder.linears:
        assert not np.any(linear.bias)


def test_defaults_are_the_published_ones():
    assert (Actor().width, Actor().depth, Actor().activation) == (512, 2, Swish())
    assert (Critic().width, Critic().encoder_depth, Critic().head_depth) == (512, 1, 1)


def test_an_activated_embedding_is_what_the_heads_take():
    linear, activated = critic(), critic(dataclasses.replace(CRITIC, embedding=ActivatedEmbedding()))
    for part in ("encoder", "value_head", "prediction_head"):
        jax.tree.map(np.testing.assert_array_equal, weights(getattr(linear, part)), weights(getattr(activated, part)))
    output = activated(OBSERVATION, ACTION)
    embedding = np.asarray(linear(OBSERVATION, ACTION).embedding, float)
    normed = embedding / np.sqrt(np.mean(embedding**2) + 1e-6)
    expected = normed / (1 + np.exp(-normed))
    np.testing.assert_allclose(output.embedding, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output.logits, activated.value_head(output.embedding), rtol=1e-5)
    np.testing.assert_allclose(output.prediction, activated.prediction_head(output.embedding), rtol=1e-5)


def test_the_embedding_may_have_a_width_of_its_own():
    builder = dataclasses.replace(CRITIC, embedding_width=3)
    assert builder.embedding_size == 3
    network = critic(builder)
    assert network(OBSERVATION, ACTION).embedding.shape == (3,)
    assert [w.shape for w in weights(network.encoder)] == [(8, 9), (3, 8)]
    assert [w.shape for w in weights(network.value_head)] == [(8, 3), (11, 8)]


def test_layers_reach_every_part_of_both_networks():
    blocks = ResidualBlocks(2)
    stacks = [actor(dataclasses.replace(ACTOR, layers=blocks)).mlp]
    network = critic(dataclasses.replace(CRITIC, layers=blocks, encoder_depth=2))
    stacks += [network.encoder, network.value_head, network.prediction_head]
    assert [len(stack.blocks) for stack in stacks] == [2, 2, 1, 1]
    output = network(OBSERVATION, ACTION)
    assert (output.logits.shape, output.embedding.shape, output.prediction.shape) == ((11,), (8,), (9,))
    np.testing.assert_allclose(output.logits, network.value_head(jax.nn.silu(output.embedding)), rtol=1e-5)


def test_plain_layers_are_a_perceptron_and_no_part_of_the_identity():
    parts, key = (ACTOR.norm, ACTOR.activation, ACTOR.initializer), jax.random.key(0)
    assert eqx.tree_equal(actor().mlp, build_mlp(key, [7, 8, 8, 4], *parts))
    assert eqx.tree_equal(critic().encoder, build_mlp(subkey(key, "encoder"), [9, 8, 8], *parts))
    for builder in (ACTOR, CRITIC):
        assert builder.layers == PlainLayers() and "layers" not in _canonical(builder)


VALUE = HLGauss(FixedSupport(-10.0, 30.0), num_bins=11)


def test_an_offset_critic_starts_near_0_and_without_one_in_the_middle_of_the_support():
    decoded = [
        float(VALUE.decode(offset.build(critic(), VALUE.start)(OBSERVATION, ACTION).logits))
        for offset in (NoOffset(), ZeroOffset(), ZeroBias())
    ]
    assert NoOffset().build(critic(), VALUE.start) is critic()
    assert abs(decoded[1]) < 1 < 5 < decoded[0]
    assert decoded[1] == decoded[2]


@pytest.mark.parametrize("offset", [ZeroOffset(), ZeroBias()], ids=lambda offset: type(offset).__name__)
def test_a_scalar_critic_starts_near_0_by_itself(offset):
    assert offset.build(critic(), ScalarValue().start) is critic()


@pytest.mark.parametrize("offset, factor", [(ZeroOffset(scale=40.0), 40.0), (ZeroBias(scale=40.0), 1.0)])
def test_the_offset_is_added_to_the_logits_and_trained_as_they_are_times_its_factor(offset, factor):
    network = offset.build(critic(), VALUE.start)
    plain, moved = critic()(OBSERVATION, ACTION), network(OBSERVATION, ACTION)
    np.testing.assert_allclose(moved.logits, plain.logits + 40 * hl_gauss(0.0, -10.0, 30.0, 11), rtol=1e-5)
    np.testing.assert_array_equal(moved.embedding, plain.embedding)
    np.testing.assert_array_equal(moved.prediction, plain.prediction)
    loss = lambda network: VALUE.loss(network(OBSERVATION, ACTION).logits, jnp.array(3.0))
    gradient = eqx.filter_grad(loss)(network).offset
    of_logits = jax.grad(lambda logits: VALUE.loss(logits, jnp.array(3.0)))(moved.logits)
    np.testing.assert_allclose(gradient, factor * of_logits, rtol=1e-4, atol=1e-6)
    trained = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    assert len(trained) == len(jax.tree.leaves(eqx.filter(critic(), eqx.is_inexact_array))) + 1


def test_examples_stay_the_first_axes_through_a_linear_layer():
    """With `W x` they would be the last ones of the product, and be moved back after it."""
    mlp = build_mlp(jax.random.key(0), (3, 4, 2), NoNorm(), Relu(), UniformFanIn())
    x = jnp.arange(30.0).reshape(5, 2, 3)
    layer = mlp.linears[0]
    expected = np.einsum("oi,tei->teo", layer.weight, x) + np.asarray(layer.bias)
    np.testing.assert_allclose(jax.vmap(jax.vmap(layer))(x), expected, rtol=1e-5)
    products = [
        equation.outvars[0].aval.shape
        for equation in jax.make_jaxpr(jax.vmap(jax.vmap(mlp)))(x).eqns
        if equation.primitive.name == "dot_general"
    ]
    assert products == [(5, 2, 4), (5, 2, 2)]
