"""Arrays on disk and their path names: how every stage writes them, reads them, and compares them with what it expects.

No pickle anywhere.
"""

import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from reppo.errors import ConfigurationError, DamagedFile

__all__ = ["ArrayHeader", "arrays_by_path", "load_arrays", "read_headers", "save_arrays", "tree_from_paths"]


class ArrayHeader(NamedTuple):
    """What is known of an array before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype


def arrays_by_path(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their path names, such as `algorithm/learner/actor/mlp/linears/0/weight`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def changed_forms(before: Any, after: Any) -> list[tuple[str, str, str]]:
    """The leaves of a tree that have another dtype or shape in another tree: path, form before, form after."""
    form = lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if hasattr(leaf, "dtype") else repr(leaf)
    trees = arrays_by_path(before), arrays_by_path(after)
    forms = (
        (path, *(form(tree[path]) if path in tree else "nothing" for tree in trees))
        for path in {**trees[0], **trees[1]}
    )
    return [(path, old, new) for path, old, new in forms if old != new]


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
    """Writes the arrays of a tree to one `.npz` file, by path name; after a kill it is the old file or the new one.

    It is on the disk when this returns, and each array has a CRC-32, which is checked when it is read.

    Raises:
        ConfigurationError: if it cannot be written, say because the disk is full; the old file stays.
    """
    arrays: dict[str, Any] = {name: np.asarray(leaf) for name, leaf in arrays_by_path(tree).items()}
    temporary = path.with_name(".saving.tmp")  # the same for all files of a folder: what a kill leaves is overwritten
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as stream:
                np.savez(stream, allow_pickle=False, **arrays)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)  # the new name too
    except OSError as error:
        raise cannot_write(path, error.strerror or str(error)) from error


def sync(path: Path) -> None:
    """Waits until a file or the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, reason: str) -> ConfigurationError:
    """The error where something that a run must keep cannot be written."""
    return ConfigurationError(
        f"Cannot write {str(path)!r}: {reason}. Make room, or see that the folder may be written; the same command "
        "then continues from the last checkpoint."
    )


def load_arrays(path: Path, like: Any) -> Any:
    """Reads what `save_arrays` wrote into a tree like the given one (see `tree_from_paths`).

    Raises:
        DamagedFile: if the file is missing, truncated, or differs from what was written.
        ConfigurationError: if names, shapes or dtypes differ.
    """
    return tree_from_paths(_typed(_read(path), like), like, str(path))


def read_headers(path: Path) -> dict[str, ArrayHeader]:
    """Shape and dtype of each array of an `.npz` file, from the headers alone."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as stream:
                shape, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
            found[name.removesuffix(".npy")] = ArrayHeader(shape, dtype)
    return found


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # a damaged archive raises errors of many kinds
        raise DamagedFile(f"{str(path)!r} cannot be read: {str(error) or type(error).__name__}.") from error


def _typed(arrays: dict[str, np.ndarray], like: Any) -> dict[str, np.ndarray]:
    """Arrays with their dtypes back where the format knows only their sizes, as for bfloat16."""
    dtypes = {name: leaf.dtype for name, leaf in arrays_by_path(like).items()}
    return {
        name: array.view(dtypes[name])
        if array.dtype.kind == "V" and name in dtypes and dtypes[name].itemsize == array.dtype.itemsize
        else array
        for name, array in arrays.items()
    }
