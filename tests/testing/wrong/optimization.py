"""For every law of optimizers, batches and the order of steps one that breaks it."""

import jax
import jax.numpy as jnp
import optax

from reppo.keys import subkey
from reppo.optimization import (
    AbstractAnnealing,
    AbstractBatches,
    AbstractClip,
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    AbstractStepOrder,
    AbstractStop,
    Adam,
    Alternating,
    Epochs,
    NoAnnealing,
    NoClip,
    TargetKL,
    WithActor,
)
from tests.testing.wrong.changing import calls, wrong


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
    (AbstractAnnealing, "shape"): calls(NoAnnealing(), lambda self, steps: 1 - steps / 1e6),
    (AbstractAnnealing, "start"): calls(NoAnnealing(), lambda self, steps: jnp.full((), 0.5)),
    (AbstractAnnealing, "falls"): calls(NoAnnealing(), lambda self, steps: jnp.cos(steps / 1e6) ** 2),
    (AbstractAnnealing, "floor"): calls(NoAnnealing(), lambda self, steps: 1 / (1 + steps / 1e6)),
    (AbstractStop, "shape"): wrong(TargetKL(), init=lambda self: jnp.zeros(())),
    (AbstractStop, "still"): calls(TargetKL(), lambda self, kl: kl >= 0),
    (AbstractStop, "monotone"): calls(TargetKL(), lambda self, kl: (kl > 0.1) & (kl < 0.2)),
    (AbstractStop, "far"): calls(TargetKL(), lambda self, kl: kl > 1000),
}
