"""One process at a time in a folder of results."""

import contextlib
import errno
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import filelock

from reppo.errors import ConfigurationError
from reppo.results.files import make_folder, write_json

LOCK, HOLDER = ".lock", ".holder.json"


def has_no_locks(error: Exception) -> bool:
    """Whether an error in taking a lock says that the file system has none, as some network and overlay ones."""
    without = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
    return isinstance(error, NotImplementedError) or (isinstance(error, OSError) and error.errno in without)


@contextlib.contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Holds a folder of results while the context lasts; the lock ends with the process, however it ends.

    Where the file system has no locks it warns that nothing keeps a second process away.

    Raises:
        ConfigurationError: if another process holds the folder; names it.
    """
    make_folder(folder)
    lock = filelock.FileLock(folder / LOCK, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ConfigurationError(
            f"Another process is writing to {str(folder)!r}: {describe_holder(folder)}. Wait until it ends, stop it, "
            "or choose another folder with --out."
        ) from None
    except (NotImplementedError, OSError) as error:
        if not has_no_locks(error):
            raise ConfigurationError(
                f"Cannot write to {str(folder)!r}: {getattr(error, 'strerror', None) or error}. Choose another folder "
                "with --out."
            ) from None
        warnings.warn(
            f"The file system of {str(folder)!r} has no locks, so a second process in the same folder would go "
            "unnoticed and damage its results. Run one at a time.",
            stacklevel=3,
        )
    try:
        write_json(folder / HOLDER, {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()})
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of a folder; never so where the file system has no locks."""
    lock = folder / LOCK
    if not lock.exists():
        return False
    try:
        with filelock.FileLock(lock, timeout=0, fallback_to_soft=False):
            return False
    except filelock.Timeout:
        return True
    except (NotImplementedError, OSError):
        return False


def describe_holder(folder: Path) -> str:
    """Names the holder of a lock in words."""
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
        return f"process {holder['pid']} on {holder['host']}, since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said which one it is"
