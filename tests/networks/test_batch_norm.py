"""Batch normalization: of a loss by its minibatch, of all else by running averages."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reppo.algorithms import AbstractOffPolicy
from reppo.errors import ConfigurationError
from reppo.losses import PathwiseLoss, SmoothActionGradient
from reppo.networks import (
    ROWS,
    Actor,
    BatchNorm,
    BatchNormLayer,
    Critic,
    LecunNormal,
    Relu,
    build_ensemble,
    build_mlp,
    learning,
)
from reppo.optimization import AdamW, NoClip, gradient_norm, optimizer_step, trainable
from reppo.spec import validate
from tests.tiny import tiny_ppo, tiny_reppo, tiny_sac, tiny_spec, tiny_td3, train_alone

ROW = jax.random.normal(jax.random.key(0), (16, 3)) * 2 + 1


def network(rate=0.1):
    return build_mlp(jax.random.key(1), [3, 8, 8, 1], BatchNorm(rate), Relu(), LecunNormal())


def loss(mlp, rows):
    mlp = learning(mlp)
    return jnp.mean(jax.vmap(mlp, axis_name=ROWS)(rows) ** 2)


def by_hand(mlp, x, moments=None):
    """All rows at once; the moments of each layer too."""
    seen = []
    *hidden, last = mlp.linears
    for i, linear in enumerate(hidden):
        x = x @ linear.weight.T + linear.bias[None]
        seen.append((x.mean(axis=0), x.var(axis=0)))
        mean, variance = seen[-1] if moments is None else moments[i]
        x = jax.nn.relu((x - mean) / jnp.sqrt(variance + 1e-5) * mlp.norms[i].scale + mlp.norms[i].shift)
    return x @ last.weight.T + last.bias[None], seen


@pytest.fixture(autouse=True)
def promoted():
    with jax.numpy_rank_promotion("allow"):
        yield


def test_a_loss_and_its_gradient_are_those_of_the_whole_minibatch():
    mlp = network()
    value, gradient = eqx.filter_value_and_grad(loss)(mlp, ROW)
    expected, other = eqx.filter_value_and_grad(lambda mlp: jnp.mean(by_hand(mlp, ROW)[0] ** 2))(mlp)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for layers in ("linears", "norms"):
        for a, b in zip(getattr(gradient, layers), getattr(other, layers), strict=True):
            for name in ("weight", "bias") if layers == "linears" else ("scale", "shift"):
                np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradient_norm(gradient), optax.tree.norm(other), rtol=1e-5)


def test_running_averages_follow_what_was_seen_and_no_optimizer_moves_them():
    mlp, transform = network(rate=0.25), AdamW(weight_decay=0.5, clip=NoClip()).transform()
    gradient = eqx.filter_grad(loss)(mlp, ROW)
    moved, _ = optimizer_step(transform, gradient, transform.init(trainable(mlp)), mlp)
    moments = []
    for norm, (mean, variance) in zip(moved.norms, by_hand(mlp, ROW)[1], strict=True):
        np.testing.assert_allclose(norm.running.mean, 0.25 * mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(norm.running.variance, 0.75 + 0.25 * variance, rtol=1e-5)
        assert norm.running.weight == 1
        moments.append((norm.running.mean, norm.running.variance))
    # Asked by itself, a row is normalized by them, whatever stands beside it.
    np.testing.assert_allclose(jax.vmap(moved)(ROW), by_hand(moved, ROW, moments)[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moved(ROW[0]), jax.vmap(moved)(ROW)[0], rtol=1e-4, atol=1e-5)


def test_what_is_not_asked_keeps_its_averages_and_what_is_asked_twice_moves_once():
    pair, transform = (network(), network()), optax.sgd(0.0)
    twice = lambda pair: loss(pair[0], ROW) + loss(pair[0], ROW)
    moved, _ = optimizer_step(transform, eqx.filter_grad(twice)(pair), transform.init(trainable(pair)), pair)
    once, _ = optimizer_step(
        transform, eqx.filter_grad(loss)(pair[0], ROW), transform.init(trainable(pair[0])), pair[0]
    )
    assert eqx.tree_equal(moved[1], pair[1])
    assert eqx.tree_equal(moved[0], once, rtol=1e-6)


def test_each_critic_of_an_ensemble_has_averages_of_its_own():
    shapes = jax.ShapeDtypeStruct((3,), jnp.float32)
    critics = build_ensemble(Critic(width=8, norm=BatchNorm(1.0), head_depth=0), 2, jax.random.key(0), shapes, 1, 1)

    def both(critics):
        critics = learning(critics)
        return jnp.mean(jax.vmap(lambda x: critics(x, x[:1]).logits, axis_name=ROWS)(ROW) ** 2)

    transform = optax.sgd(0.0)
    moved, _ = optimizer_step(transform, eqx.filter_grad(both)(critics), transform.init(trainable(critics)), critics)
    (layer,) = [one for one in jax.tree.leaves(moved, is_leaf=is_layer) if is_layer(one)]
    linear = critics.members.encoder.linears[0]
    into = jnp.einsum("cij,rj->cri", linear.weight, jnp.concatenate([ROW, ROW[:, :1]], axis=1)) + linear.bias[:, None]
    np.testing.assert_allclose(layer.running.mean, into.mean(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.running.variance, into.var(axis=1), rtol=1e-4)


def bounded_sac(**changes):
    return tiny_sac(actor_loss=PathwiseLoss(), **changes)


def is_layer(node):
    return isinstance(node, BatchNormLayer)


@pytest.mark.parametrize("tiny", [tiny_reppo, tiny_ppo, bounded_sac])
def test_an_actor_that_is_compared_with_the_policy_that_acted_is_refused(tiny):
    actor = Actor(width=16, depth=1, norm=BatchNorm())
    with pytest.raises(ConfigurationError, match=r"The actor has BatchNorm.*Choose another norm for algorithm\.actor"):
        validate(tiny_spec(algorithm=tiny(actor=actor)))


def test_slopes_in_the_action_of_one_row_are_refused():
    critic = dataclasses.replace(tiny_sac().critic, norm=BatchNorm())
    spec = tiny_spec(algorithm=tiny_sac(critic=critic, smoothness=SmoothActionGradient()))
    with pytest.raises(ConfigurationError, match="Q depends on the actions of all. Choose NoSmoothness"):
        validate(spec)


@pytest.mark.parametrize(
    "tiny", [tiny_sac, *(pytest.param(one, marks=pytest.mark.slow) for one in (tiny_td3, tiny_reppo))]
)
def test_averages_move_in_training_of_actor_critic_and_target(tiny):
    base = tiny()
    off_policy = isinstance(base, AbstractOffPolicy)
    actor = dataclasses.replace(base.actor, norm=BatchNorm()) if off_policy else base.actor
    critic = dataclasses.replace(base.critic, norm=BatchNorm(), encoder_depth=1)
    with jax.numpy_rank_promotion("raise"):
        state, _ = train_alone(tiny_spec(algorithm=tiny(actor=actor, critic=critic)), seed=0, steps=768)
    learner = state.algorithm.learner
    trained = getattr(learner, "trained", learner)
    for network in (trained.actor, trained.critic, learner.target) if off_policy else (trained.critic,):
        layers = [one for one in jax.tree.leaves(network, is_leaf=is_layer) if is_layer(one)]
        assert layers
        for layer in layers:
            assert np.all(np.isfinite(layer.running.mean)) and np.any(layer.running.mean != 0)
            assert np.all(layer.running.variance > 0) and np.any(layer.running.variance != 1)
            np.testing.assert_array_equal(layer.running.weight, 1)
