"""Which quantity of an iteration was the first that is not finite."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from reppo.algorithms import AbstractAlgorithm, AlgorithmState
from reppo.rollout import Trajectory
from reppo.summary import Summary

_FIELDS = ("observation", "extras", "action", "reward", "final_observation")
_LONGEST = 2**20


def suspects(algorithm: AbstractAlgorithm, state: AlgorithmState, metrics: Iterable[str]) -> tuple[str, ...]:
    """What may be the first that is not finite, each before what it spoils.

    The rollout, the metrics of the update (see `AbstractAlgorithm.causes`), then the arrays of the new state, such as
    `state/learner/critic/...`: those of the optimizer may break before any metric shows it.
    """
    state_names = [f"state/{name}" for name, _ in _inexact(state.without_data())]
    return (*(f"rollout/{name}" for name in _FIELDS), *_ordered(algorithm, metrics), *state_names)


def first_fault(
    algorithm: AbstractAlgorithm, state: AlgorithmState, metrics: Mapping[str, Summary], trajectory: Trajectory
) -> Int[Array, ""]:
    """The place in `suspects` of the first quantity that is not finite; any place if all are finite.

    Within a part of the update (the text before the slash) what broke in an earlier minibatch comes first.

    Args:
        algorithm: the algorithm.
        state: its state after the update.
        metrics: the metrics of the update.
        trajectory: what the update learned from.
    """
    names = _ordered(algorithm, metrics)
    parts = list(dict.fromkeys(map(_part, names)))
    leaves = [leaf for _, leaf in _inexact(state.without_data())]
    flags = lambda trees: ~jnp.array([all_finite(tree) for tree in trees], bool)
    moments = jnp.array([metrics[name].broken for name in names])
    broken = [flags([getattr(trajectory, name) for name in _FIELDS]), jnp.isfinite(moments), flags(leaves)]
    ranks = [0] * len(_FIELDS), [1 + parts.index(_part(name)) for name in names], [1 + len(parts)] * len(leaves)
    when = [jnp.zeros(len(_FIELDS)), jnp.minimum(moments, _LONGEST - 1), jnp.zeros(len(leaves))]
    keys = _LONGEST * jnp.array([*itertools.chain(*ranks)]) + jnp.concatenate(when).astype(jnp.int32)
    never = jnp.iinfo(jnp.int32).max
    return jnp.argmin(jnp.where(jnp.concatenate(broken), keys, never)).astype(jnp.int32)


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every number of a tree is finite."""
    leaves = [leaf for _, leaf in _inexact(tree)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])) if leaves else jnp.array(True)


def _ordered(algorithm: AbstractAlgorithm, metrics: Iterable[str]) -> list[str]:
    causes = algorithm.causes()
    parts = list(dict.fromkeys(map(_part, causes)))
    place = lambda known, name: known.index(name) if name in known else len(known)
    return sorted(metrics, key=lambda name: (place(parts, _part(name)), _part(name), place(causes, name), name))


def _part(name: str) -> str:
    return name.partition("/")[0]


def _inexact(tree: PyTree) -> list[tuple[str, Any]]:
    """Names and leaves of a tree that may hold what is not finite."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [
        (jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
        for path, leaf in leaves
        if eqx.is_inexact_array(leaf)
    ]
