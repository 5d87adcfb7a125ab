"""Laws of surrogates, and of what becomes of advantages."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.losses import AbstractAdvantages, AbstractSurrogate
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, vectors


def check_surrogate(surrogate: AbstractSurrogate, *, skip: Collection[str] = ()) -> None:
    """Holds a surrogate against the laws of its slot: `LAWS[AbstractSurrogate]`.

    Args:
        surrogate: the component.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractSurrogate, surrogate, skip)


@eqx.filter_jit
def _gain(surrogate: AbstractSurrogate, log_ratio: Any, advantage: Any) -> Any:
    """The gain and its slope in the log-ratio."""
    # As a loss, whose gradient is followed downwards: only so does `reppo.numerics.limit` know which way is back.
    loss, slope = jax.value_and_grad(lambda x: -surrogate(x, advantage))(log_ratio)
    return -loss, -slope


def _gained(surrogate: AbstractSurrogate, log_ratio: Any, advantage: Any) -> tuple[Any, Any]:
    return _gain(surrogate, np.float32(log_ratio), np.float32(advantage))


_ADVANTAGE = st.one_of(floats(-10, -0.0625), floats(0.0625, 10))


@law(AbstractSurrogate, "shape", "a finite number of shape () with a finite slope, however far the policy has moved")
def _surrogate_shape(surrogate: AbstractSurrogate) -> None:
    def body(log_ratio: Any, advantage: Any) -> None:
        gain, slope = _gained(surrogate, log_ratio, advantage)
        ensure(gain.shape == () and np.isfinite(gain) and np.isfinite(slope), f"{gain}, with the slope {slope}")

    for_all(body, log_ratio=floats(-1000, 1000), advantage=_ADVANTAGE)


@law(AbstractSurrogate, "start", "where the policy has not moved, gain and slope are the advantage")
def _surrogate_start(surrogate: AbstractSurrogate) -> None:
    def body(advantage: Any) -> None:
        gain, slope = _gained(surrogate, 0.0, advantage)
        ensure(np.allclose([gain, slope], advantage, rtol=1e-5), f"the gain {gain} with the slope {slope}")

    for_all(body, advantage=_ADVANTAGE)


@law(AbstractSurrogate, "pessimistic", "the gain is never above ratio times advantage")
def _surrogate_pessimistic(surrogate: AbstractSurrogate) -> None:
    def body(log_ratio: Any, advantage: Any) -> None:
        gain, most = _gained(surrogate, log_ratio, advantage)[0], np.exp(np.float32(log_ratio)) * advantage
        ensure(gain <= most + 1e-4 * abs(most) + 1e-5, f"{gain}, where the ratio times the advantage is {most}")

    for_all(body, log_ratio=floats(-5, 5), advantage=_ADVANTAGE)


@law(AbstractSurrogate, "direction", "no slope makes good actions rarer, or bad ones more frequent")
def _surrogate_direction(surrogate: AbstractSurrogate) -> None:
    def body(log_ratio: Any, advantage: Any) -> None:
        slope = _gained(surrogate, log_ratio, advantage)[1]
        ensure(slope * np.sign(advantage) >= 0, f"the slope {slope}")

    for_all(body, log_ratio=floats(-100, 100), advantage=_ADVANTAGE)


@law(AbstractSurrogate, "way back", "where the policy has moved to its loss, however far, the slope leads back")
def _surrogate_way_back(surrogate: AbstractSurrogate) -> None:
    def body(distance: Any, advantage: Any) -> None:
        slope = _gained(surrogate, -np.sign(advantage) * distance, advantage)[1]
        ensure(slope * np.sign(advantage) > 0, f"the slope {slope}")

    for_all(body, distance=floats(0, 100), advantage=_ADVANTAGE)


