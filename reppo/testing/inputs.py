"""Laws of what a network is given: trunks, which take observations, and places of the action in a critic."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.networks import AbstractActionPlace, AbstractTrunk, LecunNormal, RMSNorm, Swish
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import observations, seeds, vectors

_SHAPES = {"board": jax.ShapeDtypeStruct((4, 3, 2), jnp.int32), "position": jax.ShapeDtypeStruct((3,), jnp.float32)}


def check_trunk(trunk: AbstractTrunk, *, skip: Collection[str] = ()) -> None:
    """Holds what takes observations against the laws of its slot: `LAWS[AbstractTrunk]`.

    Args:
        trunk: the component; it is given an image of 4 x 3 pixels with 2 channels, and a vector.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractTrunk, trunk, skip)


def check_action_place(place: AbstractActionPlace, *, skip: Collection[str] = ()) -> None:
    """Holds a place of the action against the laws of its slot: `LAWS[AbstractActionPlace]`.

    Arguments and errors as for `check_trunk`.
    """
    hold(AbstractActionPlace, place, skip)


@eqx.filter_jit
def _features(trunk: AbstractTrunk, observation: Any, seed: Any) -> Any:
    made: Any = trunk.build(jax.random.key(seed), _SHAPES, RMSNorm(), Swish(), LecunNormal())
    return made(observation)


@law(AbstractTrunk, "shape", "as many finite float32 numbers as its size says, whatever is observed")
def _trunk_shape(trunk: AbstractTrunk) -> None:
    size = trunk.size(_SHAPES)

    def body(observation: Any, seed: Any) -> None:
        made = np.asarray(_features(trunk, observation, seed))
        ensure(made.shape == (size,), f"a shape of {made.shape} where its size is {size}")
        ensure(made.dtype == np.float32 and np.isfinite(made).all(), f"{made.dtype} {made}")

    for_all(body, 10, observation=observations(_SHAPES, -100, 100), seed=seeds())


@law(AbstractTrunk, "key", "weights, where there are any, depend on the key, and on nothing else")
def _trunk_key(trunk: AbstractTrunk) -> None:
    def weights(seed: int) -> list[np.ndarray]:
        made = trunk.build(jax.random.key(seed), _SHAPES, RMSNorm(), Swish(), LecunNormal())
        return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(made, eqx.is_array))]

    one, again, other = weights(0), weights(0), weights(1)
    ensure(all(map(np.array_equal, one, again)), "two weights from one key")
    ensure(not one or not all(map(np.array_equal, one, other)), "one weight from two keys")


@law(AbstractTrunk, "observation", "what comes out depends on every part of the observation")
def _trunk_observation(trunk: AbstractTrunk) -> None:
    seen = {"board": np.arange(24, dtype=np.int32).reshape(4, 3, 2), "position": np.array([0.3, -1, 2], np.float32)}
    before = np.asarray(_features(trunk, seen, np.uint32(0)))
    for part in seen:
        after = _features(trunk, seen | {part: seen[part][::-1].copy()}, np.uint32(0))
        ensure(not np.allclose(before, after), f"the same for another {part!r}")


@eqx.filter_jit
def _placed(place: AbstractActionPlace, features: Any, outputs: Any, action: Any) -> tuple[Any, Any]:
    return place.enter(features, action), place.leave(jnp.resize(outputs, (5 * place.copies(action.size),)), action)


_NUMBERS = {"features": vectors(4), "outputs": vectors(15), "chosen": seeds()}


@law(AbstractActionPlace, "shape", "features and `input_size` numbers enter, one of `copies` parts leaves")
def _place_shape(place: AbstractActionPlace) -> None:
    def body(features: Any, outputs: Any, chosen: Any) -> None:
        entered, left = _placed(place, features, outputs, np.eye(3, dtype=np.float32)[chosen % 3])
        ensure(entered.shape == (4 + place.input_size(3),), f"{entered.shape} enters")
        ensure(left.shape == (5,), f"of 5 outputs for an action {left.shape} leaves")

    for_all(body, 5, **_NUMBERS)


@law(AbstractActionPlace, "action", "another action makes another difference to what enters or leaves")
def _place_action(place: AbstractActionPlace) -> None:
    features, outputs = np.ones(4, np.float32), np.arange(15, dtype=np.float32)
    made = [_placed(place, features, outputs, action) for action in np.eye(3, dtype=np.float32)]
    for one, other in ((0, 1), (1, 2), (2, 0)):
        same = all(np.allclose(a, b) for a, b in zip(made[one], made[other], strict=True))
        ensure(not same, f"{made[one]} for the actions {one} and {other}")
