"""Laws of what a policy draws from while it collects."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.algorithms import AbstractExploration
from reppo.distributions import TanhNormal
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import seeds, vectors

_DRAWS = 4096


def check_exploration(exploration: AbstractExploration, *, skip: Collection[str] = ()) -> None:
    """Holds an exploration against the laws of its slot: `LAWS[AbstractExploration]`.

    Args:
        exploration: the component; it is given squashed normals of two actions.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractExploration, exploration, skip)


@eqx.filter_jit
def _drawn(exploration: AbstractExploration, loc: Any, scale: Any, seed: Any) -> Any:
    """Draws of one episode, their weights, None for all, and draws of the policy itself at the same keys."""
    distribution, memory = TanhNormal(loc, jnp.exp(scale)), exploration.start(jax.random.key(seed))
    keys = jax.random.split(jax.random.key(seed + 1), _DRAWS)
    draws, weights = jax.vmap(lambda key: exploration.draw(distribution, memory, key))(keys)
    return draws, weights, jax.vmap(distribution.draw)(keys)


_INPUTS = {"loc": vectors(2, -2, 2), "scale": vectors(2, -2, 1), "seed": seeds()}


@law(AbstractExploration, "weights", "draws are finite, and their weights are in (0, 1]")
def _weights(exploration: AbstractExploration) -> None:
    def body(**inputs: Any) -> None:
        draws, weights, _ = _drawn(exploration, **inputs)
        ensure(np.all(np.isfinite(draws)), f"a draw of {np.asarray(draws)[~np.isfinite(draws)][:1]}")
        if weights is not None:
            wrong = ~((np.asarray(weights) > 0) & (np.asarray(weights) <= 1))
            ensure(not wrong.any(), f"a weight of {np.asarray(weights)[wrong][:1]}")

    for_all(body, **_INPUTS)


@law(AbstractExploration, "own", "where nothing is weighed, the draws are the policy's")
def _own(exploration: AbstractExploration) -> None:
    def body(**inputs: Any) -> None:
        draws, weights, own = _drawn(exploration, **inputs)
        ensure(weights is not None or np.array_equal(draws, own), "draws without weights that the policy does not make")

    for_all(body, **_INPUTS)


@law(AbstractExploration, "around", "the draws lie around the policy's mean, and are no closer to it than the policy's")
def _around(exploration: AbstractExploration) -> None:
    def body(**inputs: Any) -> None:
        draws, _, own = map(np.asarray, _drawn(exploration, **inputs))
        off = (draws.mean(axis=0) - inputs["loc"]) / draws.std(axis=0)
        ensure(np.all(np.abs(off) < 6 / np.sqrt(_DRAWS)), f"a mean of the draws {off} of their spread off the policy's")
        spread = draws.std(axis=0) / own.std(axis=0)
        ensure(np.all(spread > 0.9), f"a spread of {spread} times the policy's")

    for_all(body, **_INPUTS)
