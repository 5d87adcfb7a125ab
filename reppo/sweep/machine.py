"""Using all of this machine, and no more of it than needed."""

import contextlib
import ctypes
import gc
import json
import os
from pathlib import Path

MAX_CPU_DEVICES = 4


def use_all_cores(results: Path) -> None:
    """Makes JAX see several CPU devices, so that lanes run on all cores: narrow layers use little more than one each.

    A folder of results that was begun keeps its number, because the last bits of results depend on it. Has no effect
    once JAX has started, or on accelerators.

    Args:
        results: the folder of results; it need not exist.
    """
    import jax

    number = min(os.cpu_count() or 1, MAX_CPU_DEVICES)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        number = int(json.loads((results / "experiment.json").read_text())["execution"]["devices"])
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", number)


def return_freed_memory() -> None:
    """Gives memory that was freed back to the system, where its C library can be asked to (glibc).

    Compilation of a task of a physics engine leaves a gigabyte of it, which would count until the process ends.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
