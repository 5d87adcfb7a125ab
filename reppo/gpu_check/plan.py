"""The parts of the check, the most important first. Imports no JAX."""

import dataclasses
from collections.abc import Container, Mapping
from typing import Any, final

from reppo.environments.suites import Suite, all_suites, find_suite

PRECISIONS = ("highest", "high", "default")
"""Of float32 matrix products; the first is that of the presets."""

ARMS = ("base", "kl/no_kl", "value/mse", "normalization/no_norm")
"""The arms of `experiments/quickstart.py`."""

RIVALS = ("ppo_small", "sac_small", "fast_td3_small")
"""The presets of the other algorithms."""

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


def parts(rehearsal: bool, missing: Container[str] = ()) -> list[Part]:
    """Every part but the first.

    Args:
        rehearsal: whether there is no GPU: tiny sizes, and one arm and one width where a GPU gets several.
        missing: packages that are not installed; what needs one of them is left out.
    """
    widths = (1, 4) if rehearsal else (1, 4, 16)
    suites = all_suites()[::-1]  # the smallest first
    tasks = [(suite.name, suite.example, backend) for suite in suites for backend in _backends(suite, missing)]
    sharing = [(suite.name, task, at) for suite in suites for at, task in suite.device.sharing.items()]
    sharing = [(name, task, at) for name, task, at in sharing if at in _backends(find_suite(name), missing)]
    studied = [suite for suite in suites if suite.device.quickstart]
    costly = [suite for suite in studied if suite.device.costly]
    cheap = [suite for suite in studied if not suite.device.costly]
    backends = _backends(published_suite(), missing)
    main = backends[0]
    found = [_tiny(*task, lanes=1) for task in tasks]
    found += [_published(main, 1), _update(), _update_without_triton()]
    found += [_resume(suite.name, suite.example) for suite in cheap]
    found += [_tiny(*task, lanes=4) for task in tasks + sharing]
    found += [_published(backend, 1) for backend in backends[1:]]
    found += [_rival(suite.name, suite.example, preset) for suite in cheap for preset in RIVALS]
    found += [_quickstart(suite.name, suite.example, ARMS[0]) for suite in studied]
    found += [_published(main, lanes) for lanes in widths[1:]]
    for suite in studied:
        arms = () if rehearsal and suite in costly else ARMS[1:]
        found += [_quickstart(suite.name, suite.example, arm) for arm in arms]
    if rehearsal:  # a CPU that others use too may be slow: the budget alone is the limit
        return [dataclasses.replace(part, limit=float("inf")) for part in found]
    found += [_resume(suite.name, suite.example) for suite in costly]
    return found + [_published(backend, lanes) for backend in backends[1:] for lanes in widths[1:]]


def published_suite() -> Suite:
    """The suite on whose task presets of published size are timed."""
    return next(suite for suite in all_suites() if suite.device.published)


def _backends(suite: Suite, missing: Container[str]) -> list[str]:
    """The backends of a suite that can be used, the main one first; an empty text alone where it has none."""
    return [name for name, package in suite.device.backends.items() if package not in missing] or [""]


def _tiny(suite: str, task: str, backend: str, lanes: int) -> Part:
    place = f"{suite}-{backend}" if backend else suite
    return Part(
        f"tiny/{place}/{task}/{lanes}", "tiny", {"suite": suite, "task": task, "backend": backend, "lanes": lanes}
    )


def _published(backend: str, lanes: int) -> Part:
    return Part(f"published/{backend}/{lanes}", "published", {"backend": backend, "lanes": lanes}, limit=300.0)


def _update() -> Part:
    return Part("update", "update", {"precisions": list(PRECISIONS), "options": {}})


def _update_without_triton() -> Part:
    options = {"xla_gpu_enable_triton_gemm": False}
    return Part("update/without-triton", "update", {"precisions": list(PRECISIONS[:1]), "options": options})


def _quickstart(suite: str, task: str, arm: str) -> Part:
    return Part(f"quickstart/{task}/{arm.replace('/', '.')}", "quickstart", {"suite": suite, "task": task, "arm": arm})


def _rival(suite: str, task: str, preset: str) -> Part:
    return Part(f"rival/{task}/{preset}", "rival", {"suite": suite, "task": task, "preset": preset})


def _resume(suite: str, task: str) -> Part:
    return Part(f"resume/{task}", "resume", {"suite": suite, "task": task}, limit=300.0, least=60.0)
