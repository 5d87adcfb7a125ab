"""Locks in folders of results: each ends with its process, however that ends."""

import contextlib
import errno
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from reppo.errors import ConfigurationError
from reppo.results.files import make_folder, write_json

LOCK, HOLDER = ".lock", ".holder.json"


class Held(ConfigurationError):
    """Another process holds what was asked for."""


def has_no_locks(error: Exception) -> bool:
    """Whether an error in taking a lock says that the file system has none, as some network and overlay ones."""
    without = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
    return isinstance(error, NotImplementedError) or (isinstance(error, OSError) and error.errno in without)


@contextlib.contextmanager
def holding(folder: Path, name: str = "", seconds: float = 0.0) -> Iterator[bool]:
    """Holds a lock of a folder while the context lasts; the lock ends with the process, however it ends.

    Args:
        folder: the folder; made if it does not exist.
        name: of the lock, where a folder has several.
        seconds: how long to wait for another process to leave it.

    Yields:
        Whether the file system has locks; if not, nothing keeps another process away.

    Raises:
        Held: if another process holds it; names it.
        ConfigurationError: if the folder cannot be written to.
    """
    make_folder(folder)
    lock = filelock.FileLock(folder / f"{name}{LOCK}", fallback_to_soft=False)
    holder = folder / f"{name}{HOLDER}"
    locks = True
    try:
        lock.acquire(timeout=seconds)
    except filelock.Timeout:
        raise Held(
            f"Another process is writing to {str(folder)!r}: {_describe(read_holder(folder, name))}. Wait until it "
            "ends, stop it, or choose another folder with --out."
        ) from None
    except (NotImplementedError, OSError) as error:
        if not has_no_locks(error):
            raise ConfigurationError(
                f"Cannot write to {str(folder)!r}: {getattr(error, 'strerror', None) or error}. Choose another folder "
                "with --out."
            ) from None
        locks = False
    try:
        write_json(holder, {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()})
        yield locks
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def only_process(folder: Path, seconds: float = 0.0) -> Iterator[bool]:
    """`holding` a folder, with a warning where the file system has no locks."""
    with holding(folder, seconds=seconds) as locks:
        if not locks:
            warnings.warn(
                f"The file system of {str(folder)!r} has no locks, so a second process in the same folder would go "
                "unnoticed and damage its results. Run one at a time.",
                stacklevel=1,  # once, wherever it is asked for
            )
        yield locks


def is_held(folder: Path, name: str = "") -> bool:
    """Whether a process holds a lock of a folder; never so where the file system has no locks."""
    lock = folder / f"{name}{LOCK}"
    if not lock.exists():
        return False
    try:
        with filelock.FileLock(lock, timeout=0, fallback_to_soft=False):
            return False
    except filelock.Timeout:
        return True
    except (NotImplementedError, OSError):
        return False


def read_holder(folder: Path, name: str = "") -> dict[str, Any] | None:
    """What the holder of a lock says of itself: `pid`, `host`, and `since` in seconds since 1970; None if it does not.

    It may be gone, where it was killed: see `is_held`.
    """
    try:
        holder = json.loads((folder / f"{name}{HOLDER}").read_text(encoding="utf-8"))
        return {"pid": int(holder["pid"]), "host": str(holder["host"]), "since": float(holder["since"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def describe_holder(folder: Path, name: str = "") -> str:
    """Names the holder of a lock in words."""
    return _describe(read_holder(folder, name))


def _describe(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "it has not said which one it is"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
    return f"process {holder['pid']} on {holder['host']}, since {since}"
