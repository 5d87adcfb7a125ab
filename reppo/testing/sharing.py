"""Laws of what policy and value share."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.algorithms import AbstractSharing
from reppo.networks import Actor, Critic, NoNorm
from reppo.testing.laws import ensure, hold, law

_SHAPES = jax.ShapeDtypeStruct((3,), jnp.float32)


def check_sharing(sharing: AbstractSharing, *, skip: Collection[str] = ()) -> None:
    """Holds what policy and value share against the laws of its slot: `LAWS[AbstractSharing]`.

    Args:
        sharing: the component; it is given an actor and a critic of two hidden layers of 8 units.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which.
    """
    hold(AbstractSharing, sharing, skip)


def _networks() -> tuple[Any, Any]:
    actor = Actor(8, 2, norm=NoNorm()).build(jax.random.key(0), _SHAPES, 2)
    critic = Critic(8, encoder_depth=1, head_depth=0, norm=NoNorm()).build(jax.random.key(1), _SHAPES, 0, 1, 0)
    return actor, critic


def _arrays(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def _same(a: Any, b: Any) -> bool:
    one, other = _arrays(a), _arrays(b)
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@law(AbstractSharing, "whole", "a critic that is tied has all of its layers, in their shapes")
def _whole(sharing: AbstractSharing) -> None:
    actor, critic = _networks()
    made, wanted = ([leaf.shape for leaf in _arrays(one)] for one in (sharing.tie(actor, sharing.own(critic)), critic))
    ensure(made == wanted, f"arrays of the shapes {made}, where the critic has {wanted}")


@law(AbstractSharing, "again", "to tie a critic that is tied changes nothing")
def _again(sharing: AbstractSharing) -> None:
    actor, critic = _networks()
    tied = sharing.tie(actor, sharing.own(critic))
    ensure(_same(tied, sharing.tie(actor, sharing.own(tied))), "another critic when it is tied again")


@law(AbstractSharing, "own", "what a critic has of its own it keeps, and that is at least its last layer")
def _own(sharing: AbstractSharing) -> None:
    actor, critic = _networks()
    tied = sharing.tie(actor, sharing.own(critic))
    ensure(_same(sharing.own(tied), sharing.own(critic)), "another part of its own after it was tied")
    ensure(_same(tied.value_head, critic.value_head), "another last layer than the critic's")


@law(AbstractSharing, "jointly", "only networks that one step moves share anything, and the weight of the value counts")
def _jointly(sharing: AbstractSharing) -> None:
    actor, critic = _networks()
    apart = _same(sharing.tie(actor, sharing.own(critic)), critic)
    ensure(apart or sharing.jointly, "layers of the actor in a critic that has a step of its own")
    ensure(np.shape(sharing.value_weight) == () and sharing.value_weight > 0, f"the weight {sharing.value_weight}")
