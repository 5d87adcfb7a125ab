"""What of an installation keeps Playground from working. Imports no JAX; MuJoCo where graphics are looked at."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from reppo.environments.suites.suite import Look
from reppo.errors import ConfigurationError

_TOGETHER = "pip install mujoco==3.8.1 mujoco-mjx==3.8.1 warp-lang==1.12.1"


def broken(versions: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Combinations of versions that are known not to work, each with its cure.

    Args:
        versions: of each installed package, as those of `packaging.version`.
    """
    from packaging.version import Version

    jax, mujoco, mjx, warp = (versions.get(name) for name in ("jax", "mujoco", "mujoco-mjx", "warp-lang"))
    if mujoco and mjx and mujoco != mjx:
        yield f"mujoco {mujoco} with mujoco-mjx {mjx}: MJX calls into its own version of MuJoCo", _TOGETHER
    if mujoco and mujoco >= Version("3.10"):
        yield f"mujoco {mujoco}: Playground's Reacher and its Warp backend fail from 3.10 on", _TOGETHER
    if mujoco and warp and mujoco < Version("3.9") and warp >= Version("1.13"):
        yield f"warp-lang {warp} with mujoco {mujoco}: the Warp backend fails", _TOGETHER
    if jax and mjx and jax >= Version("0.10") and mjx < Version("3.8"):
        yield f"mujoco-mjx {mjx} with jax {jax}: Fish and Swimmer fail", _TOGETHER


def examine() -> Iterator[Look]:
    """Whether MuJoCo can draw without a display."""
    from reppo.environments.suites.playground.drawing import use_offscreen_context

    asked = os.environ.get("MUJOCO_GL")
    found = f"MUJOCO_GL is {asked!r}" if asked else "MUJOCO_GL is not set"
    try:
        use_offscreen_context()
    except (ConfigurationError, ImportError, AttributeError, RuntimeError) as error:  # MuJoCo's are of these kinds
        yield Look("graphics", "warning", f"{found}; only `reppo render` of MuJoCo's tasks needs it", str(error))
        return
    yield Look("graphics", "ok", found)
