"""Convolutions before a network, and all actions by one pass through a critic."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments, presets
from reppo.environments import Discrete
from reppo.errors import ConfigurationError
from reppo.networks import ActionAsInput, ActionAsOutput, Actor, Convolution, Critic, Flat, NoNorm, Relu
from reppo.normalization import NoNormalization
from reppo.spec import replace_path, resolve, validate

SHAPES = {"board": jax.ShapeDtypeStruct((5, 4, 3), jnp.float32), "place": jax.ShapeDtypeStruct((2,), jnp.float32)}
RNG = np.random.default_rng(0)
SEEN = {"board": jnp.asarray(RNG.normal(size=(5, 4, 3)), jnp.float32), "place": jnp.array([7.0, -8.0])}
CRITIC = Critic(width=8, action=ActionAsOutput())


def test_a_convolution_equals_the_slow_reference():
    trunk = Convolution(channels=2, kernel=3)
    actor = Actor(width=8, norm=NoNorm(), activation=Relu(), trunk=trunk)
    network = actor.build(jax.random.key(0), SHAPES, 4)
    (layer,) = network.trunk.convolutions
    weight, bias = np.asarray(layer.weight, float), np.asarray(layer.bias, float).ravel()
    seen = np.zeros((2, 3, 2))
    for channel in range(2):
        for y in range(3):
            for x in range(2):
                patch = np.moveaxis(np.asarray(SEEN["board"], float)[y : y + 3, x : x + 3], -1, 0)
                seen[channel, y, x] = np.sum(weight[channel] * patch) + bias[channel]
    expected = np.concatenate([np.maximum(seen, 0).ravel(), SEEN["place"]])
    assert trunk.size(SHAPES) == expected.size == network.mlp.linears[0].in_features
    np.testing.assert_allclose(network.trunk(SEEN), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network(SEEN), network.mlp(jnp.asarray(expected, jnp.float32)), rtol=1e-4, atol=1e-5)


def test_a_trunk_without_layers_changes_no_network():
    for builder, sizes in ((Actor(width=8), (4,)), (Critic(width=8), (2, 5, 3))):
        plain, flat = (b.build(jax.random.key(0), SHAPES, *sizes) for b in (builder, dataclasses.replace(builder)))
        assert jax.tree.structure(plain) == jax.tree.structure(flat) and builder.trunk == Flat()
        assert not jax.tree.leaves(plain.trunk)


def test_outputs_for_each_action_are_chosen_by_the_action():
    network = CRITIC.build(jax.random.key(0), SHAPES, 3, 5, 2)
    outputs = [network(SEEN, action) for action in jnp.eye(3)]
    features = network.enter(network.encoder(network.trunk(SEEN)))
    for head, name in ((network.value_head, "logits"), (network.prediction_head, "prediction")):
        rows = np.asarray(head(features)).reshape(3, -1)
        for row, output in zip(rows, outputs):
            np.testing.assert_array_equal(getattr(output, name), row)
    assert all(np.array_equal(output.embedding, outputs[0].embedding) for output in outputs)


@pytest.mark.parametrize(("place", "passes"), [(ActionAsOutput(), 1), (ActionAsInput(), 3)])
def test_all_actions_cost_one_pass_where_they_are_outputs(place, passes):
    critic = dataclasses.replace(CRITIC, action=place, trunk=Convolution(2))
    network = critic.build(jax.random.key(0), SHAPES, 3, 5, 0)
    program = jax.make_jaxpr(jax.vmap(lambda action: network(SEEN, action).logits))(jnp.eye(3)).jaxpr
    shapes = lambda kind: [eqn.outvars[0].aval.shape for eqn in program.eqns if eqn.primitive.name == kind]
    assert len(shapes("dot_general")) == 4
    assert all((3 in shape) == (passes == 3) for shape in shapes("dot_general"))
    assert all(3 not in shape[:1] for shape in shapes("conv_general_dilated"))  # the image is seen once


def test_what_a_convolution_cannot_see_is_refused():
    flat = {"place": SHAPES["place"]}
    with pytest.raises(ConfigurationError, match=r"for observations with an image .* the shapes \[\(2,\)\]. Set trunk"):
        Actor(trunk=Convolution()).build(jax.random.key(0), flat, 2)
    with pytest.raises(ConfigurationError, match="kernel of the convolution is 5 pixels wide"):
        Convolution(kernel=5).size(SHAPES)
    for wrong in (Convolution(channels=0), Convolution(kernel=0)):
        with pytest.raises(ConfigurationError, match="give at least 1"):
            validate(wrong)
    spec = presets.reppo_small(environments.gymnax("Pendulum-v1"))
    for path, component, message in (
        ("algorithm.actor.trunk", Convolution(), "Pendulum-v1 shows none. Set trunk=Flat"),
        ("algorithm.critic.action", ActionAsOutput(), "those of Pendulum-v1 are in a box. Choose ActionAsInput"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            validate(replace_path(spec, path, component))


@pytest.mark.parametrize("preset", [presets.reppo, presets.reppo_small], ids=lambda preset: preset.__name__)
def test_presets_take_what_the_task_needs(preset):
    for name, image in (("CartPole-v1", False), ("Breakout-MinAtar", True)):
        algorithm = resolve(preset(environments.gymnax(name))).algorithm
        assert algorithm.actor.trunk == algorithm.critic.trunk == (Convolution() if image else Flat())
        assert (algorithm.normalizer == NoNormalization()) == image
        assert algorithm.critic.action == ActionAsOutput()
        assert algorithm.head.size(Discrete(3)) == 3
    algorithm = resolve(preset(environments.gymnax("Pendulum-v1"))).algorithm
    assert (algorithm.actor.trunk, algorithm.critic.action) == (Flat(), ActionAsInput())
