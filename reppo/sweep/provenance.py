"""What a sweep ran with: versions, the state of the repository of its experiment file, and the machine."""

import contextlib
import importlib.metadata
import os
import platform
import socket
import subprocess
from pathlib import Path
from typing import Any

from reppo.environments.suites import suite_packages

PACKAGES = ("reppo", "jax", "jaxlib", "equinox", "optax", "numpy")
"""What results depend on besides the packages of suites."""

_GIT_SECONDS = 10.0


def versions() -> dict[str, str]:
    """The versions of what results depend on, as far as it is installed."""
    found = {}
    for name in (*PACKAGES, *suite_packages()):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def machine() -> dict[str, Any]:
    """This process and where it runs."""
    import jax

    return {
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
    }


def git_state(file: Path | None) -> dict[str, Any]:
    """The commit of the repository that a file lies in, and whether the commit alone tells what ran.

    Args:
        file: the experiment file; None if there is none.

    Returns:
        `commit`, and `dirty`: whether a file that git knows has changed since, or the experiment file is none of them.
        Both are None where there is no repository, or no git.
    """
    unknown = {"commit": None, "dirty": None}
    if file is None:
        return unknown
    try:
        commit = _git(file, "rev-parse", "HEAD")
        changed = _git(file, "status", "--porcelain", "--untracked-files=no")
        known = _git(file, "ls-files", "--", file.name)
    except (OSError, subprocess.SubprocessError):
        return unknown
    return {"commit": commit, "dirty": bool(changed) or not known}


def _git(file: Path, *arguments: str) -> str:
    command = ["git", "-C", str(file.absolute().parent), *arguments]
    # Nothing that git runs while it looks may change the repository, or hold its lock.
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=True, timeout=_GIT_SECONDS, env=environment
    )
    return done.stdout.strip()
