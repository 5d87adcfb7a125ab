import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.networks import (
    LayerNorm,
    LecunNormal,
    NoNorm,
    PlainLayers,
    Relu,
    ResidualBlocks,
    RMSNorm,
    Swish,
    Tanh,
    UniformFanIn,
    build_mlp,
    flatten_observation,
)

SIZE = 6
FEATURES = arrays(np.float32, SIZE, elements=st.floats(-50, 50, width=32))

apply = eqx.filter_jit(lambda layer, x: layer(x))


def rms_norm(x, weight, bias):
    return x / np.sqrt(np.mean(x**2) + 1e-6) * weight


def layer_norm(x, weight, bias):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-6) * weight + bias


@pytest.mark.parametrize(("norm", "reference"), [(RMSNorm(), rms_norm), (LayerNorm(), layer_norm)])
@given(FEATURES, FEATURES)
def test_norms_equal_the_slow_references(norm, reference, x, weight):
    layer = norm.build(SIZE)
    np.testing.assert_allclose(apply(layer, x), reference(x.astype(float), 1, 0), rtol=1e-3, atol=2e-3)
    layer = eqx.tree_at(lambda layer: layer.weight, layer, jnp.asarray(weight))
    np.testing.assert_allclose(apply(layer, x), reference(x.astype(float), weight, 0), rtol=1e-3, atol=0.1)


def test_parameters_of_the_norms():
    assert RMSNorm().build(SIZE).bias is None
    np.testing.assert_array_equal(RMSNorm().build(SIZE).weight, np.ones(SIZE))
    np.testing.assert_array_equal(LayerNorm().build(SIZE).weight, np.ones(SIZE))
    np.testing.assert_array_equal(LayerNorm().build(SIZE).bias, np.zeros(SIZE))
    assert jax.tree.leaves(eqx.filter(NoNorm().build(SIZE), eqx.is_array)) == []


@given(FEATURES)
def test_no_norm_is_the_identity(x):
    np.testing.assert_array_equal(NoNorm().build(SIZE)(jnp.asarray(x)), x)


ACTIVATIONS = {Swish(): lambda x: x / (1 + np.exp(-x)), Relu(): lambda x: np.maximum(x, 0), Tanh(): np.tanh}


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda activation: type(activation).__name__)
@given(FEATURES)
def test_activations(activation, x):
    np.testing.assert_allclose(apply(activation, x), ACTIVATIONS[activation](x.astype(float)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fan_in", [16, 400])
def test_lecun_normal_has_variance_1_over_fan_in_and_is_truncated(fan_in):
    weight, bias = LecunNormal()(jax.random.key(0), fan_in, 500)
    assert weight.shape == (500, fan_in)
    np.testing.assert_array_equal(bias, np.zeros(500))
    standardized = np.asarray(weight) * fan_in**0.5
    np.testing.assert_allclose(standardized.std(), 1, atol=0.03)
    np.testing.assert_allclose(standardized.mean(), 0, atol=0.03)
    # Cut off at 2 standard deviations of the normal before truncation, which shrinks the deviation to 0.8796.
    np.testing.assert_allclose(np.abs(standardized).max(), 2 / 0.87962566, rtol=1e-2)


@pytest.mark.parametrize("fan_in", [16, 400])
def test_uniform_fan_in_fills_its_bounds(fan_in):
    weight, bias = UniformFanIn()(jax.random.key(0), fan_in, 500)
    assert weight.shape == (500, fan_in) and bias.shape == (500,)
    for values in (np.asarray(weight), np.asarray(bias)):
        scaled = values * fan_in**0.5
        assert 0.98 < np.abs(scaled).max() <= 1 + 1e-6
        np.testing.assert_allclose([scaled.mean(), scaled.std()], [0, 3**-0.5], atol=0.06)
    assert not np.array_equal(np.asarray(weight).ravel()[:500], np.asarray(bias))


@given(FEATURES)
def test_mlp_equals_the_slow_reference(x):
    actual = apply(MLP, x)
    for linear in MLP.linears[:-1]:
        x = rms_norm(np.asarray(linear.weight, float) @ x + np.asarray(linear.bias, float), 1, 0)
        x = np.maximum(x, 0)
    expected = np.asarray(MLP.linears[-1].weight, float) @ x + np.asarray(MLP.linears[-1].bias, float)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=2e-3)


def linear(layer, x):
    return np.asarray(layer.weight, float) @ x + np.asarray(layer.bias, float)


@pytest.mark.parametrize("norm, slow", [(RMSNorm(), rms_norm), (NoNorm(), lambda x, *_: x)], ids=["RMSNorm", "NoNorm"])
@given(FEATURES)
def test_residual_blocks_equal_the_slow_reference(norm, slow, x):
    stack = residual(norm)
    actual = apply(stack, x)
    x = linear(stack.first, x)
    for block in stack.blocks:
        inside = np.maximum(slow(linear(block.inner, x), 1, 0), 0)
        x = x + np.maximum(slow(linear(block.outer, inside), 1, 0), 0)
    expected = linear(stack.last, rms_norm(x, 1, 0))
    np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=5e-3)


