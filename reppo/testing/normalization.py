"""Laws of the normalization of observations, and of the scaling of rewards."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.normalization import AbstractNormalizer, AbstractRewardScaling
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats

_SIZE, _ROWS = 3, 8
_LIKE = {"x": jax.ShapeDtypeStruct((_SIZE,), jnp.float32)}


def check_normalizer(normalizer: AbstractNormalizer, *, skip: Collection[str] = ()) -> None:
    """Holds a normalizer of observations against the laws of its slot: `LAWS[AbstractNormalizer]`.

    Args:
        normalizer: the component. If it has a method `inverse(statistics, normalized)`, it is held to be the inverse.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractNormalizer, normalizer, skip)


_init = eqx.filter_jit(lambda normalizer: normalizer.init(_LIKE))
_update = eqx.filter_jit(lambda normalizer, statistics, batch: normalizer.update(statistics, {"x": batch}))


@eqx.filter_jit
def _normalize(normalizer: AbstractNormalizer, statistics: Any, batch: Any) -> Any:
    return jax.vmap(lambda x: normalizer(statistics, {"x": x})["x"])(batch)


@eqx.filter_jit
def _inverse(normalizer: Any, statistics: Any, batch: Any) -> Any:
    return jax.vmap(lambda x: normalizer.inverse(statistics, {"x": x})["x"])(batch)


_BATCH = arrays(np.float32, (_ROWS, _SIZE), elements=floats(-10, 10))
_LEVEL = floats(-1000, 1000)


def _equal(a: Any, b: Any, tolerance: float = 1e-3) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.allclose(x, y, rtol=tolerance, atol=tolerance) for x, y in pairs)


def _seen(normalizer: AbstractNormalizer, *batches: Any) -> Any:
    statistics = _init(normalizer)
    for batch in batches:
        statistics = _update(normalizer, statistics, jnp.asarray(batch))
    return statistics


@law(AbstractNormalizer, "shape", "an observation keeps its shape, is float32 and finite, before anything was seen too")
def _shape(normalizer: AbstractNormalizer) -> None:
    def body(batch: Any, new: Any) -> None:
        for statistics in (_init(normalizer), _seen(normalizer, batch)):
            made = _normalize(normalizer, statistics, new)
            ensure(made.shape == new.shape and made.dtype == np.float32, f"{made.dtype} of shape {made.shape[1:]}")
            ensure(np.isfinite(made).all(), f"{made}")

    for_all(body, batch=_BATCH, new=_BATCH)


@law(AbstractNormalizer, "carry", "an update keeps the structure, shapes and dtypes of the statistics")
def _carry(normalizer: AbstractNormalizer) -> None:
    before = _init(normalizer)
    after = _update(normalizer, before, jnp.ones((_ROWS, _SIZE)))
    describe = lambda tree: jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), tree)
    ensure(
        jax.tree.structure(before) == jax.tree.structure(after) and describe(before) == describe(after),
        f"{describe(before)} before, {describe(after)} after",
    )


@law(AbstractNormalizer, "merge", "the statistics after two batches are those of one batch of both, in either order")
def _merge(normalizer: AbstractNormalizer) -> None:
    def body(one: Any, two: Any, shift: Any) -> None:
        two = two + np.float32(shift)
        whole = _update(normalizer, _init(normalizer), jnp.concatenate([one, two]))
        for batches in ((one, two), (two, one)):
            merged = _seen(normalizer, *batches)
            ensure(_equal(merged, whole), f"{merged} merged, {whole} as a whole")

    for_all(body, one=_BATCH, two=_BATCH, shift=floats(-100, 100))


