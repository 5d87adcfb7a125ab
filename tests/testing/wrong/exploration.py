"""For every law of exploration a component that breaks it."""

import jax.numpy as jnp

from reppo.algorithms import AbstractExploration, OwnDraws, WiderDraws
from tests.testing.wrong.changing import wrong


def unlimited(self, distribution, memory, key):
    """The ratio of the densities as it is."""
    wider = distribution.widened(2.0)
    drawn = wider.draw(key)
    return drawn, jnp.exp(distribution.log_ratio(wider, drawn))


EXPLORATION = {
    (AbstractExploration, "weights"): wrong(WiderDraws(), draw=unlimited),
    (AbstractExploration, "own"): wrong(
        OwnDraws(), draw=lambda self, distribution, memory, key: (distribution.widened(1.5).draw(key), None)
    ),
    (AbstractExploration, "around"): wrong(
        OwnDraws(), draw=lambda self, distribution, memory, key: (distribution.widened(0.5).draw(key), jnp.float32(1))
    ),
}
