"""What this process takes: time and memory."""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit in which `resource.getrusage` tells the peak memory of a process."""


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Seconds that a call takes, until all arrays that it gives are there; and what it gives."""
    import jax

    start = time.perf_counter()
    result = jax.block_until_ready(function(*arguments))
    return time.perf_counter() - start, result


def peak_device_bytes() -> int | None:
    """The most memory of the first device so far; None where it does not tell."""
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def peak_process_bytes() -> int:
    """The most memory of this process so far, libraries and compilation included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_UNIT
