"""For every law of normalizers one that breaks it."""

import equinox as eqx
import jax.numpy as jnp

from reppo.normalization import (
    AbstractNormalizer,
    AbstractRewardScaling,
    NoRewardScaling,
    RunningMeanVariance,
    RunningReturnScale,
)
from tests.testing.wrong.changing import COUNTER, calls, wrong

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
    (AbstractRewardScaling, "factor"): wrong(
        RunningReturnScale(), factor=lambda self, s: 1 / jnp.sqrt(s.seen.variance)
    ),
    (AbstractRewardScaling, "carry"): wrong(
        NoRewardScaling(), update=lambda self, s, reward, *_: reward, factor=lambda self, s: jnp.ones(())
    ),
    (AbstractRewardScaling, "size"): wrong(RunningReturnScale(), factor=lambda self, s: 1 / (1 + s.seen.variance)),
    (AbstractNormalizer, "inverse"): wrong(RUNNING, inverse=lambda self, s, normalized: normalized),
}
