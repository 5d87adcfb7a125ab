"""For every law of losses of critic and actor one that breaks it."""

import jax
import jax.numpy as jnp

from reppo.losses import (
    AbstractActorLoss,
    AbstractAuxiliary,
    AbstractDivergence,
    AbstractGate,
    AbstractMask,
    AbstractMultiplier,
    AbstractObjective,
    AbstractSmoothness,
    AbstractSupport,
    AbstractValue,
    ClippedKL,
    DecodedMSE,
    ExactKL,
    ExpectedLoss,
    FixedSupport,
    HLGauss,
    LearnedMultiplier,
    NoAuxiliary,
    NoMask,
    NoSmoothness,
    PathwiseLoss,
    PerState,
    ScalarValue,
    SelfPrediction,
    TwoHot,
    Unconstrained,
    WithinEpisodes,
)
from tests.testing.wrong.changing import calls, wrong

HL = HLGauss(FixedSupport(-5, 5), 8)

CRITIC = {
    (AbstractValue, "shape"): wrong(ScalarValue(), decode=lambda self, logits: logits),
    (AbstractValue, "decode"): wrong(ScalarValue(), decode=lambda self, logits: 2 * logits[0]),
    (AbstractValue, "monotone"): wrong(ScalarValue(), decode=lambda self, logits: -logits[0]),
    (AbstractValue, "minimum"): wrong(ScalarValue(), loss=lambda self, logits, target: logits[0] ** 2),
    (AbstractValue, "finite"): wrong(
        ScalarValue(), loss=lambda self, logits, target: jnp.log((logits[0] - target) ** 2)
    ),
    (AbstractValue, "outside"): wrong(
        HL, outside=lambda self, targets: jnp.full_like(targets, HLGauss.outside(self, targets).max())
    ),
    (AbstractValue, "range"): wrong(HL, decode=lambda self, logits: 100 + HLGauss.decode(self, logits)),
    (AbstractValue, "start"): wrong(
        DecodedMSE(FixedSupport(), 51), start=lambda self, scale: TwoHot(FixedSupport(), 51).start(scale)
    ),
    (AbstractSupport, "interval"): wrong(FixedSupport(), bounds=lambda self: (self.high, self.low)),
    (AbstractAuxiliary, "shape"): wrong(SelfPrediction(), loss=lambda self, *row: -SelfPrediction.loss(self, *row)),
    (AbstractAuxiliary, "ended"): SelfPrediction(mask=NoMask()),
    (AbstractSmoothness, "shape"): calls(NoSmoothness(), lambda self, *row: -jnp.ones(())),
    (AbstractSmoothness, "level"): calls(NoSmoothness(), lambda self, values, *row: jnp.sum(values(*row[:2]) ** 2)),
    (AbstractSmoothness, "sum"): calls(NoSmoothness(), lambda self, *row: jnp.ones(())),
    (AbstractAuxiliary, "no head"): wrong(NoAuxiliary(), loss=lambda self, p, embedding, reward, *_: jnp.abs(reward)),
    (AbstractMask, "shape"): calls(WithinEpisodes(), lambda self, terminated, truncated: 1.0 - terminated),
    (AbstractMask, "within"): calls(WithinEpisodes(), lambda self, terminated, truncated: terminated | truncated),
}


def objective(rule):
    def call(self, *, q, log_prob, kl, temperature, kl_multiplier, inside=None):
        return rule(q, temperature * log_prob, kl_multiplier * kl, inside)

    return calls(ClippedKL(), call)


def where_inside(inside, this, other):
    return jnp.where(True if inside is None else inside, this, other)


def loss_like(change):
    return calls(PathwiseLoss(), lambda self, *arguments: change(*PathwiseLoss.__call__(self, *arguments)))


def surrogate(limit):
    """An unclipped surrogate with this limit on the log of the ratio."""

    def rule(self, new, critic, batch, temperature, kl_multiplier, key):
        _, metrics = PathwiseLoss.__call__(self, new, critic, batch, temperature, kl_multiplier, key)
        log_ratios = jax.vmap(lambda new, old, drawn: new.log_ratio(old, drawn))(new, batch.old, batch.drawn)
        advantage = batch.target - jnp.mean(batch.target)
        return -jnp.mean(jnp.exp(limit(log_ratios)) * advantage), metrics

    return calls(PathwiseLoss(), rule)


