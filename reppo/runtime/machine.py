"""Using all that this process may use of the machine, and no more of it than needed."""

import contextlib
import ctypes
import gc
import json
import os
from pathlib import Path

MAX_CPU_DEVICES = 4


def use_all_cores(results: Path, number: int | None = None) -> None:
    """Makes JAX see several CPU devices, so that lanes run on all cores that this process may use, at most four.

    Narrow layers use little more than one core each.

    A folder of results that was begun keeps its number, because the last bits of results depend on it. Has no effect
    once JAX has started, or on accelerators.

    Args:
        results: the folder of results; it need not exist.
        number: how many devices a folder that is not begun gets, where others than this process will use it.
    """
    import jax

    number = number or min(usable_cores(), MAX_CPU_DEVICES)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        number = int(json.loads((results / "experiment.json").read_text(encoding="utf-8"))["execution"]["devices"])
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", number)


def usable_cores(root: Path = Path("/")) -> int:
    """The cores that this process may use: those it is bound to, and no more than its control groups allow.

    Args:
        root: where `proc` and `sys` are.
    """
    bound = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    limits = [len(bound)]
    for group in _control_groups(root, "cpu"):
        time = _read_words(group / "cpu.max")  # quota and period; in version 1 each has a file
        time = time or _read_words(group / "cpu.cfs_quota_us") + _read_words(group / "cpu.cfs_period_us")
        if len(time) == 2 and all(word.isdecimal() for word in time):  # "max" or -1 is no limit
            limits.append(int(time[0]) // int(time[1]))
    return max(1, min(limits))


def usable_memory(root: Path = Path("/")) -> int | None:
    """The bytes of memory that this process may use: the machine's, and no more than its control groups allow.

    Args:
        root: where `proc` and `sys` are.

    Returns:
        The bytes; None where nothing tells them.
    """
    limits = []
    for line in _read_lines(root / "proc/meminfo"):
        if line.startswith("MemTotal:"):
            limits.append(1024 * int(line.split()[1]))
    for group in _control_groups(root, "memory"):
        for word in _read_words(group / "memory.max") + _read_words(group / "memory.limit_in_bytes"):
            limits += [int(word)] if word.isdecimal() else []
    return min(limits, default=None)


def _control_groups(root: Path, controller: str) -> list[Path]:
    """The folders of this process's control groups, with those above: any of them may limit it.

    Version 2 has one tree for all controllers, version 1 a tree for each. Inside a container the path that `/proc`
    names may lie outside what is mounted; its own group is then the root of the tree.
    """
    tree, found = root / "sys/fs/cgroup", []
    for line in _read_lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        if controllers == "" or controller in names:
            mounted = [tree, tree / "unified"] if controllers == "" else [tree / controllers, tree / controller]
            parts = [part for part in path.split("/") if part not in ("", "..")]
            found += [mount.joinpath(*parts[:end]) for mount in mounted for end in range(len(parts) + 1)]
    return found


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def _read_words(path: Path) -> list[str]:
    return " ".join(_read_lines(path)).split()


def return_freed_memory() -> None:
    """Gives memory that was freed back to the system, where its C library can be asked to (glibc).

    Compilation of a task of a physics engine leaves a gigabyte of it, which would count until the process ends.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
