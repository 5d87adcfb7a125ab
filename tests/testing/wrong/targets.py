"""For every law of targets one that breaks it."""

import equinox as eqx
import jax
import jax.numpy as jnp

from reppo.distributions import Categorical
from reppo.targets import (
    AbstractEntropyBonus,
    AbstractNextValue,
    AbstractTargets,
    AbstractTruncation,
    BonusAlways,
    BonusUntilTermination,
    Cuts,
    ExpectedAction,
    FreshAction,
    OwnFlag,
    SoftLambda,
    soft_lambda_returns,
)
from tests.testing.wrong.changing import calls

SOFT = SoftLambda()
FRESH = FreshAction()


def returns(change):
    """Targets after a change of (soft reward, next value, terminated, truncated, gamma)."""
    return calls(SOFT, lambda self, *rows: soft_lambda_returns(*change(*rows), self.lam))


def estimate(change):
    def rule(self, distribution, evaluate, taken, continues, key):
        right = FreshAction.__call__(self, distribution, evaluate, taken, continues, key)
        return change(right, distribution, evaluate, taken)

    return calls(FRESH, rule)


def with_value(right, value):
    return eqx.tree_at(lambda estimate: estimate.value, right, value)


TARGETS = {
    (AbstractTargets, "shape"): calls(SOFT, lambda self, reward, *_: reward[:-1]),
    (AbstractTargets, "cut"): returns(lambda r, v, te, tr, g: (r, v, te, tr & False, g)),
    (AbstractTargets, "termination"): returns(lambda r, v, te, tr, g: (r, v, te & False, te | tr, g)),
    (AbstractTargets, "truncation"): returns(lambda r, v, te, tr, g: (r, v, te | tr, tr, g)),
    (AbstractTargets, "last row"): returns(lambda r, v, te, tr, g: (r, v.at[-1].set(0), te, tr, g)),
    (AbstractTargets, "both flags"): returns(lambda r, v, te, tr, g: (r, v, te & ~tr, tr, g)),
    (AbstractTargets, "fixed point"): returns(lambda r, v, te, tr, g: (r, jnp.where(te | tr, v, 0), te, tr, g)),
    (AbstractTargets, "discount"): returns(lambda r, v, te, tr, g: (r, v, te, tr, 0.9)),
    (AbstractNextValue, "shape"): estimate(lambda right, *_: jax.tree.map(lambda x: x[None], right)),
    (AbstractNextValue, "constant"): estimate(lambda right, *_: with_value(right, right.value + 1)),
    (AbstractNextValue, "value"): estimate(lambda right, d, evaluate, _: with_value(right, evaluate(d.mode())[0])),
    (AbstractNextValue, "entropy"): estimate(
        lambda right, *_: eqx.tree_at(lambda e: e.log_prob, right, -right.log_prob)
    ),
    (AbstractNextValue, "no next action"): estimate(
        lambda right, d, evaluate, taken: with_value(right, evaluate(taken.action)[0])
    ),
    (AbstractNextValue, "choices"): calls(
        ExpectedAction(),
        lambda self, distribution, *rest: ExpectedAction.__call__(self, Categorical(0 * distribution.logits), *rest),
    ),
    (AbstractEntropyBonus, "shape"): calls(BonusAlways(), lambda self, t, log_prob, _: jnp.stack([-t * log_prob] * 2)),
    (AbstractEntropyBonus, "temperature"): calls(BonusAlways(), lambda self, t, log_prob, _: -log_prob),
    (AbstractEntropyBonus, "direction"): calls(BonusAlways(), lambda self, t, log_prob, _: t * log_prob),
    (AbstractEntropyBonus, "termination"): calls(BonusUntilTermination(), lambda self, t, log_prob, _: -t * log_prob),
    (AbstractTruncation, "shape"): calls(OwnFlag(), lambda self, te, tr: jax.tree.map(jnp.any, Cuts(te, tr, ~tr))),
    (AbstractTruncation, "counts"): calls(OwnFlag(), lambda self, te, tr: Cuts(te, tr, te)),
    (AbstractTruncation, "cut"): calls(OwnFlag(), lambda self, te, tr: Cuts(te, tr & False, ~te | te)),
    (AbstractTruncation, "termination"): calls(OwnFlag(), lambda self, te, tr: Cuts(te & False, te | tr, ~te | te)),
    (AbstractTruncation, "truncation"): calls(OwnFlag(), lambda self, te, tr: Cuts(te | tr, tr, ~te | te)),
}
