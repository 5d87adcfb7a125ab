"""The persistent compilation cache: a program that was compiled once on this machine starts at once the next time."""

import contextlib
import os
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import filelock

ENVIRONMENT_VARIABLE = "REPPO_CACHE"
"""Names the folder of the cache; `off` switches it off."""

MAX_BYTES = 2 * 1024**3


def cache_folder() -> Path | None:
    """Where the cache is, which need not exist; None if it is off.

    Raises:
        RuntimeError: if there is no home to keep it in.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen == "off":
        return None
    if chosen:
        return Path(chosen)
    return user_folder() / "compiled"


def user_folder() -> Path:
    """Where the library keeps what can be made again, of this user on this machine; it need not exist.

    Raises:
        RuntimeError: if there is no home to keep it in.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reppo"


def use_compilation_cache() -> Path | None:
    """Switches JAX's persistent compilation cache on, in the user's cache folder, and removes damaged entries.

    A cache that the process has already, by `JAX_COMPILATION_CACHE_DIR` or `jax.config`, is used as it is, unless
    `REPPO_CACHE` names another folder.

    JAX writes entries in place, so that a kill can leave a truncated one, which it would never repair. Where the folder
    cannot be written to or locked, the cache is off: every program is then compiled anew.

    Returns:
        The folder; None if the cache is off.
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    own = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if own and chosen in (None, "", own):
        return Path(own)
    try:
        folder = cache_folder()
        if folder is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".reppo.lock", timeout=10, fallback_to_soft=False):
            pass  # as JAX will do at every entry
    except (OSError, RuntimeError) as error:  # the latter: no HOME, no lock
        warnings.warn(
            f"Programs are compiled anew each time, because they cannot be kept: {error}. Set {ENVIRONMENT_VARIABLE} "
            f"to a folder that this process may write to, or to off.",
            stacklevel=2,
        )
        return None
    remove_damaged(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    compilation_cache.reset_cache()  # JAX decides whether to use one at its first compilation, which may be over
    return folder


def remove_damaged(folder: Path) -> int:
    """Removes entries of the cache that cannot be read whole; returns how many there were.

    An entry also gets back the file that says when it was last used, which a kill may have kept from being written:
    without it JAX writes no further entry at all.
    """
    removed = 0
    for entry in folder.glob("*-cache"):
        used = entry.with_name(entry.name.removesuffix("-cache") + "-atime")
        try:
            damaged = not _readable(entry.read_bytes())
            if not damaged and not used.exists():
                used.write_bytes(entry.stat().st_mtime_ns.to_bytes(8, "little"))
        except OSError:
            damaged = True
        if damaged:
            with contextlib.suppress(OSError):  # another's, in a folder that all may write to
                entry.unlink(missing_ok=True)
                used.unlink(missing_ok=True)
                removed += 1
    return removed


def _readable(content: bytes) -> bool:
    try:
        reader = _zstandard_reader() if content[:4] == b"\x28\xb5\x2f\xfd" else zlib.decompressobj()
        if reader is None:
            return True  # written by an installation that has Zstandard, and read by none that lacks it
        reader.decompress(content)
        return reader.eof
    except Exception:  # each compression has errors of its own
        return False


def _zstandard_reader() -> Any:
    """A reader of Zstandard, which JAX uses where it is installed; None if it is not."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd

            return zstd.ZstdDecompressor()
        import zstandard  # pyright: ignore[reportMissingImports]

        return zstandard.ZstdDecompressor().decompressobj()
    except ImportError:
        return None
