import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo import environments
from reppo.errors import ConfigurationError
from reppo.optimization import Adam, AdamW, ClipByGlobalNorm, NoClip, WithActor
from reppo.spec import Spec, replace_path, validate
from tests.tiny import tiny_reppo

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


@given(GRADIENTS, st.floats(1e-4, 1), st.floats(0, 0.5))
def test_adamw_is_adam_with_every_parameter_shrunk(gradients, learning_rate, decay):
    gradients[np.abs(gradients) < 1e-3] = 0
    exact = gradients.astype(float)
    actual = decayed(AdamW(learning_rate, decay, NoClip()), jnp.asarray(gradients))
    steps = np.diff(adam(exact, learning_rate), axis=0, prepend=0)  # Adam's own steps, which do not see the parameters
    parameters = np.ones(SIZE)
    for t in range(STEPS):
        parameters = parameters + steps[t] - learning_rate * decay * parameters
        np.testing.assert_allclose(actual[t], parameters, rtol=3e-3, atol=3e-3 * learning_rate)


@eqx.filter_jit
def decayed(optimizer, gradients):
    """The parameters after each of some given gradients, from 1."""
    transform = optimizer.transform()

    def step(carry, gradient):
        parameters, state = carry
        updates, state = transform.update(gradient, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        return (parameters, state), parameters

    start = jnp.ones(SIZE)
    return jax.lax.scan(step, (start, transform.init(start)), gradients)[1]


def pair_updates(multipliers, actor_gradient, multiplier_gradient):
    """What moves the actor and the multipliers at the first step of plain gradient descent with a clip at norm 1."""
    actor = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1.0))
    transform = multipliers.beside(actor)
    gradient = (jnp.asarray([actor_gradient]), (jnp.asarray(multiplier_gradient), None))
    updates, _ = transform.update(gradient, transform.init(gradient), gradient)
    return float(updates[0][0]), float(updates[1][0])


def test_multipliers_with_the_actor_share_its_clip():
    norm = np.hypot(30.0, 4.0)
    np.testing.assert_allclose(pair_updates(WithActor(), 30.0, 4.0), [-30 / norm, -4 / norm], rtol=1e-6)


@pytest.mark.parametrize("actor_gradient", [0.1, 30.0])
def test_multipliers_with_an_optimizer_of_their_own_do_not_see_the_actor(actor_gradient):
    actor, multiplier = pair_updates(Adam(1e-2, NoClip()), actor_gradient, 4.0)
    np.testing.assert_allclose(actor, -min(actor_gradient, 1.0), rtol=1e-6)
    np.testing.assert_allclose(multiplier, -1e-2, rtol=1e-5)


def test_only_a_whole_optimizer_can_be_the_critics():
    spec = Spec(environments.probe("BestAction"), tiny_reppo(multiplier_optimizer=WithActor()))
    assert validate(spec) is spec
    with pytest.raises((ConfigurationError, TypeError), match="critic_optimizer"):
        validate(replace_path(spec, "algorithm.critic_optimizer", WithActor()))
