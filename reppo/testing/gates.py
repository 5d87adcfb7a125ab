"""Laws of gates."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.losses import (
    AbstractGate,
)
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, vectors


def check_gate(gate: AbstractGate, *, skip: Collection[str] = ()) -> None:
    """Holds a gate against the laws of its slot: `LAWS[AbstractGate]`.

    Arguments and errors as for `check_objective`.
    """
    hold(AbstractGate, gate, skip)


_gate = eqx.filter_jit(lambda gate, kl, bound: gate(kl, bound))
_ROWS = 5
_BOUND = floats(0.0625, 1)
_KLS = vectors(_ROWS, 0.0, 2.0)


def _mask(gate: AbstractGate, kl: Any, bound: Any) -> np.ndarray:
    return np.asarray(_gate(gate, jnp.asarray(kl, jnp.float32), jnp.float32(bound)))


@law(AbstractGate, "shape", "one boolean for every state of the minibatch")
def _gate_shape(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any) -> None:
        mask = _mask(gate, kl, bound)
        ensure(mask.shape == kl.shape and mask.dtype == bool, f"{mask.dtype} of shape {mask.shape}")

    for_all(body, kl=_KLS, bound=_BOUND)


@law(AbstractGate, "open", "where no state has moved at all, every state is within the bound; so it is without a bound")
def _gate_open(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any) -> None:
        mask = _mask(gate, jnp.zeros(_ROWS), bound)
        ensure(mask.all(), f"{mask} for kl = 0")
        mask = _mask(gate, kl, np.inf)
        ensure(mask.all(), f"{mask} for an infinite bound")

    for_all(body, kl=_KLS, bound=_BOUND)


@law(AbstractGate, "closed", "where every state is beyond the bound, none is within it")
def _gate_closed(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any) -> None:
        mask = _mask(gate, bound + 0.01 + kl, bound)
        ensure(not mask.any(), f"{mask} for kl = {bound + 0.01 + kl}")

    for_all(body, kl=_KLS, bound=_BOUND)


@law(AbstractGate, "order", "the verdicts move with their states when the minibatch is permuted")
def _gate_order(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any, order: list[int]) -> None:
        mask, permuted = _mask(gate, kl, bound), _mask(gate, kl[np.array(order)], bound)
        ensure(np.array_equal(mask[np.array(order)], permuted), f"{mask}, and permuted {permuted}")

    # Few bits in each number, so that a mean does not depend on the order of its terms.
    kls = st.lists(st.integers(0, 16).map(lambda n: n / 8), min_size=_ROWS, max_size=_ROWS)
    for_all(body, kl=kls.map(lambda kl: np.array(kl, np.float32)), bound=_BOUND, order=st.permutations(range(_ROWS)))


@law(AbstractGate, "monotone", "a higher bound closes no state")
def _gate_monotone(gate: AbstractGate) -> None:
    def body(kl: Any, bound: Any, more: Any) -> None:
        tight, wide = _mask(gate, kl, bound), _mask(gate, kl, bound + more)
        ensure((tight <= wide).all(), f"{tight} at the bound {bound}, {wide} at {bound + more}")

    for_all(body, kl=_KLS, bound=_BOUND, more=_BOUND)
