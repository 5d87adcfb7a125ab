"""Checkpoints of a batch, and arrays by path name on disk. No pickle anywhere."""

import contextlib
import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reppo.errors import ConfigurationError


def arrays_by_path(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their path names, such as `algorithm/learner/actor/mlp/linears/0/weight`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def tree_from_paths(arrays: dict[str, Any], like: Any, origin: str) -> Any:
    """Puts arrays back into a tree of abstract ones.

    Args:
        arrays: by path name, as `arrays_by_path` gave them.
        like: a tree whose leaves have the shapes and dtypes that are expected.
        origin: where the arrays come from, for the error.

    Raises:
        ConfigurationError: if names, shapes or dtypes differ.
    """
    expected = arrays_by_path(like)
    problems = [f"{name} is missing" for name in expected if name not in arrays]
    problems += [f"{name} is not expected" for name in arrays if name not in expected]
    problems += [
        f"{name} is {arrays[name].dtype}{list(arrays[name].shape)}, not {leaf.dtype}{list(leaf.shape)}"
        for name, leaf in expected.items()
        if name in arrays and (arrays[name].shape != leaf.shape or arrays[name].dtype != leaf.dtype)
    ]
    if problems:
        shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        raise ConfigurationError(
            f"The arrays in {origin} were written by another version or spec: {shown}. Remove them to start again."
        )
    return jax.tree.unflatten(jax.tree.structure(like), [arrays[name] for name in expected])


def save_arrays(path: Path, tree: Any) -> None:
    """Writes the arrays of a tree to one `.npz` file, by path name, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    arrays: dict[str, Any] = {name: np.asarray(leaf) for name, leaf in arrays_by_path(tree).items()}
    np.savez(temporary, **arrays)
    temporary.replace(path)


def load_arrays(path: Path, like: Any) -> Any:
    """Reads what `save_arrays` wrote into a tree like the given one (see `tree_from_paths`)."""
    with np.load(path, allow_pickle=False) as file:
        return tree_from_paths(dict(file), like, str(path))


class Checkpoints:
    """The checkpoints of a batch: the stacked training states of all its lanes, the last two kept, by Orbax.

    Orbax writes each one whole under a temporary name and renames it, so that a kill leaves the one before.
    """

    def __init__(self, path: Path):
        """Opens or creates the folder.

        Args:
            path: folder of the batch; a checkpoint is `<path>/<iteration>/`.
        """
        import orbax.checkpoint as ocp

        logging.getLogger("absl").setLevel(logging.ERROR)
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._ocp = ocp
        self._manager = ocp.CheckpointManager(
            path.absolute(),
            options=ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False),
            item_handlers=ocp.StandardCheckpointHandler(),
        )

    def latest(self) -> int | None:
        """Iteration of the newest checkpoint; None if there is none."""
        return self._manager.latest_step()

    def save(self, iteration: int, states: Any) -> None:
        """Writes a checkpoint and waits for it.

        Raises:
            ConfigurationError: if it cannot be written, say because the disk is full; the checkpoint before stays.
        """
        arrays = _with_elements(states)
        needed, free = sum(leaf.nbytes for leaf in arrays.values()), shutil.disk_usage(self._path).free
        if free < needed:  # asked first, because Orbax on a full disk prints an error for every array
            raise self._cannot_write(f"it takes {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are left on the device")
        try:
            self._manager.save(iteration, args=self._ocp.args.StandardSave(arrays))
            self._manager.wait_until_finished()
        except (OSError, ValueError) as error:  # TensorStore's errors are ValueErrors
            full = "No space left on device" in str(error)
            raise self._cannot_write(
                "no space is left on the device" if full else str(error).partition("\n")[0]
            ) from None

    def _cannot_write(self, reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"Cannot write a checkpoint to {str(self._path)!r}: {reason}. Make room, or see that the folder may be "
            "written; the same command then continues from the checkpoint before."
        )

    def restore(self, iteration: int, like: Any) -> Any:
        """Reads a checkpoint into a tree of abstract arrays.

        Raises:
            ConfigurationError: if the checkpoint holds other arrays.
        """
        expected = arrays_by_path(like)
        empty = {name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in expected.items() if not leaf.size}
        found: Any = self._manager.item_metadata(iteration)
        tree_from_paths(dict(found) | empty, like, str(self._path))
        restored: Any = self._manager.restore(iteration, args=self._ocp.args.StandardRestore(_with_elements(like)))
        return tree_from_paths(restored | empty, like, str(self._path))

    def close(self) -> None:
        """Releases Orbax's threads."""
        with contextlib.suppress(Exception):
            self._manager.close()


def _with_elements(tree: Any) -> dict[str, Any]:
    """The leaves by path name, without arrays of no elements, which Orbax refuses to save."""
    return {name: leaf for name, leaf in arrays_by_path(tree).items() if leaf.size}
