"""A disk on which a process can be killed, or that can be full, at any operation of choice."""

import builtins
import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WRITES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
_active: "Disk | None" = None


class Killed(BaseException):
    """What stands for SIGKILL: nothing that comes after it changes the disk."""


class Disk:
    """Counts the operations that change a folder, and fails at one of them.

    Attributes:
        operations: a word for each operation so far.
    """

    def __init__(self, root: Path, at: int | None = None, full: bool = False):
        self.root = str(root)
        self.at = at
        self.full = full
        self.operations: list[str] = []
        self.dead = False

    def count(self, kind: str, path: Any) -> None:
        """Notes an operation; raises instead if it is the one, or comes after it."""
        if not str(path).startswith(self.root) or "/.saving/states" in str(path):
            return  # what Orbax writes, partly in threads of its own, counts for nothing before it is renamed
        self.operations.append(f"{kind} {Path(str(path)).name}")
        if self.full and kind in ("os.remove", "os.rmdir", "os.rename", "os.truncate", "fsync"):
            return  # these need no room
        if self.dead or len(self.operations) - 1 == self.at:
            self.dead = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) if self.full else Killed


class _File(io.FileIO):
    def write(self, data: Any) -> int:
        disk = _active
        if disk is None:
            return super().write(data)
        if disk.dead and not disk.full:
            return len(data)  # a dead process writes nothing, and says nothing
        try:
            disk.count("write", self.name)
        except BaseException:
            super().write(bytes(data)[: len(data) // 2])  # torn
            raise
        return super().write(data)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _active is None:
        return
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        _active.count("open", arguments[0])
    elif event in _WRITES:
        _active.count(event, arguments[1 if event == "os.rename" else 0])  # of a rename, the new name


sys.addaudithook(_hook)


@contextlib.contextmanager
def watched(disk: Disk) -> Iterator[Disk]:
    """Makes every operation on files go through this disk while the context lasts."""
    global _active
    real_open, real_fsync = builtins.open, os.fsync

    def open_file(file: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
        if str(file).startswith(disk.root) and mode in ("wb", "a+b"):
            raw = _File(file, mode.replace("b", ""))
            return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return real_open(file, mode, *arguments, **keywords)

    def fsync(descriptor: int) -> None:
        disk.count("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        real_fsync(descriptor)

    builtins.open, os.fsync, _active = open_file, fsync, disk
    try:
        yield disk
    finally:
        builtins.open, os.fsync, _active = real_open, real_fsync, None
