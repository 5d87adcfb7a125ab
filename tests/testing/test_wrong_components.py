"""For every law a component that breaks it on purpose, and is caught."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest

from reppo import testing
from reppo.distributions import AbstractHead, TanhNormal, TanhNormalHead
from reppo.environments import AbstractEnvironment, BestAction, NonFinite, Observation, Transition
from reppo.keys import subkey
from reppo.losses import (
    AbstractActorLoss,
    AbstractAuxiliary,
    AbstractDivergence,
    AbstractGate,
    AbstractMask,
    AbstractMultiplier,
    AbstractObjective,
    AbstractSupport,
    AbstractValue,
    ClippedKL,
    DecodedMSE,
    ExactKL,
    FixedSupport,
    HLGauss,
    LearnedMultiplier,
    NoAuxiliary,
    NoMask,
    PathwiseLoss,
    PerState,
    ScalarValue,
    SelfPrediction,
    TwoHot,
    WithinEpisodes,
)
from reppo.networks import (
    AbstractActivation,
    AbstractActorBuilder,
    AbstractCriticBuilder,
    AbstractEmbedding,
    AbstractInitializer,
    AbstractNorm,
    AbstractOffset,
    Actor,
    Critic,
    LecunNormal,
    LinearEmbedding,
    NoNorm,
    NoOffset,
    RMSNorm,
    Swish,
)
from reppo.normalization import AbstractNormalizer, RunningMeanVariance
from reppo.optimization import (
    AbstractBatches,
    AbstractClip,
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    AbstractStepOrder,
    Adam,
    Alternating,
    Epochs,
    NoClip,
    WithActor,
)
from reppo.rollout import AbstractPolicy
from reppo.targets import (
    AbstractEntropyBonus,
    AbstractNextValue,
    AbstractTargets,
    AbstractTruncation,
    BonusAlways,
    BonusUntilTermination,
    Cuts,
    FreshAction,
    OwnFlag,
    SoftLambda,
    soft_lambda_returns,
)

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


# Targets

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

# Critic

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
    (AbstractAuxiliary, "no head"): wrong(NoAuxiliary(), loss=lambda self, p, embedding, reward, *_: jnp.abs(reward)),
    (AbstractMask, "shape"): calls(WithinEpisodes(), lambda self, terminated, truncated: 1.0 - terminated),
    (AbstractMask, "within"): calls(WithinEpisodes(), lambda self, terminated, truncated: terminated | truncated),
}

# Actor


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
    (AbstractActorLoss, "way back"): surrogate(lambda log_ratio: jnp.clip(log_ratio, -20, 20)),
}

# Distributions


def head(**methods):
    """A head whose distribution has other methods."""

    def rule(self, outputs):
        return wrong(TanhNormalHead.__call__(self, outputs), **methods)

    return calls(TanhNormalHead(), rule)


def unbounded(self, key):
    u = self.draw(key)
    return u, self.log_prob_of_draw(u)


def without_determinant(self, key):
    u = self.draw(key)
    return jnp.tanh(u), jnp.sum(-0.5 * ((u - self.loc) / self.scale) ** 2 - jnp.log(self.scale) - 0.9189385)


def dead_beyond_limits(self, outputs):
    loc, log_std = jnp.split(outputs, 2)
    return TanhNormal(loc, jnp.exp(jnp.clip(log_std, -10.0, 4.0)))


HEADS = {
    (AbstractHead, "shape"): wrong(TanhNormalHead(), size=lambda self, space: 2.0 * space.size),
    (AbstractHead, "bounds"): head(sample_and_log_prob=unbounded),
    (AbstractHead, "finite"): calls(
        TanhNormalHead(), lambda self, o: TanhNormal(o[: o.size // 2], jnp.exp(o[o.size // 2 :]))
    ),
    (AbstractHead, "way back"): calls(TanhNormalHead(), dead_beyond_limits),
    (AbstractHead, "density"): head(sample_and_log_prob=without_determinant),
    (AbstractHead, "normalized"): head(log_prob=lambda self, action: 1 + TanhNormal.log_prob(self, action)),
    (AbstractHead, "entropy"): head(entropy=lambda self, key: jnp.zeros(())),
    (AbstractHead, "pathwise"): head(sample=lambda self, key: jax.lax.stop_gradient(TanhNormal.sample(self, key))),
    (AbstractHead, "itself"): head(kl=lambda self, other: jnp.sum(self.scale / other.scale)),
}

# Normalization

RUNNING = RunningMeanVariance()


def normalized(change):
    return calls(RUNNING, lambda self, s, observation: {"x": change(observation["x"], s.mean["x"], s.variance["x"])})


def updated(change):
    return wrong(RUNNING, update=lambda self, s, o: RunningMeanVariance.update(self, *change(s, o)))


def forgets(statistics, observations):
    return eqx.tree_at(lambda s: s.count, statistics, jnp.array(0.0)), observations


def sees_first(statistics, observations):
    return statistics, {"x": observations["x"][0] if observations["x"].ndim == 3 else observations["x"]}


NORMALIZATION = {
    (AbstractNormalizer, "shape"): normalized(lambda x, mean, variance: x[:-1]),
    (AbstractNormalizer, "carry"): wrong(
        RUNNING,
        update=lambda self, s, o: eqx.tree_at(
            lambda s: s.count, RunningMeanVariance.update(self, s, o), replace_fn=lambda n: n.astype(jnp.int32)
        ),
    ),
    (AbstractNormalizer, "merge"): updated(forgets),
    (AbstractNormalizer, "axes"): updated(sees_first),
    (AbstractNormalizer, "frozen"): normalized(lambda x, mean, variance: x + next(COUNTER)),
    (AbstractNormalizer, "scale"): normalized(lambda x, mean, variance: (x - mean) / (variance + 0.01)),
    (AbstractNormalizer, "constant"): normalized(lambda x, mean, variance: (x - mean) / jnp.sqrt(variance)),
    (AbstractNormalizer, "monotone"): normalized(lambda x, mean, variance: mean - x),
    (AbstractNormalizer, "rollout"): wrong(
        RUNNING, rollout=lambda self, s, observation, following: (observation, following)
    ),
    (AbstractNormalizer, "inverse"): wrong(RUNNING, inverse=lambda self, s, normalized: normalized),
}

# Networks

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
    (AbstractCriticBuilder, "observation"): network_of(CRITIC_BUILDER, blind),
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

# Optimization


def transforms(right, update):
    """An optimizer or a clip of one function of the gradient."""
    return wrong(right, transform=lambda self: optax.stateless(lambda g, p: jax.tree.map(update, g)))


def schedule(order=None, key_of=None, gather=None, summarize=None):
    """`Alternating` written out, with one part of it replaced."""
    order = order or (lambda indices: indices)
    key_of = key_of or (lambda key, name, number: subkey(key, name, number))
    gather = gather or (lambda data, rows: jax.tree.map(lambda leaf: leaf[rows], data))
    summarize = summarize or (lambda old, new: old.merge(new))

    def run(self, learner, data, indices, steps, key):
        metrics = {}
        for number, rows in enumerate(order(indices)):
            for name, step in steps.items():
                learner, new = step(learner, gather(data, rows), key_of(key, name, number))
                metrics |= {k: summarize(metrics[k], v) if k in metrics else v for k, v in new.items()}
        return learner, metrics

    return wrong(Alternating(), run=run)


def needs_multipliers(self, actor):
    """Takes it for granted that there are parameters of multipliers."""
    init = lambda parameters: jnp.zeros_like(parameters[1][0])
    return optax.GradientTransformation(init, lambda g, s, p: (jax.tree.map(lambda x: -0.01 * x, g), s))


OPTIMIZATION = {
    (AbstractOptimizer, "descends"): transforms(Adam(), lambda g: 0.01 * g),
    (AbstractOptimizer, "shape"): transforms(Adam(), lambda g: -0.01 * jnp.stack([g, g])),
    (AbstractOptimizer, "finite"): transforms(Adam(), lambda g: -0.01 * g / jnp.sqrt(jnp.sum(g**2))),
    (AbstractMultiplierOptimizer, "descends"): wrong(WithActor(), beside=lambda self, actor: optax.scale(0.01)),
    (AbstractMultiplierOptimizer, "fixed"): wrong(WithActor(), beside=needs_multipliers),
    (AbstractClip, "limits"): transforms(NoClip(), lambda g: 2 * g),
    (AbstractBatches, "shape"): wrong(
        Epochs(2, 2), indices=lambda self, rows, key: Epochs.indices(self, rows, key) + 1
    ),
    (AbstractBatches, "fair"): wrong(
        Epochs(2, 2), indices=lambda self, rows, key: Epochs.indices(self, rows, key) // 2
    ),
    (AbstractBatches, "shuffled"): wrong(Epochs(1, 2), indices=lambda self, rows, key: jnp.arange(rows).reshape(2, -1)),
    (AbstractStepOrder, "rows"): schedule(order=lambda indices: indices[:2]),
    (AbstractStepOrder, "together"): schedule(
        gather=lambda data, rows: {**{k: v[rows] for k, v in data.items()}, "row": rows[::-1]}
    ),
    (AbstractStepOrder, "keys"): schedule(key_of=lambda key, name, number: key),
    (AbstractStepOrder, "metrics"): schedule(summarize=lambda old, new: new),
}

# Policies and environments


class Toy(AbstractPolicy):
    """A linear policy with noise, which counts its steps."""

    weight: jax.Array

    def __call__(self, memory, observation, key, deterministic):
        action = jnp.tanh(self.weight @ observation.actor)
        noise = 0.0 if deterministic else 0.1 * jax.random.normal(key, action.shape)
        return jnp.clip(action + noise, -1, 1), memory + 1, ()


TOY = Toy(jnp.array([[0.5, -0.5, 0.1], [0.2, 0.3, -0.4]]))
TOY_CONTEXT = {
    "shapes": Observation(jax.ShapeDtypeStruct((3,), jnp.float32)),
    "action_size": 2,
    "memory": jnp.zeros((), jnp.int32),
}


def acts(change):
    def rule(self, memory, observation, key, deterministic):
        action, memory, extras = Toy.__call__(self, memory, observation, key, deterministic)
        return *change(action, memory, key), extras

    return calls(TOY, rule)


POLICIES = {
    (AbstractPolicy, "bounds"): acts(lambda action, memory, key: (3 * action, memory)),
    (AbstractPolicy, "deterministic"): acts(
        lambda action, memory, key: (jnp.clip(action + jax.random.normal(key), -1, 1), memory)
    ),
    (AbstractPolicy, "memory"): acts(lambda action, memory, key: (action, memory + 0.5)),
    (AbstractPolicy, "batched"): acts(lambda action, memory, key: (batched_wrongly(action), memory)),
    (AbstractPolicy, "observe"): wrong(TOY, observe=lambda self, observation: Toy(self.weight[0])),
}


def steps(change):
    """A `BestAction` whose transition is changed by a function of (transition, action)."""

    def step(self, key, state, action):
        state, transition = BestAction.step(self, key, state, action)
        return state, change(transition, action)

    return wrong(BestAction(), step=step)


def replaced(transition, **changes):
    fields = {field.name: getattr(transition, field.name) for field in dataclasses.fields(Transition)}
    bare = object.__new__(Transition)  # past the checks of its types
    for name, value in {**fields, **changes}.items():
        object.__setattr__(bare, name, value)
    return bare


def restless(self, key):
    state, observation = BestAction.reset(self, key)
    return state, Observation(observation.actor + next(COUNTER))


ENVIRONMENTS = {
    (AbstractEnvironment, "scan"): steps(lambda t, action: replaced(t, observation=Observation(jnp.zeros(2)))),
    (AbstractEnvironment, "transition"): steps(lambda t, action: replaced(t, terminated=jnp.float32(1))),
    (AbstractEnvironment, "finite"): NonFinite(),
    (AbstractEnvironment, "rewards"): BestAction(reward_range=(0.0, 1.0)),
    (AbstractEnvironment, "key"): wrong(BestAction(), reset=restless),
    (AbstractEnvironment, "batched"): steps(lambda t, action: replaced(t, reward=batched_wrongly(t.reward))),
    (AbstractEnvironment, "action bounds"): steps(lambda t, action: replaced(t, reward=jnp.sum(action))),
    (AbstractEnvironment, "time limit"): BestAction(horizon=0),
    (AbstractEnvironment, "reset"): wrong(
        BestAction(), observation_shapes=lambda self: Observation(jax.ShapeDtypeStruct((2,), jnp.float32))
    ),
    (AbstractEnvironment, "drawing"): wrong(BestAction(), draw=lambda self, axes, state: axes.plot(state["place"])),
}

WRONG = {
    **TARGETS,
    **CRITIC,
    **ACTOR,
    **HEADS,
    **NORMALIZATION,
    **NETWORKS,
    **OPTIMIZATION,
    **POLICIES,
    **ENVIRONMENTS,
}

# A wrong shape stops JAX before the law can look at it.
RAISES = {
    (AbstractActorLoss, "shape"),
    (AbstractDivergence, "shape"),
    (AbstractEnvironment, "drawing"),
    (AbstractEntropyBonus, "shape"),
    (AbstractMultiplierOptimizer, "fixed"),
    (AbstractObjective, "shape"),
    (AbstractOptimizer, "shape"),
    (AbstractTruncation, "shape"),
}


def test_every_law_has_a_component_that_breaks_it():
    assert set(WRONG) == {(slot, name) for slot, laws in testing.LAWS.items() for name in laws}


@pytest.mark.parametrize(("slot", "name"), WRONG, ids=[f"{slot.__name__}-{name}" for slot, name in WRONG])
def test_a_wrong_component_is_caught(slot, name):
    law = testing.LAWS[slot][name]
    with pytest.raises(AssertionError) as error:
        law(WRONG[slot, name], **(TOY_CONTEXT if slot is AbstractPolicy else {}))
    message = str(error.value)
    assert f"breaks the law {name!r} of {slot.__name__}: {law.says}\nFound: " in message
    assert ("it raised" in message) == ((slot, name) in RAISES), message


@pytest.mark.parametrize("rule", [lambda self, kl, bound: kl < bound.nonsense, lambda self, kl: kl < 1])
def test_a_component_that_fails_is_caught_with_its_error(rule):
    with pytest.raises(
        AssertionError, match=r"(?s)breaks the law 'shape'.*Found: it raised (Attribute|Type)Error.*Input: kl="
    ):
        testing.check_gate(calls(PerState(), rule))


def test_the_right_toy_policy_is_not_caught():
    testing.check_policy(TOY, **TOY_CONTEXT)
