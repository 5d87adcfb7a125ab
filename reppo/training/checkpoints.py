"""Checkpoints of a batch."""

import contextlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from reppo.arrays import ArrayHeader, arrays_by_path, cannot_write, sync, tree_from_paths
from reppo.errors import DamagedFile


@final
class Checkpoints:
    """The checkpoints of a batch: the stacked training states of all its lanes, by Orbax, the last two kept.

    Orbax compresses them (Zstandard, its default). Most of them are networks and the moments of their optimizers, whose
    floats hardly go down: by 7%, measured on `reppo_small` and Pendulum-v1.

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
            iteration: iterations done, at least 0.
            states: the states; every leaf an array.
            about: what the states are, as JSON data, for `about`.
            also: bytes that shall be written right after it, for which there must be room too, at least 0.

        Raises:
            ConfigurationError: if it cannot be written, say because the disk is full; the checkpoint before stays.
        """
        arrays, folder = arrays_by_path(states), self.folder(iteration)
        existing = next(place for place in [self.path, *self.path.parents] if place.exists())
        needed, free = also + sum(leaf.nbytes for leaf in arrays.values()), shutil.disk_usage(existing).free
        if free < needed:  # asked first, because Orbax on a full disk prints an error for every array
            room = f"it takes {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are left on the device"
            raise cannot_write(folder, room)
        saving = self.path / ".saving"
        try:
            try:
                shutil.rmtree(saving, ignore_errors=True)
                saving.mkdir(parents=True)
                if elements := _with_elements(arrays):
                    _orbax().save((saving / _STATES).absolute(), elements)
                _describe(saving, arrays, about)
                shutil.rmtree(folder, ignore_errors=True)  # one that was not whole
                os.replace(saving, folder)
            finally:
                shutil.rmtree(saving, ignore_errors=True)
            sync(self.path)
            found = self.iterations()
            before = [other for other in found if other < iteration]
            for other in found:
                if other != iteration and other != max(before, default=None):  # later ones were not whole
                    shutil.rmtree(self.folder(other))
        except (OSError, ValueError) as error:  # TensorStore's errors are ValueErrors
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise cannot_write(folder, reason) from error

    def keep_only(self, iteration: int) -> None:
        """Removes all checkpoints before one, once every file of it was read; none if it is not whole.

        Args:
            iteration: of the checkpoint, at least 0; nothing goes on from it unless more steps are asked for.
        """
        with contextlib.suppress(DamagedFile):
            self.check(iteration)
            for other in self.iterations():
                if other < iteration:
                    shutil.rmtree(self.folder(other), ignore_errors=True)

    def about(self, iteration: int) -> dict[str, Any]:
        """What `save` was told about a checkpoint; nothing else of it is read.

        Args:
            iteration: one of those at which `save` was called, at least 0.

        Raises:
            DamagedFile: if it cannot be read.
        """
        return self._description(iteration)["about"]

    def check(self, iteration: int) -> None:
        """Reads every file of a checkpoint.

        Args:
            iteration: one of those at which `save` was called, at least 0.

        Raises:
            DamagedFile: if one is missing or not as it was written.
        """
        for name, written in self._description(iteration)["files"].items():
            file = self.folder(iteration) / _STATES / name
            if _checksum(file) != written:
                raise DamagedFile(f"{str(file)!r} is missing or not as it was written.")

    def restore(self, iteration: int, like: Any) -> Any:
        """Reads a checkpoint into a tree of abstract arrays.

        Args:
            iteration: one of those at which `save` was called, at least 0.
            like: a tree of abstract arrays.

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
        elements = _with_elements(expected)
        restored = _orbax().restore((folder / _STATES).absolute(), elements) if elements else {}
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
        """Where a checkpoint is.

        Args:
            iteration: one of those at which `save` was called, at least 0.
        """
        return self.path / str(iteration)


_STATES, _ABOUT = "states", "about.json"


def _describe(folder: Path, arrays: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Writes what a checkpoint holds, after all of it is on the disk: a line with the CRC-32 of the JSON below it."""
    files = {}
    for path in sorted(file for file in (folder / _STATES).rglob("*") if file.is_file()):
        files[str(path.relative_to(folder / _STATES))] = _checksum(path)
        sync(path)
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
    """Without arrays of no elements, which Orbax refuses to save; it refuses to save nothing, too."""
    return {name: leaf for name, leaf in arrays.items() if leaf.size}


def _orbax() -> Any:
    import orbax.checkpoint

    logging.getLogger("absl").setLevel(logging.ERROR)
    return orbax.checkpoint.Checkpointer(orbax.checkpoint.StandardCheckpointHandler())
