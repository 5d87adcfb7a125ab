"""What of Playground's physics is particular: trees compared by identity, the workspace, contacts without room."""

from collections.abc import Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from reppo.environments.contract import State


@final
class Structure:
    """The structure of a tree, with the shapes and dtypes of its leaves, compared by identity.

    Those of Warp's models hold arrays, and a compiled program would compare them at every call.
    """

    def __init__(self, tree: PyTree) -> None:
        leaves, self._structure = jax.tree.flatten(tree)
        self.leaves = tuple(jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)

    def tree(self, leaves: Sequence[Any]) -> Any:
        """The tree with these leaves."""
        return jax.tree.unflatten(self._structure, leaves)

    def zeros(self) -> Any:
        """The tree with zeros in place of all leaves."""
        return self.tree([jnp.zeros(leaf.shape, leaf.dtype) for leaf in self.leaves])


def without_workspace(state: State) -> State:
    """The state without the workspace of the physics."""
    return state.replace(data=state.data.replace(_impl=None))


def overflow_of(workspace: Any) -> Bool[Array, ""] | None:
    """Whether Warp had no room for all contacts or constraints of its last substep; `None` for the JAX backend.

    Warp counts those that it leaves out too.
    """
    if not hasattr(workspace, "nacon"):
        return None
    contacts = jnp.maximum(workspace.nacon[0], workspace.ncollision[0]) > workspace.naconmax
    return contacts | (workspace.nefc.reshape(()) > workspace.njmax)


def first_of_batch(model: PyTree, axes: PyTree) -> PyTree:
    """Takes the only entry of a batch of models; `axes` holds 0 where a leaf is batched and None elsewhere."""
    return jax.tree.map(
        lambda axis, leaf: leaf if axis is None else jnp.take(leaf, 0, axis=axis),
        axes,
        model,
        is_leaf=lambda axis: axis is None,
    )
