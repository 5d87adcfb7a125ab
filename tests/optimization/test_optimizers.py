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
from reppo.networks import Convolution, Critic, LayerNorm, ResidualBlocks, build_ensemble
from reppo.optimization import (
    Adam,
    AdamW,
    ClipByGlobalNorm,
    LinearAnnealing,
    NoClip,
    UnitNormRows,
    WithActor,
    optimizer_step,
    trainable,
)
from reppo.spec import Spec, replace_path, validate
from tests.algorithms.trajectories import make_trajectory
from tests.tiny import tiny_ppo, tiny_reppo, tiny_sac

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


def projected(weight):
    return weight / np.linalg.norm(weight, axis=-1, keepdims=True)


def linear_layers(tree):
    leaves = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, eqx.nn.Linear))
    return [leaf for leaf in leaves if isinstance(leaf, eqx.nn.Linear)]


@pytest.mark.parametrize("rate", [None, 0.25])
def test_unit_norm_rows_are_adams_steps_projected_row_by_row(rate):
    """Of an ensemble `[critic, out, in]`, from weights of any length; an annealed step is projected as a whole."""
    random = np.random.default_rng(0)
    layer = eqx.filter_vmap(lambda key: eqx.nn.Linear(SIZE, 3, key=key))(jax.random.split(jax.random.key(0)))
    gradients = random.normal(size=(STEPS, 2, 3, SIZE))
    steps = np.diff(adam(gradients, 0.1), axis=0, prepend=0) * (rate or 1.0)
    optimizer = UnitNormRows(Adam(0.1, NoClip()))
    transform = optimizer.transform() if rate is None else optimizer.annealed(jnp.float32(rate))
    state, expected = transform.init(trainable(layer)), np.asarray(layer.weight, float)
    for gradient, step in zip(gradients, steps):
        whole = eqx.tree_at(lambda it: it.weight, layer, jnp.asarray(gradient, jnp.float32))
        layer, state = optimizer_step(transform, whole, state, layer)
        expected = projected(expected + step)
        np.testing.assert_allclose(layer.weight, expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(layer.weight, axis=-1), 1, rtol=1e-6)


def test_only_linear_layers_have_rows_of_length_1():
    shapes = {"board": jax.ShapeDtypeStruct((5, 4, 3), jnp.float32), "place": jax.ShapeDtypeStruct((2,), jnp.float32)}
    builder = Critic(8, norm=LayerNorm(), trunk=Convolution(2), layers=ResidualBlocks(2))
    critics = build_ensemble(builder, 3, jax.random.key(0), shapes, 2, 5)
    gradient = jax.tree.map(lambda x: jnp.sin(1.0 + jnp.arange(x.size)).reshape(x.shape), trainable(critics))
    made = {}
    for optimizer in (Adam(0.1), UnitNormRows(Adam(0.1))):
        transform = optimizer.transform()
        made[type(optimizer)], _ = optimizer_step(transform, gradient, transform.init(trainable(critics)), critics)
    plain, unit = made[Adam], made[UnitNormRows]
    assert len(linear_layers(unit)) == 8  # first, two of a block and last, in the encoder and in the head of the value
    for layer in linear_layers(unit):
        np.testing.assert_allclose(np.linalg.norm(layer.weight, axis=-1), 1, rtol=1e-6)
    weights = lambda tree: [layer.weight for layer in linear_layers(tree)]
    for a, b in zip(weights(plain), weights(unit)):
        np.testing.assert_allclose(projected(np.asarray(a)), b, rtol=1e-4, atol=1e-6)
    assert eqx.tree_equal(eqx.tree_at(weights, plain, weights(unit)), unit)  # all else is as Adam alone made it


def test_a_row_of_zeros_stays_and_is_finite():
    layer = jax.tree.map(jnp.zeros_like, eqx.nn.Linear(2, 3, key=jax.random.key(0)))
    transform = UnitNormRows().transform()
    after, _ = optimizer_step(transform, layer, transform.init(trainable(layer)), layer)
    assert eqx.tree_equal(after, layer)


@pytest.mark.parametrize("made", [tiny_sac, tiny_ppo])
def test_rows_have_length_1_in_all_networks_after_an_update(made):
    optimizers = {"actor_optimizer": UnitNormRows(Adam(1e-2)), "critic_optimizer": UnitNormRows(Adam(1e-2))}
    more = (
        {"learning_starts": 0, "multiplier_optimizer": WithActor()}
        if made is tiny_sac
        else {"annealing": LinearAnnealing(horizon=1024)}
    )
    algorithm = made(**optimizers, **more)
    state = algorithm.init(jax.random.key(0), environments.probe("BestAction").make().interface())
    update = eqx.filter_jit(lambda s, t: algorithm.update(s, t, jax.random.key(1))[0])
    for seed in range(2):  # annealed in the second
        state = update(state, make_trajectory(algorithm, state, seed))
    learner = getattr(state.learner, "trained", state.learner)
    layers = linear_layers((learner.actor, learner.critic))
    assert len(layers) == 4
    for layer in layers:
        np.testing.assert_allclose(np.linalg.norm(layer.weight, axis=-1), 1, rtol=1e-5)
