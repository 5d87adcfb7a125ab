"""Checkpoints of a batch, and arrays by path name on disk. No pickle anywhere."""

import json
import logging
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, final

import jax
import numpy as np

from reppo.errors import ConfigurationError, DamagedFile


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
        _sync(path.parent)  # the new name too
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from error


def _sync(path: Path) -> None:
    """Waits until a file or the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


class ArrayHeader(NamedTuple):
    """What is known of an array before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype


@final
class Checkpoints:
    """The checkpoints of a batch: the stacked training states of all its lanes, by Orbax, the last two kept.

    A checkpoint is a folder, written whole under another name and renamed, so that a kill leaves the ones before.
    Beside Orbax's files it holds what they are, with the length and CRC-32 of each: whatever is missing, truncated or
    changed later is noticed before anything of it is used.
    """

    def __init__(self, path: Path):
        """Opens the folder, which need not exist.

        Args:
            path: folder of the batch; a checkpoint is `<path>/<iteration>/`.
        """
        self.path = path

    def iterations(self) -> list[int]:
        """The iterations of which there is a checkpoint, ascending; whether they are whole is seen on reading."""
        return sorted(int(folder.name) for folder in self.path.glob("*") if folder.name.isdecimal())

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
        arrays, folder = arrays_by_path(states), self.folder(iteration)
        existing = next(place for place in [self.path, *self.path.parents] if place.exists())
        needed, free = also + sum(leaf.nbytes for leaf in arrays.values()), shutil.disk_usage(existing).free
        if free < needed:  # asked first, because Orbax on a full disk prints an error for every array
            room = f"it takes {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are left on the device"
            raise _cannot_write(folder, room)
        saving = self.path / ".saving"
        try:
            try:
                shutil.rmtree(saving, ignore_errors=True)
                saving.mkdir(parents=True)
                _orbax().save((saving / _STATES).absolute(), _with_elements(arrays))
                _describe(saving, arrays, about)
                shutil.rmtree(folder, ignore_errors=True)  # one that was not whole
                os.replace(saving, folder)
            finally:
                shutil.rmtree(saving, ignore_errors=True)
            _sync(self.path)
            found = self.iterations()
            before = [other for other in found if other < iteration]
            for other in found:
                if other != iteration and other != max(before, default=None):  # later ones were not whole
                    shutil.rmtree(self.folder(other))
        except (OSError, ValueError) as error:  # TensorStore's errors are ValueErrors
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise _cannot_write(folder, reason) from error

    def about(self, iteration: int) -> dict[str, Any]:
        """What `save` was told about a checkpoint; nothing else of it is read.

        Raises:
            DamagedFile: if it cannot be read.
        """
        return self._description(iteration)["about"]

    def check(self, iteration: int) -> None:
        """Reads every file of a checkpoint.

        Raises:
            DamagedFile: if one is missing or not as it was written.
        """
        for name, written in self._description(iteration)["files"].items():
            file = self.folder(iteration) / _STATES / name
            if _checksum(file) != written:
                raise DamagedFile(f"{str(file)!r} is missing or not as it was written.")

    def restore(self, iteration: int, like: Any) -> Any:
        """Reads a checkpoint into a tree of abstract arrays.

        Raises:
            DamagedFile: if it is not whole.
            ConfigurationError: if the checkpoint holds other arrays.
        """
        folder, description = self.folder(iteration), self._description(iteration)
        tree_from_paths(
            {n: ArrayHeader(tuple(s), np.dtype(d)) for n, (s, d) in description["arrays"].items()}, like, str(folder)
        )
        self.check(iteration)
        expected = arrays_by_path(like)
        restored = _orbax().restore((folder / _STATES).absolute(), _with_elements(expected))
        empty = {name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in expected.items() if not leaf.size}
        return tree_from_paths(restored | empty, like, str(folder))

    def _description(self, iteration: int) -> dict[str, Any]:
        file = self.folder(iteration) / _ABOUT
        try:
            checksum, _, text = file.read_bytes().partition(b"\n")
            if checksum == b"%08x" % zlib.crc32(text):
                return json.loads(text)
        except OSError as error:
            raise DamagedFile(f"{str(file)!r} cannot be read: {error.strerror}.") from error
        raise DamagedFile(f"{str(file)!r} is not as it was written.")

    def folder(self, iteration: int) -> Path:
        """Where a checkpoint is."""
        return self.path / str(iteration)


_STATES, _ABOUT = "states", "about.json"


def _describe(folder: Path, arrays: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Writes what a checkpoint holds, after all of it is on the disk: a line with the CRC-32 of the JSON below it."""
    files = {}
    for path in sorted(file for file in (folder / _STATES).rglob("*") if file.is_file()):
        files[str(path.relative_to(folder / _STATES))] = _checksum(path)
        _sync(path)
    shapes = {name: [list(leaf.shape), str(leaf.dtype)] for name, leaf in arrays.items()}
    text = json.dumps({"about": about, "arrays": shapes, "files": files}).encode()
    with open(folder / _ABOUT, "wb") as stream:
        stream.write(b"%08x\n%s" % (zlib.crc32(text), text))
        stream.flush()
        os.fsync(stream.fileno())


def _checksum(path: Path) -> list[int] | None:
    """Length and CRC-32 of a file; None if there is none."""
    length = checksum = 0
    try:
        with open(path, "rb") as stream:
            while block := stream.read(1 << 22):
                length, checksum = length + len(block), zlib.crc32(block, checksum)
    except OSError:
        return None
    return [length, checksum]


def _with_elements(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Without arrays of no elements, which Orbax refuses to save."""
    return {name: leaf for name, leaf in arrays.items() if leaf.size}


def _orbax() -> Any:
    import orbax.checkpoint

    logging.getLogger("absl").setLevel(logging.ERROR)
    return orbax.checkpoint.Checkpointer(orbax.checkpoint.StandardCheckpointHandler())
