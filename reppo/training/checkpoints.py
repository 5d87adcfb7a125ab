"""Checkpoints of a batch, and arrays by path name on disk. No pickle anywhere."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import jax
import numpy as np

from reppo.errors import ConfigurationError, DamagedFile

_DESCRIPTION = "description"


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
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name too
        finally:
            os.close(folder)
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from error


def _cannot_write(path: Path, reason: str) -> ConfigurationError:
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


def _read(path: Path, names: list[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file, or some of them."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in (file.files if names is None else names)}
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


def _decode(text: np.ndarray) -> dict[str, Any]:
    return json.loads(text.tobytes())


@final
class Checkpoints:
    """The checkpoints of a batch: the stacked training states of all its lanes, a file each, the last two kept.

    A checkpoint is written whole under another name and renamed, so that a kill leaves the ones before; whatever is
    truncated or changed in it later is noticed by its checksums.
    """

    def __init__(self, path: Path):
        """Opens the folder, which need not exist.

        Args:
            path: folder of the batch; a checkpoint is `<path>/<iteration>.npz`.
        """
        self.path = path

    def iterations(self) -> list[int]:
        """The iterations of which there is a checkpoint, ascending; whether they are whole is seen on reading."""
        return sorted(int(file.stem) for file in self.path.glob("*.npz") if file.stem.isdecimal())

    def save(self, iteration: int, states: Any, about: Mapping[str, Any], also: int = 0) -> None:
        """Writes a checkpoint, and removes all but it and the one before.

        Args:
            iteration: iterations done.
            states: the states; every leaf an array.
            about: what the states are, as JSON data, for `about`.
            also: bytes that shall be written right after it, for which there must be room too.

        Raises:
            ConfigurationError: if it cannot be written, say because the disk is full; the checkpoint before stays.
        """
        existing = next(folder for folder in [self.path, *self.path.parents] if folder.exists())
        needed = also + sum(leaf.nbytes for leaf in arrays_by_path(states).values())
        free = shutil.disk_usage(existing).free
        if free < needed:
            room = f"it takes {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are left on the device"
            raise _cannot_write(self._file(iteration), room)
        description = {"about": about, "arrays": sorted(arrays_by_path(states))}
        text = np.frombuffer(json.dumps(description).encode(), np.uint8)
        save_arrays(self._file(iteration), {_DESCRIPTION: text, "states": states})
        found = self.iterations()
        before = [other for other in found if other < iteration]
        for other in found:
            if other != iteration and other != max(before, default=None):  # later ones were not whole
                self._file(other).unlink()

    def about(self, iteration: int) -> dict[str, Any]:
        """What `save` was told about a checkpoint. Of the file only this is read.

        Raises:
            DamagedFile: if it cannot be read.
        """
        return _decode(_read(self._file(iteration), [_DESCRIPTION])[_DESCRIPTION])["about"]

    def restore(self, iteration: int, like: Any) -> Any:
        """Reads a checkpoint into a tree of abstract arrays.

        Raises:
            DamagedFile: if it is not whole.
            ConfigurationError: if the checkpoint holds other arrays.
        """
        file = self._file(iteration)
        found = _read(file)
        names = _decode(found.pop(_DESCRIPTION))["arrays"] if _DESCRIPTION in found else None
        arrays = {name.removeprefix("states/"): array for name, array in found.items()}
        if sorted(arrays) != names:
            raise DamagedFile(f"{str(file)!r} cannot be read: it lacks some of the arrays that were written.")
        return tree_from_paths(_typed(arrays, like), like, str(file))

    def _file(self, iteration: int) -> Path:
        return self.path / f"{iteration}.npz"
