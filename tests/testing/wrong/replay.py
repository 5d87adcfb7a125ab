"""For every law of replay buffers, pessimism, backups and target networks one that breaks it."""

import dataclasses

import jax
import jax.numpy as jnp

from reppo.losses import AbstractBackup, AbstractPessimism, BackedUp, LeastValue, MeanBackup
from reppo.optimization import AbstractTargetNetwork, Polyak
from reppo.replay import AbstractReplay, UniformReplay
from tests.testing.wrong.changing import wrong


def drawn(**changes):
    """Draws as it should, and changes a part of what was drawn."""

    def draw(self, stored, rows, steps, gamma, key):
        right = UniformReplay.draw(self, stored, rows, steps, gamma, key)
        return dataclasses.replace(right, **{name: change(right) for name, change in changes.items()})

    return wrong(UniformReplay(64), draw=draw)


REPLAY = {
    (AbstractReplay, "whole"): drawn(
        next_observation=lambda right: jax.tree.map(lambda leaf: jnp.roll(leaf, 1, axis=0), right.next_observation)
    ),
    (AbstractReplay, "ends"): drawn(discount=lambda right: jnp.full_like(right.discount, 0.5)),
    (AbstractReplay, "size"): wrong(UniformReplay(64), size=lambda self, stored: stored.collected * 1000),
    (AbstractPessimism, "within"): wrong(LeastValue(), __call__=lambda self, values: jnp.max(values)),
    (AbstractPessimism, "order"): wrong(
        LeastValue(), __call__=lambda self, values: jnp.minimum(values[0], jnp.mean(values))
    ),
    (AbstractPessimism, "share"): wrong(
        LeastValue(), __call__=lambda self, values: jnp.mean(values) - (jnp.max(values) - jnp.min(values))
    ),
    (AbstractBackup, "value"): wrong(
        MeanBackup(),
        target=lambda self, q, observation, action, bonus, reward, discount: BackedUp(
            reward + q(observation, action) + bonus
        ),
    ),
    (AbstractBackup, "learned"): wrong(
        MeanBackup(), loss=lambda self, value, logits, target: value.loss(logits, target.value / 2)
    ),
    (AbstractTargetNetwork, "between"): wrong(
        Polyak(), follow=lambda self, target, trained: jax.tree.map(lambda a, b: 2 * b - a, target, trained)
    ),
    (AbstractTargetNetwork, "follows"): wrong(Polyak(), follow=lambda self, target, trained: target),
}
