"""For every law of what policy and value share one that breaks it."""

import equinox as eqx

from reppo.algorithms import AbstractSharing, NoSharing, SharedEncoder
from tests.testing.wrong.changing import wrong


def tied(change):
    return wrong(SharedEncoder(), tie=lambda self, actor, own: change(SharedEncoder.tie(self, actor, own)))


def moved(critic):
    return eqx.tree_at(lambda c: c.value_head.linears[0].bias, critic, replace_fn=lambda bias: bias + 1)


def doubled(critic):
    return eqx.tree_at(lambda c: c.encoder.linears[0].bias, critic, replace_fn=lambda bias: 2 * bias + 1)


SHARING = {
    (AbstractSharing, "whole"): wrong(SharedEncoder(), tie=lambda self, actor, own: own),
    (AbstractSharing, "again"): wrong(NoSharing(), tie=lambda self, actor, own: doubled(own)),
    (AbstractSharing, "own"): tied(moved),
    (AbstractSharing, "jointly"): wrong(SharedEncoder(), jointly=property(lambda self: False)),
}