def check_advantages(advantages: AbstractAdvantages, *, skip: Collection[str] = ()) -> None:
    """Holds a change of advantages against the laws of its slot: `LAWS[AbstractAdvantages]`.

    Arguments and errors as for `check_surrogate`.
    """
    hold(AbstractAdvantages, advantages, skip)


_ROWS = 8
_change = eqx.filter_jit(lambda advantages, x, c: advantages.of_minibatch(advantages.of_rollout(x, c), c))
_DRAWN = vectors(_ROWS, -100.0, 100.0)
_APART = st.permutations(range(_ROWS)).map(lambda numbers: np.array(numbers, np.float32) ** 2)
"""Advantages that are apart from each other, so that rounding is small beside their deviation."""


def _changed(advantages: AbstractAdvantages, x: Any, counts: Any = None) -> np.ndarray:
    """What becomes of a rollout that is one minibatch, all of whose rows count unless it is said otherwise."""
    counts = np.ones(len(x), bool) if counts is None else counts
    return np.asarray(_change(advantages, jnp.asarray(x, jnp.float32), jnp.asarray(counts)))


@law(AbstractAdvantages, "shape", "a finite number for every row, also where all advantages are equal")
def _advantages_shape(advantages: AbstractAdvantages) -> None:
    def body(x: Any) -> None:
        for drawn in (x, np.full_like(x, x[0])):
            made = _changed(advantages, drawn)
            ensure(made.shape == drawn.shape and np.isfinite(made).all(), f"{made} for {drawn}")

    for_all(body, x=_DRAWN)


@law(AbstractAdvantages, "counts", "rows that do not count keep an advantage of 0, and the others' are as without them")
def _advantages_counts(advantages: AbstractAdvantages) -> None:
    def body(x: Any) -> None:
        counts = np.arange(_ROWS) % 4 > 0
        made = _changed(advantages, np.where(counts, x, 0.0), counts)
        ensure((made[~counts] == 0).all(), f"{made}, of which {counts} count")
        alone = _changed(advantages, x[counts])
        ensure(
            np.allclose(made[counts], alone, rtol=1e-3, atol=1e-3), f"{made[counts]}, and {alone} without the others"
        )

    for_all(body, x=_APART)


@law(AbstractAdvantages, "order", "what becomes of a row moves with it when the rows are permuted")
def _advantages_order(advantages: AbstractAdvantages) -> None:
    def body(x: Any, order: list[int]) -> None:
        made, permuted = _changed(advantages, x)[np.array(order)], _changed(advantages, x[np.array(order)])
        ensure(np.allclose(made, permuted, rtol=1e-3, atol=1e-3), f"{made}, and permuted {permuted}")

    for_all(body, x=_APART, order=st.permutations(range(_ROWS)))


@law(AbstractAdvantages, "better", "a better action stays better, and by the more the better it was")
def _advantages_better(advantages: AbstractAdvantages) -> None:
    def body(x: Any) -> None:
        if np.ptp(x) < 1:
            return
        gaps, kept = np.subtract.outer(x, x).astype(float), _changed(advantages, x).astype(float)
        factor = np.ptp(kept) / np.ptp(x)
        ensure(factor > 0, f"{kept} for {x}")
        close = np.allclose(np.subtract.outer(kept, kept), factor * gaps, atol=1e-3 * np.ptp(kept))
        ensure(close, f"{kept} for {x}")

    for_all(body, x=_DRAWN)


@law(AbstractAdvantages, "size", "advantages of 1000 times the size become the same, or stay 1000 times the size")
def _advantages_size(advantages: AbstractAdvantages) -> None:
    def body(x: Any) -> None:
        if np.ptp(x) < 1:
            return
        one, large = _changed(advantages, x), _changed(advantages, 1000 * x)
        same = np.allclose(one, large, rtol=1e-2, atol=1e-2)
        ensure(same or np.allclose(1000 * one, large, rtol=1e-3), f"{one}, and {large} for 1000 times the advantages")

    for_all(body, x=_DRAWN)