def at_clipped_actions(self, old, new, key):
    def log_ratio(key):
        action = jnp.clip(old.sample(key), -0.9999, 0.9999)
        return old.log_prob(action) - new.log_prob(action)

    return jnp.mean(jax.vmap(log_ratio)(jax.random.split(key, 16)))


ACTOR = {
    (AbstractObjective, "shape"): objective(lambda q, entropy, kl, inside: jnp.stack([entropy - q])),
    (AbstractObjective, "value"): objective(lambda q, entropy, kl, inside: entropy + q),
    (AbstractObjective, "entropy"): objective(lambda q, entropy, kl, inside: -entropy - q),
    (AbstractObjective, "divergence"): objective(lambda q, entropy, kl, inside: entropy - q - kl),
    (AbstractObjective, "bound"): objective(lambda q, entropy, kl, inside: entropy - q),
    (AbstractObjective, "verdict"): objective(lambda q, entropy, kl, inside: where_inside(inside, entropy - q, kl)),
    (AbstractGate, "shape"): calls(PerState(), lambda self, kl, bound: jnp.all(kl < bound)),
    (AbstractGate, "open"): calls(PerState(), lambda self, kl, bound: kl > bound),
    (AbstractGate, "closed"): calls(PerState(), lambda self, kl, bound: kl > -1),
    (AbstractGate, "order"): calls(PerState(), lambda self, kl, bound: jnp.cumsum(kl) < bound),
    (AbstractGate, "monotone"): calls(PerState(), lambda self, kl, bound: (kl < bound) & (bound < 1)),
    (AbstractMultiplier, "positive"): wrong(LearnedMultiplier(), value=lambda self, p: jax.lax.stop_gradient(p)),
    (AbstractMultiplier, "direction"): wrong(
        LearnedMultiplier(), loss=lambda self, p, slack: -jnp.exp(p) * jax.lax.stop_gradient(slack)
    ),
    (AbstractMultiplier, "way back"): wrong(
        LearnedMultiplier(), loss=lambda self, p, slack: jnp.exp(jnp.clip(p, -9, 9)) * jax.lax.stop_gradient(slack)
    ),
    (AbstractMultiplier, "constant"): wrong(LearnedMultiplier(), value=lambda self, p: jnp.exp(p)),
    (AbstractMultiplier, "slack"): wrong(LearnedMultiplier(), loss=lambda self, p, slack: jnp.exp(p) * slack),
    (AbstractDivergence, "shape"): calls(ExactKL(), lambda self, old, new, key: (old.loc - new.loc) ** 2),
    (AbstractDivergence, "itself"): calls(ExactKL(), lambda self, old, new, key: old.kl(new) + 0.1),
    (AbstractDivergence, "positive"): calls(ExactKL(), lambda self, old, new, key: -old.kl(new)),
    (AbstractDivergence, "sum"): calls(ExactKL(), lambda self, old, new, key: old.kl(new) / old.loc.size),
    (AbstractDivergence, "nearer"): calls(ExactKL(), lambda self, old, new, key: jnp.sign(old.kl(new))),
    (AbstractDivergence, "saturated"): calls(ExactKL(), at_clipped_actions),
    (AbstractDivergence, "way back"): calls(ExactKL(), lambda self, old, new, key: jnp.minimum(old.kl(new), 2.0)),
    (AbstractActorLoss, "shape"): loss_like(lambda loss, metrics: (loss + metrics["kl"], metrics)),
    (AbstractActorLoss, "metrics"): loss_like(lambda loss, metrics: (loss, {"kl": metrics["kl"]})),
    (AbstractActorLoss, "improves"): loss_like(lambda loss, metrics: (-loss, metrics)),
    (AbstractActorLoss, "finite"): surrogate(lambda log_ratio: log_ratio),
    (AbstractActorLoss, "bound"): calls(
        PathwiseLoss(), lambda self, *arguments: PathwiseLoss.__call__(PathwiseLoss(Unconstrained()), *arguments)
    ),
    (AbstractActorLoss, "choices"): calls(
        ExpectedLoss(), lambda self, *arguments: jax.tree.map(jnp.negative, ExpectedLoss.__call__(self, *arguments))
    ),
    (AbstractActorLoss, "way back"): surrogate(lambda log_ratio: jnp.clip(log_ratio, -20, 20)),
}
