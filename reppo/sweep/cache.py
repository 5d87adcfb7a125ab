"""The persistent compilation cache: a program that was compiled once on this machine starts at once the next time."""

import os
import zlib
from pathlib import Path

ENVIRONMENT_VARIABLE = "REPPO_CACHE"
"""Names the folder of the cache; `off` switches it off."""

MAX_BYTES = 2 * 1024**3


def use_compilation_cache() -> Path | None:
    """Switches JAX's persistent compilation cache on, in the user's cache folder, and removes damaged entries.

    JAX writes entries in place, so that a kill can leave a truncated one, which it would never repair.

    Returns:
        The folder; None if the cache is off.
    """
    import jax

    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen == "off":
        return None
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else base / "reppo" / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    remove_damaged(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    return folder


def remove_damaged(folder: Path) -> int:
    """Removes entries of the cache that cannot be read whole; returns how many there were."""
    removed = 0
    for entry in folder.glob("*-cache"):
        try:
            content = entry.read_bytes()
            damaged = not _readable(content)
        except OSError:
            damaged = True
        if damaged:
            entry.unlink(missing_ok=True)
            removed += 1
    return removed


def _readable(content: bytes) -> bool:
    if content[:4] == b"\x28\xb5\x2f\xfd":  # Zstandard, used where that package is installed; checks itself on reading.
        return len(content) > 8
    try:
        reader = zlib.decompressobj()
        reader.decompress(content)
        return reader.eof
    except zlib.error:
        return False
