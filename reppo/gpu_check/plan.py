"""The parts of the check, the most important first. Imports no JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

PRECISIONS = ("highest", "high", "default")
"""Of float32 matrix products; the first is that of the presets."""

ARMS = ("base", "kl/no_kl", "value/mse", "normalization/no_norm")
"""The arms of `experiments/quickstart.py`."""

MACHINE = "machine"
"""The name of the part that goes first: what the others are depends on what it finds."""


@final
@dataclasses.dataclass(frozen=True)
class Part:
    """One thing to find out, in a process of its own.

    Attributes:
        name: unique, with `/` between its words.
        function: name of the function of `reppo.gpu_check.parts` that finds it out.
        arguments: its arguments, plain data.
        limit: seconds after which it is stopped; what it found until then is kept.
        least: seconds of the budget that must be left for it to begin.
    """

    name: str
    function: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    limit: float = 240.0
    least: float = 30.0


def first_part() -> Part:
    """Versions and device."""
    return Part(MACHINE, "machine", limit=90.0, least=5.0)


def parts(rehearsal: bool, warp: bool) -> list[Part]:
    """Every part but the first.

    Args:
        rehearsal: whether there is no GPU: tiny sizes, and one arm and one width where a GPU gets several.
        warp: whether Playground's Warp backend is installed.
    """
    backends = ("warp", "jax") if warp else ("jax",)
    main = backends[0]
    widths = (1, 4) if rehearsal else (1, 4, 16)
    tasks = [("probe", "BestAction", ""), ("gymnax", "Pendulum-v1", "")]
    tasks += [("playground", "CartpoleBalance", backend) for backend in backends]
    contacts = [("playground", "BallInCup", "warp")] * warp
    found = [_tiny(*task, lanes=1) for task in tasks]
    found += [_published(main, 1), _update(1, PRECISIONS), _resume("gymnax", "Pendulum-v1")]
    found += [_tiny(*task, lanes=4) for task in tasks + contacts]
    found += [_published(backend, 1) for backend in backends[1:]]
    for lanes in widths[1:]:
        found += [_published(main, lanes), _update(lanes, PRECISIONS[:1])]
    found += [_quickstart("gymnax", "Pendulum-v1", arm) for arm in ARMS]
    found += [_quickstart("playground", "CartpoleBalance", arm) for arm in ARMS[: 1 if rehearsal else None]]
    if rehearsal:  # a CPU that others use too may be slow: the budget alone is the limit
        return [dataclasses.replace(part, limit=float("inf")) for part in found]
    found += [_resume("playground", "CartpoleBalance")]
    return found + [_published(backend, lanes) for backend in backends[1:] for lanes in widths[1:]]


def _tiny(suite: str, task: str, backend: str, lanes: int) -> Part:
    place = f"{suite}-{backend}" if backend else suite
    return Part(
        f"tiny/{place}/{task}/{lanes}", "tiny", {"suite": suite, "task": task, "backend": backend, "lanes": lanes}
    )


def _published(backend: str, lanes: int) -> Part:
    return Part(f"published/{backend}/{lanes}", "published", {"backend": backend, "lanes": lanes}, limit=300.0)


def _update(lanes: int, precisions: tuple[str, ...]) -> Part:
    return Part(f"update/{lanes}", "update", {"lanes": lanes, "precisions": list(precisions)})


def _quickstart(suite: str, task: str, arm: str) -> Part:
    return Part(f"quickstart/{task}/{arm.replace('/', '.')}", "quickstart", {"suite": suite, "task": task, "arm": arm})


def _resume(suite: str, task: str) -> Part:
    return Part(f"resume/{task}", "resume", {"suite": suite, "task": task}, limit=300.0, least=60.0)
