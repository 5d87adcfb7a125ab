"""Components that are like a right one, but for a change."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp

COUNTER = itertools.count(1)


def wrong(right, **methods):
    """A component like `right`, with other methods."""
    cls = type(type(right))(f"Wrong{type(right).__name__}", (type(right),), {**methods, "__module__": __name__})
    return cls(**{field.name: getattr(right, field.name) for field in dataclasses.fields(right)})


def calls(right, rule):
    return wrong(right, __call__=rule)


@jax.custom_batching.custom_vmap
def batched_wrongly(x):
    """The identity alone, a mean over the batch under vmap."""
    return x


@batched_wrongly.def_vmap
def _(axis_size, in_batched, x):
    return jnp.broadcast_to(x.mean(axis=0, keepdims=True), x.shape), in_batched[0]