@law(AbstractNormalizer, "axes", "observations [time, environment, ...] count as the rows [time * environment, ...]")
def _axes(normalizer: AbstractNormalizer) -> None:
    def body(batch: Any) -> None:
        flat = _seen(normalizer, batch)
        folded = _seen(normalizer, batch.reshape(2, _ROWS // 2, _SIZE))
        ensure(_equal(flat, folded), f"{flat} as rows, {folded} with two axes")

    for_all(body, batch=_BATCH)


@law(AbstractNormalizer, "frozen", "normalizing changes nothing: the same observation always comes out the same")
def _frozen(normalizer: AbstractNormalizer) -> None:
    def body(batch: Any, new: Any) -> None:
        statistics = _seen(normalizer, batch)
        first = np.asarray(normalizer(statistics, {"x": jnp.asarray(new[0])})["x"])
        normalizer(statistics, {"x": jnp.asarray(new[1])})
        again = np.asarray(normalizer(statistics, {"x": jnp.asarray(new[0])})["x"])
        ensure(np.array_equal(first, again), f"{first}, then {again}")

    for_all(body, 5, batch=_BATCH, new=_BATCH)


@law(AbstractNormalizer, "scale", "what was seen comes out with mean 0 and variance 1, or as it went in")
def _scale(normalizer: AbstractNormalizer) -> None:
    def body(seed: Any, level: Any, scale: Any) -> None:
        noise = np.random.default_rng(seed).normal(size=(8, _ROWS, _SIZE))
        batch = (level + scale * noise).astype(np.float32)
        made = np.asarray(_normalize(normalizer, _seen(normalizer, batch), batch.reshape(-1, _SIZE)))
        mean, variance = made.mean(axis=0), made.var(axis=0)
        standard = np.all(np.abs(mean) < 0.05) and np.all(np.abs(variance - 1) < 0.1)
        ensure(
            standard or np.array_equal(made, batch.reshape(-1, _SIZE)), f"a mean of {mean}, a variance of {variance}"
        )

    for_all(body, seed=st.integers(0, 100), level=floats(-10, 10), scale=floats(1, 10))


@law(AbstractNormalizer, "constant", "an element that never changed stays finite and bounded, also where it then does")
def _constant(normalizer: AbstractNormalizer) -> None:
    def body(level: Any, change: Any) -> None:
        batch = np.full((_ROWS, _SIZE), level, np.float32)
        statistics = _seen(normalizer, batch, batch)
        made = np.asarray(_normalize(normalizer, statistics, batch + np.float32(change)))
        bound = max(1e3, 1.01 * (abs(level) + 1))
        ensure(np.isfinite(made).all() and np.abs(made).max() <= bound, f"{made[0]}")

    for_all(body, level=_LEVEL, change=floats(-1, 1))


@law(AbstractNormalizer, "monotone", "a greater element never comes out smaller")
def _monotone(normalizer: AbstractNormalizer) -> None:
    def body(batch: Any, new: Any, more: Any) -> None:
        statistics = _seen(normalizer, batch)
        low, high = (np.asarray(_normalize(normalizer, statistics, x)) for x in (new, new + np.float32(more)))
        ensure((high >= low).all(), f"{low} for these, {high} for greater ones")

    for_all(body, batch=_BATCH, new=_BATCH, more=floats(0, 10))


@eqx.filter_jit
def _rolled(normalizer: AbstractNormalizer, statistics: Any, batch: Any) -> Any:
    """A rollout [time, environment, ...] at once, and as acting saw it, step by step."""
    made = normalizer.rollout(statistics, {"x": batch}, {"x": batch})[0]["x"]

    def step(statistics: Any, row: Any) -> Any:
        statistics = normalizer.observe(statistics, {"x": row})
        return statistics, jax.vmap(lambda x: normalizer(statistics, {"x": x})["x"])(row)

    return made, jax.lax.scan(step, statistics, batch)[1]


@law(AbstractNormalizer, "rollout", "a rollout is normalized as it was when it was collected")
def _rollout(normalizer: AbstractNormalizer) -> None:
    def body(batch: Any, new: Any) -> None:
        made, seen = _rolled(normalizer, _seen(normalizer, batch), new.reshape(2, _ROWS // 2, _SIZE))
        ensure(np.allclose(made, seen, rtol=1e-4, atol=1e-4), f"{made}, and {seen} step by step")

    for_all(body, 10, batch=_BATCH, new=_BATCH)


@law(AbstractNormalizer, "inverse", "`inverse`, where it has one, undoes the normalization")
def _undoes(normalizer: AbstractNormalizer) -> None:
    def body(batch: Any, new: Any) -> None:
        statistics = _seen(normalizer, batch)
        back = np.asarray(_inverse(normalizer, statistics, _normalize(normalizer, statistics, new)))
        ensure(np.allclose(back, new, rtol=1e-3, atol=1e-3), f"{back} instead of {new}")

    if hasattr(normalizer, "inverse"):
        for_all(body, batch=_BATCH, new=_BATCH)


def check_reward_scaling(scaling: AbstractRewardScaling, *, skip: Collection[str] = ()) -> None:
    """Holds a scaling of rewards against the laws of its slot: `LAWS[AbstractRewardScaling]`.

    Arguments and errors as for `check_normalizer`.
    """
    hold(AbstractRewardScaling, scaling, skip)


@eqx.filter_jit
def _scaled(scaling: AbstractRewardScaling, rollouts: Any, ended: Any) -> Any:
    """The statistics of nothing and after each rollout, `[number, time, environment]`, and the factors after each."""
    statistics, factors = [scaling.init(_SIZE)], []
    for reward in rollouts:
        statistics.append(scaling.update(statistics[-1], reward, ended, jnp.float32(0.5)))
        factors.append(scaling.factor(statistics[-1]))
    return statistics, jnp.stack(factors)


_REWARDS = arrays(np.float32, (2, _ROWS, _SIZE), elements=floats(-10, 10))
_ENDED = arrays(bool, (_ROWS, _SIZE))


@law(AbstractRewardScaling, "factor", "a finite number of shape (), above 0, also where all rewards are 0")
def _factor(scaling: AbstractRewardScaling) -> None:
    def body(rewards: Any, ended: Any) -> None:
        for seen in (rewards, 0 * rewards):
            factors = _scaled(scaling, seen, ended)[1]
            ensure(factors.shape == (2,) and np.isfinite(factors).all() and np.all(factors > 0), f"{factors}")

    for_all(body, rewards=_REWARDS, ended=_ENDED)


@law(AbstractRewardScaling, "carry", "an update keeps the structure, shapes and dtypes of the statistics")
def _reward_carry(scaling: AbstractRewardScaling) -> None:
    statistics, _ = _scaled(scaling, jnp.ones((2, _ROWS, _SIZE)), jnp.zeros((_ROWS, _SIZE), bool))
    describe = lambda tree: jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), tree)
    before, *after = map(describe, statistics)
    ensure(all(one == before for one in after), f"{after[0]}, where it was {before}")


@law(AbstractRewardScaling, "size", "rewards of 100 times the size become the same, or stay 100 times the size")
def _reward_size(scaling: AbstractRewardScaling) -> None:
    def body(rewards: Any, ended: Any) -> None:
        one, large = (_scaled(scaling, size * rewards, ended)[1] for size in (np.float32(1), np.float32(100)))
        if np.ptp(rewards) < 1 or one.max() > 100:  # as good as constant
            return
        same = np.allclose(one, 100 * large, rtol=1e-3)
        ensure(same or np.allclose(one, large, rtol=1e-3), f"a factor of {one}, and of {large} for larger rewards")

    for_all(body, rewards=_REWARDS, ended=_ENDED)
