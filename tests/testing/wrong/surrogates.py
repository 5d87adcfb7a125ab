"""For every law of surrogates, of advantages and of losses of values one that breaks it."""

import jax.numpy as jnp

from reppo.losses import (
    AbstractAdvantages,
    AbstractSurrogate,
    AbstractValueLoss,
    ClippedRatio,
    ClippedValueLoss,
    PlainAdvantages,
    PlainRatio,
    PlainValueLoss,
    StandardizedMinibatches,
)
from tests.testing.wrong.changing import calls, wrong


def surrogate(rule):
    """A surrogate from the log-ratio, the ratio, the ratio clipped, and the advantage."""

    def call(self, log_ratio, advantage):
        ratio = PlainRatio()(log_ratio, jnp.ones(()))
        return rule(log_ratio, ratio, jnp.clip(ratio, 0.8, 1.2), advantage)

    return calls(ClippedRatio(), call)


def minibatch(rule):
    return wrong(StandardizedMinibatches(), of_minibatch=lambda self, x, counts: rule(x))


def held_value_loss(combine):
    """A clipped loss that makes another thing of the two."""

    def call(self, value, logits, old, target):
        held = old + jnp.clip(logits - old, -self.value_clip, self.value_clip)
        return combine(value.loss(logits, target), value.loss(held, target))

    return calls(ClippedValueLoss(), call)


SURROGATES = {
    (AbstractSurrogate, "shape"): calls(
        PlainRatio(), lambda self, log_ratio, advantage: jnp.exp(log_ratio) * advantage
    ),
    (AbstractSurrogate, "start"): surrogate(lambda log_ratio, ratio, clipped, advantage: (ratio - 1) * advantage),
    (AbstractSurrogate, "pessimistic"): surrogate(
        lambda log_ratio, ratio, clipped, advantage: jnp.maximum(ratio * advantage, clipped * advantage)
    ),
    (AbstractSurrogate, "direction"): surrogate(
        lambda log_ratio, ratio, clipped, advantage: (ratio - (ratio - 1) ** 2) * advantage
    ),
    (AbstractSurrogate, "way back"): surrogate(lambda log_ratio, ratio, clipped, advantage: clipped * advantage),
    (AbstractAdvantages, "shape"): minibatch(lambda x: (x - x.mean()) / x.std()),
    (AbstractAdvantages, "counts"): minibatch(lambda x: (x - x.mean()) / (x.std() + 1e-8)),
    (AbstractAdvantages, "order"): minibatch(jnp.cumsum),
    (AbstractAdvantages, "better"): minibatch(jnp.sign),
    (AbstractAdvantages, "size"): wrong(
        PlainAdvantages(), of_rollout=lambda self, x, counts: x / jnp.sqrt(1 + x.std())
    ),
    (AbstractValueLoss, "shape"): calls(PlainValueLoss(), lambda self, v, logits, _, g: jnp.log(v.loss(logits, g))),
    (AbstractValueLoss, "pessimistic"): held_value_loss(jnp.minimum),
    (AbstractValueLoss, "start"): held_value_loss(lambda plain, held: plain + held),
    (AbstractValueLoss, "way back"): held_value_loss(lambda plain, held: held),
}
