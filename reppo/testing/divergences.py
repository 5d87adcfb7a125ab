"""Laws of divergences between policies."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import numpy as np
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.losses import (
    AbstractDivergence,
)
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, seeds, vectors


def check_divergence(divergence: AbstractDivergence, *, skip: Collection[str] = ()) -> None:
    """Holds a divergence between policies against the laws of its slot: `LAWS[AbstractDivergence]`.

    Estimates from samples are held to them in the mean over many keys. Arguments and errors as for `check_objective`.
    """
    hold(AbstractDivergence, divergence, skip)


_KEYS = 256


@eqx.filter_jit
def _divergence(divergence: AbstractDivergence, old: Any, new: Any, seed: Any) -> tuple[Any, Any]:
    """Mean and standard deviation over keys, and the mean gradient in the new policy's mean and scale."""

    def one(parameters: Any, key: Any) -> Any:
        return divergence(TanhNormal(*old), TanhNormal(*parameters), key)

    keys = jax.random.split(jax.random.key(seed), _KEYS)
    values, gradients = jax.vmap(jax.value_and_grad(one), in_axes=(None, 0))(new, keys)
    return values, gradients


_POLICY = st.tuples(vectors(2, -1.0, 1.0), vectors(2, 0.25, 1.0))


def _mean(divergence: AbstractDivergence, old: Any, new: Any, seed: Any) -> tuple[float, float]:
    """The mean over keys, and five times its standard error."""
    values = np.asarray(_divergence(divergence, old, new, seed)[0], float)
    return float(values.mean()), float(5 * values.std() / _KEYS**0.5)


@law(AbstractDivergence, "shape", "a finite number of shape (), with a finite gradient in the new policy")
def _divergence_shape(divergence: AbstractDivergence) -> None:
    def body(old: Any, new: Any, seed: Any) -> None:
        values, gradients = _divergence(divergence, old, new, seed)
        ensure(values.shape == (_KEYS,) and np.isfinite(values).all(), f"{values[0]} of shape {values.shape[1:]}")
        ensure(all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients)), "a gradient that is not finite")

    for_all(body, old=_POLICY, new=_POLICY, seed=seeds())


@law(AbstractDivergence, "itself", "the divergence of a policy from itself is 0, at every key")
def _divergence_itself(divergence: AbstractDivergence) -> None:
    def body(policy: Any, seed: Any) -> None:
        values = np.asarray(_divergence(divergence, policy, policy, seed)[0])
        ensure(np.abs(values).max() < 1e-5, f"{values[np.abs(values).argmax()]}")

    for_all(body, policy=_POLICY, seed=seeds())


@law(AbstractDivergence, "positive", "a divergence is at least 0")
def _divergence_positive(divergence: AbstractDivergence) -> None:
    def body(old: Any, new: Any, seed: Any) -> None:
        mean, error = _mean(divergence, old, new, seed)
        ensure(mean >= -error - 1e-5, f"{mean}, within {error}")

    for_all(body, old=_POLICY, new=_POLICY, seed=seeds())


@law(AbstractDivergence, "sum", "it is summed over action dimensions: a second one, as far away, doubles it")
def _divergence_sum(divergence: AbstractDivergence) -> None:
    def body(loc: Any, shift: Any, scale: Any, seed: Any) -> None:
        def estimate(actions: int) -> tuple[float, float]:
            scales = np.full(actions, scale, np.float32)
            old, new = (np.full(actions, x, np.float32) for x in (loc, loc + shift))
            return _mean(divergence, (old, scales), (new, scales), seed)

        (mean, error), (twice, error_twice) = estimate(1), estimate(2)
        ensure(
            abs(twice - 2 * mean) < 2 * error + error_twice + 1e-3 * (1 + twice),
            f"{mean} for one dimension, {twice} for both, within {error} and {error_twice}",
        )

    for_all(body, 8, loc=floats(-0.5, 0.5), shift=floats(0.5, 1), scale=floats(0.5, 1), seed=seeds())


@law(AbstractDivergence, "nearer", "a policy half as far away in its mean has a lower divergence")
def _divergence_nearer(divergence: AbstractDivergence) -> None:
    def body(loc: Any, shift: Any, scale: Any, seed: Any) -> None:
        scales = np.full(2, scale, np.float32)
        far, near = (_mean(divergence, (loc, scales), (loc + np.float32(s), scales), seed) for s in (shift, shift / 2))
        ensure(near[0] < far[0] + near[1] + far[1], f"{near[0]} for half the shift, {far[0]} for the whole")
        ensure(far[0] > -far[1] + 1e-6, f"{far[0]} for the whole shift")

    for_all(body, 8, loc=vectors(2, -0.5, 0.5), shift=floats(0.5, 1), scale=floats(0.25, 0.5), seed=seeds())


@law(AbstractDivergence, "saturated", "where on the tanh the two policies lie does not matter: it cancels")
def _divergence_saturated(divergence: AbstractDivergence) -> None:
    def body(old: Any, new: Any, out: float, seed: Any) -> None:
        moved = tuple((loc + np.float32(out), scale) for loc, scale in (old, new))
        here, there = (float(np.mean(_divergence(divergence, a, b, seed)[0])) for a, b in ((old, new), moved))
        ensure(abs(there - here) < 1e-2 * (1 + abs(here)), f"{here}, and {there} with both means {out} further out")

    for_all(body, 8, old=_POLICY, new=_POLICY, out=floats(-6, 6), seed=seeds())


@law(
    AbstractDivergence,
    "way back",
    "however far the new policy has moved, in mean or scale, the divergence is finite and its gradient leads back",
)
def _divergence_way_back(divergence: AbstractDivergence) -> None:
    def body(loc: Any, scale: Any, distance: float, side: float, log_scale: float, seed: Any) -> None:
        moved = np.float32(side * distance)
        away = _divergence(divergence, (loc, scale), (loc + moved, scale), seed)
        other = _divergence(divergence, (loc, scale), (loc, np.full(2, np.exp(log_scale), np.float32)), seed)
        for (values, gradients), part, out in ((away, 0, moved), (other, 1, log_scale)):
            slope = np.mean(np.asarray(gradients[part], float), axis=0) * out
            where = f"with the mean moved by {out}" if part == 0 else f"with a log scale of {out}"
            ensure(np.isfinite(values).all(), f"{values} {where}")
            ensure((slope > 0).all(), f"a slope outward of {slope} {where}")

    drawn = {"loc": vectors(2, -1, 1), "scale": vectors(2, 0.25, 1), "distance": floats(4, 1000), "seed": seeds()}
    scales = st.one_of(floats(-10, -5), floats(2, 4))
    for_all(body, 8, side=st.sampled_from([-1.0, 1.0]), log_scale=scales, **drawn)