@functools.cache
def residual(norm, after=None):
    parts = norm, Relu(), UniformFanIn(), LecunNormal()
    return ResidualBlocks(3, after or RMSNorm()).build(jax.random.key(1), [SIZE, 7, 7, 2], *parts)


def test_shapes_and_initial_weights_of_residual_blocks():
    stack = residual(RMSNorm())
    layers = [stack.first, *(one for block in stack.blocks for one in (block.inner, block.outer)), stack.last]
    assert [layer.weight.shape for layer in layers] == [(7, SIZE), (21, 7), (7, 21), (21, 7), (7, 21), (2, 7)]
    assert len({float(layer.weight[0, 0]) for layer in layers}) == 6  # from keys of their own
    assert [bool(np.any(layer.bias)) for layer in layers] == [True] * 5 + [False]  # the last is drawn by another
    assert not jax.tree.leaves(eqx.filter(residual(RMSNorm(), NoNorm()).norm, eqx.is_array))


@pytest.mark.parametrize("layers", [PlainLayers(), ResidualBlocks()], ids=repr)
def test_without_hidden_layers_there_is_one_linear_layer_of_the_same_weights(layers):
    parts = RMSNorm(), Relu(), UniformFanIn(), LecunNormal()
    made = layers.build(jax.random.key(1), [SIZE, 2], *parts)
    assert eqx.tree_equal(made, build_mlp(jax.random.key(1), [SIZE, 2], *parts)) and len(made.linears) == 1


MLP = build_mlp(jax.random.key(1), [SIZE, 7, 5, 2], RMSNorm(), Relu(), UniformFanIn())

# An image of integers, a vector, and a number: shapes and types differ.
OBSERVATION = st.fixed_dictionaries(
    {
        "b_image": arrays(np.int32, (2, 3), elements=st.integers(-255, 255)),
        "a_vector": arrays(np.float32, 4, elements=st.floats(-10, 10, width=32)),
        "c_number": arrays(np.float32, ()),
    }
)


@given(OBSERVATION)
def test_observations_are_flattened_in_the_order_of_their_names(observation):
    parts = [observation[name].ravel().astype(np.float32) for name in ("a_vector", "b_image", "c_number")]
    actual = flatten_observation({name: jnp.asarray(value) for name, value in observation.items()})
    assert actual.dtype == jnp.float32
    expected = np.concatenate(parts)
    expected[np.abs(expected) < np.finfo(np.float32).tiny] = 0  # XLA flushes denormals
    np.testing.assert_array_equal(np.where(np.abs(actual) < np.finfo(np.float32).tiny, 0, actual), expected)
    backwards = flatten_observation({name: jnp.asarray(observation[name]) for name in reversed(observation)})
    np.testing.assert_array_equal(actual, backwards)
