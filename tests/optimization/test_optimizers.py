import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.optimization import Adam, ClipByGlobalNorm, NoClip

SIZE, STEPS = 4, 5
GRADIENTS = arrays(np.float32, (STEPS, SIZE), elements=st.floats(-10, 10, width=32, allow_subnormal=False))


@eqx.filter_jit
@eqx.debug.assert_max_traces(max_traces=2)  # one for each kind of clip
def descend(optimizer, gradients):
    """The parameters after each of some given gradients, from 0."""
    transform = optimizer.transform()

    def step(carry, gradient):
        parameters, state = carry
        updates, state = transform.update(gradient, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        return (parameters, state), parameters

    start = jnp.zeros(SIZE)
    return jax.lax.scan(step, (start, transform.init(start)), gradients)[1]


def adam(gradients, learning_rate):
    """Kingma & Ba's algorithm 1, in float64."""
    mean, square, parameters, path = np.zeros(SIZE), np.zeros(SIZE), np.zeros(SIZE), []
    for t, gradient in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        parameters = parameters - learning_rate * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        path.append(parameters)
    return np.stack(path)


def clipped(gradients, limit):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    return gradients * np.minimum(1, limit / np.maximum(norms, 1e-30))


@given(GRADIENTS, st.floats(1e-4, 1), st.floats(0.1, 100))
def test_adam_equals_the_slow_reference_in_one_program_for_all_settings(gradients, learning_rate, limit):
    gradients[np.abs(gradients) < 1e-3] = 0  # where Adam's own epsilon decides, float32 is no reference
    exact = gradients.astype(float)
    for optimizer, reference in (
        (Adam(learning_rate, NoClip()), exact),
        (Adam(learning_rate, ClipByGlobalNorm(limit)), clipped(exact, limit)),
    ):
        actual = descend(optimizer, jnp.asarray(gradients))
        np.testing.assert_allclose(actual, adam(reference, learning_rate), rtol=2e-3, atol=2e-3 * learning_rate)


def test_adam_equals_optax():
    gradients = jnp.asarray(np.random.default_rng(0).normal(size=(STEPS, SIZE)), jnp.float32)
    transform = optax.adam(3e-4)
    parameters = jnp.zeros(SIZE)
    state = transform.init(parameters)
    for gradient in gradients:
        updates, state = transform.update(gradient, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
    np.testing.assert_allclose(descend(Adam(clip=NoClip()), gradients)[-1], parameters, rtol=1e-5)


@pytest.mark.parametrize("norm", [0.1, 0.5, 3.0, 1e4])
def test_clipping_is_by_the_norm_over_all_leaves(norm):
    direction = {"a": np.array([3.0, 0.0], np.float32), "b": np.array([[4.0]], np.float32)}
    gradient = jax.tree.map(lambda x: jnp.asarray(x * norm / 5), direction)
    for clip, expected in ((ClipByGlobalNorm(0.5), min(norm, 0.5)), (NoClip(), norm)):
        transform = clip.transform()
        updates, _ = transform.update(gradient, transform.init(gradient), gradient)
        np.testing.assert_allclose(optax.tree.norm(updates), expected, rtol=1e-6)
        np.testing.assert_allclose(updates["b"][0, 0] / updates["a"][0], 4 / 3, rtol=1e-6)


def test_the_default_clips_at_the_published_norm():
    assert Adam().clip == ClipByGlobalNorm(0.5) and Adam().learning_rate == np.float32(3e-4)
