"""Random keys with a name each.

Every consumer of randomness gets its own key, derived by name and never by position: a component that draws more
samples, or is removed, shifts nobody else's stream. This is what makes runs of different arms comparable pairwise.
"""

import zlib

import jax
from jaxtyping import Array, Int, Key

__all__ = ["subkey"]


def subkey(key: Key[Array, ""], *purposes: str | int | Int[Array, ""]) -> Key[Array, ""]:
    """Derives the key for a purpose.

    Args:
        key: the parent key. It may be used for any number of *different* purposes.
        purposes: names or step numbers, applied in turn: `subkey(key, "rollout", iteration)`.

    Returns:
        A key that depends on `key` and `purposes` alone.
    """
    for purpose in purposes:
        key = jax.random.fold_in(key, zlib.crc32(purpose.encode()) if isinstance(purpose, str) else purpose)
    return key
