"""For every law of parts of networks one that breaks it."""

import equinox as eqx
import jax
import jax.numpy as jnp

from reppo.networks import (
    AbstractActionPlace,
    AbstractActivation,
    AbstractActorBuilder,
    AbstractCriticBuilder,
    AbstractEmbedding,
    AbstractInitializer,
    AbstractLayers,
    AbstractNorm,
    AbstractOffset,
    AbstractTrunk,
    ActionAsInput,
    ActionAsOutput,
    Actor,
    Convolution,
    Critic,
    Flat,
    LecunNormal,
    LinearEmbedding,
    NoNorm,
    NoOffset,
    PlainLayers,
    ResidualBlocks,
    RMSNorm,
    Swish,
)
from tests.testing.wrong.changing import COUNTER, calls, wrong

# What compiles quickly.
ACTOR_BUILDER = Actor(width=8, depth=1, norm=NoNorm())
CRITIC_BUILDER = Critic(width=8, encoder_depth=0, head_depth=0, norm=NoNorm())


class Changed(eqx.Module):
    """A network that is given something else than it should be, and has a parameter that it does not use."""

    network: eqx.Module
    spare: jax.Array
    change: object = eqx.field(static=True, default=lambda *inputs: inputs)

    def __call__(self, *inputs):
        return self.network(*self.change(*inputs))


def builds(right, change):
    """A builder that first changes (key, output sizes)."""

    def build(self, key, shapes, *sizes):
        key, sizes = change(key, sizes)
        return type(right).build(self, key, shapes, *sizes)

    return wrong(right, build=build)


def network_of(right, change=lambda *inputs: inputs, spare=False):
    def build(self, *arguments):
        return Changed(type(right).build(self, *arguments), jnp.zeros(1) if spare else None, change)

    return wrong(right, build=build)


def convolution(rule):
    """A convolution whose key is changed first."""
    return wrong(Convolution(2, 2), build=lambda self, key, *rest: Convolution.build(self, rule(key), *rest))


def layers(right, change=lambda key, sizes: (key, sizes), spare=False):
    """Layers that first change (key, sizes)."""

    def build(self, key, sizes, *parts):
        made = type(right).build(self, *change(key, sizes), *parts)
        return Changed(made, jnp.zeros(1)) if spare else made

    return wrong(right, build=build)


def blind(observation, *rest):
    return ({**observation, "position": jnp.zeros(3)}, *rest)


def reseeded(key, sizes):
    return jax.random.fold_in(key, next(COUNTER)), sizes


NETWORKS = {
    (AbstractActorBuilder, "shape"): builds(ACTOR_BUILDER, lambda key, sizes: (key, (sizes[0] + 1,))),
    (AbstractActorBuilder, "members"): builds(ACTOR_BUILDER, lambda key, sizes: (jax.random.key(0), sizes)),
    (AbstractActorBuilder, "reproducible"): builds(ACTOR_BUILDER, reseeded),
    (AbstractActorBuilder, "used"): network_of(ACTOR_BUILDER, spare=True),
    (AbstractActorBuilder, "observation"): network_of(ACTOR_BUILDER, blind),
    (AbstractCriticBuilder, "shape"): builds(
        CRITIC_BUILDER, lambda key, sizes: (key, (sizes[0], sizes[1] + 1, sizes[2]))
    ),
    (AbstractCriticBuilder, "members"): builds(CRITIC_BUILDER, lambda key, sizes: (jax.random.key(0), sizes)),
    (AbstractCriticBuilder, "reproducible"): builds(CRITIC_BUILDER, reseeded),
    (AbstractCriticBuilder, "no head"): builds(
        CRITIC_BUILDER, lambda key, sizes: (jax.random.fold_in(key, sizes[2]), sizes)
    ),
    (AbstractCriticBuilder, "used"): network_of(CRITIC_BUILDER, spare=True),
    (AbstractCriticBuilder, "action"): network_of(
        CRITIC_BUILDER, lambda observation, action: (observation, 0 * action)
    ),
    (AbstractCriticBuilder, "states"): builds(
        CRITIC_BUILDER, lambda key, sizes: (key, (sizes[0], sizes[1] + (sizes[0] == 0), sizes[2]))
    ),
    (AbstractCriticBuilder, "observation"): network_of(CRITIC_BUILDER, blind),
    (AbstractTrunk, "shape"): wrong(Flat(), size=lambda self, shapes: Flat.size(self, shapes) + 1),
    (AbstractTrunk, "key"): convolution(lambda key: jax.random.key(0)),
    (AbstractTrunk, "observation"): wrong(
        Flat(), build=lambda self, *arguments: Changed(Flat.build(self, *arguments), None, blind)
    ),
    (AbstractActionPlace, "shape"): wrong(ActionAsInput(), input_size=lambda self, size: size + 1),
    (AbstractActionPlace, "action"): wrong(ActionAsOutput(), leave=lambda self, outputs, action: outputs[:5]),
    (AbstractNorm, "shape"): wrong(
        RMSNorm(), build=lambda self, size: eqx.nn.Lambda(lambda x: x / jnp.sqrt(jnp.mean(x**2)))
    ),
    (AbstractNorm, "scale"): wrong(RMSNorm(), build=lambda self, size: eqx.nn.Lambda(lambda x: 2 * x)),
    (AbstractActivation, "elementwise"): calls(Swish(), lambda self, x: jax.nn.softmax(x)),
    (AbstractActivation, "nonlinear"): calls(Swish(), lambda self, x: 2 * x + 1),
    (AbstractInitializer, "shape"): calls(
        LecunNormal(), lambda self, key, into, out: (jnp.ones((into, out)), jnp.zeros(out))
    ),
    (AbstractInitializer, "key"): calls(
        LecunNormal(), lambda self, key, into, out: (jnp.ones((out, into)), jnp.zeros(out))
    ),
    (AbstractInitializer, "variance"): calls(
        LecunNormal(), lambda self, key, into, out: (jax.random.normal(key, (out, into)), jnp.zeros(out))
    ),
    (AbstractLayers, "shape"): layers(PlainLayers(), lambda key, sizes: (key, (*sizes[:-1], sizes[-1] + 1))),
    (AbstractLayers, "key"): layers(ResidualBlocks(2), lambda key, sizes: (jax.random.key(0), sizes)),
    (AbstractLayers, "used"): layers(ResidualBlocks(2), spare=True),
    (AbstractLayers, "hidden"): layers(PlainLayers(), lambda key, sizes: (key, (sizes[0], sizes[-1]))),
    (AbstractEmbedding, "shape"): wrong(
        LinearEmbedding(), build=lambda self, size, *_: (eqx.nn.Lambda(lambda x: x[1:]), eqx.nn.Identity())
    ),
    (AbstractEmbedding, "activated"): wrong(
        LinearEmbedding(), build=lambda self, size, *_: (eqx.nn.Identity(), eqx.nn.Identity())
    ),
    (AbstractOffset, "logits"): wrong(
        NoOffset(), build=lambda self, critic, start: Changed(critic, None, lambda o, action: (o, 2 * action))
    ),
}
