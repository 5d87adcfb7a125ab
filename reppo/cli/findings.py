"""What of this machine and installation is sound: each finding in a line, with a cure where it is not."""

import dataclasses
import os
import platform
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, final

from reppo.environments.suites import all_suites, quick_suite, suite_packages
from reppo.errors import ConfigurationError
from reppo.text import plain

Verdict = Literal["ok", "warning", "wrong"]

TESTED_PYTHONS = ("3.11", "3.12", "3.13")
TESTED: dict[str, dict[str, str]] = {
    "3.11": {"jax": "0.10.2", "jaxlib": "0.10.2", "numpy": "2.4.6", "flax": "0.12.8"},
    "3.12": {"jax": "0.11.2", "jaxlib": "0.11.2", "numpy": "2.5.5", "flax": "0.12.12"},
    "": {
        "beartype": "0.23.1",
        "equinox": "0.13.8",
        "filelock": "4.2.12",
        "jaxtyping": "0.3.11",
        "optax": "0.2.8",
        "orbax-checkpoint": "0.12.8",
        "scipy": "1.17.1",
        "tensorstore": "0.1.86",
        "wandb": "0.31.0",
    },
}
"""The versions that are tested together: those of a Python, up to the next that is listed, and those of all.

What a suite needs is in its own folder."""

_ROOM = 2 * 1000**3
_ITERATIONS = 5


@final
@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: what it is.
        verdict: whether it is `"ok"`, deserves a look (`"warning"`), or keeps results from being right (`"wrong"`).
        found: what was found.
        cure: what to do; empty where it is ok.
    """

    what: str
    verdict: Verdict
    found: str
    cure: str = ""


def examine() -> Iterator[Finding]:
    """Looks at everything, the quickest first. A look that fails is itself a finding that is wrong."""
    for look in _LOOKS:
        try:
            yield from look()
        except Exception as error:
            what = look.__name__.strip("_")
            yield Finding(what, "wrong", f"{type(error).__name__}: {error}", "Report this, with the whole output.")


def format_finding(finding: Finding) -> str:
    """One line, or two where there is a cure."""
    first = plain(f"{finding.verdict:<7}  {finding.what:<12}  {finding.found}")
    return first + (f"\n{'':23}{plain(finding.cure)}" if finding.cure else "")


def _python() -> Iterator[Finding]:
    version, tested = platform.python_version(), ", ".join(TESTED_PYTHONS)
    known = version.rpartition(".")[0] in TESTED_PYTHONS
    cure = "" if known else f"Use one that is tested: {tested}."
    yield Finding("python", "ok" if known else "warning", version, cure)


def tested_versions(python: str) -> dict[str, str]:
    """The tested set for a version of Python, such as `"3.12"`."""
    number = lambda text: tuple(map(int, text.split(".")))
    sets = [name for name in TESTED if name and number(name) <= number(python)]
    return TESTED[""] | suite_packages() | TESTED[max(sets, key=number, default=TESTED_PYTHONS[0])]


def _versions() -> Iterator[Finding]:
    from reppo.gpu_check.parts import installed, unmet

    for requirement in unmet():
        wanted = requirement.partition(" (")[0]
        yield Finding("versions", "wrong", f"needs {requirement}", f"pip install '{wanted}'")
    tested = tested_versions(platform.python_version().rpartition(".")[0])
    others = {name: version for name in tested if (version := installed(name)) not in (None, tested[name])}
    if others:
        said = ", ".join(f"{name} {version} (tested: {tested[name]})" for name, version in others.items())
        cure = "pip install " + " ".join(f"{name}=={tested[name]}" for name in others)
        yield Finding("versions", "warning", f"not the tested set: {said}", cure)
    else:
        yield Finding("versions", "ok", f"the tested set: {', '.join(f'{n} {v}' for n, v in tested.items())}")


def _combinations() -> Iterator[Finding]:
    from reppo.gpu_check.parts import installed

    said = list(bad_combinations({name: installed(name) or "" for name in tested_versions("3.12")}))
    for found, cure in said:
        yield Finding("combinations", "wrong", found, cure)
    if not said:
        yield Finding("combinations", "ok", "none that is known to be broken")


def bad_combinations(versions: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What is known to be broken, and the cure.

    Args:
        versions: of each package, or an empty text where it is not installed.
    """
    from packaging.version import Version

    number = {name: Version(text) for name, text in versions.items() if text}
    for suite in all_suites():
        yield from suite.broken(number)
    jax, jaxlib = number.get("jax"), number.get("jaxlib")
    if jax and jaxlib and jax < jaxlib:
        yield f"jaxlib {jaxlib} is newer than jax {jax}", f"pip install jaxlib=={jax}"


def _devices() -> Iterator[Finding]:
    from reppo.runtime.machine import usable_cores, use_all_cores

    use_all_cores(Path(os.devnull))
    import jax

    from reppo.gpu_check.parts import driver
    from reppo.training.lanes import lane_devices

    devices, used, cores = jax.devices(), lane_devices(), usable_cores()
    found = f"{len(devices)} x {devices[0].device_kind} ({jax.default_backend()}); lanes use {used}"
    if jax.default_backend() == "cpu":
        found += f"; {cores} cores may be used"
        if version := driver():
            yield Finding("devices", "wrong", f"{found}, but there is an NVIDIA driver ({version})", _CUDA)
            return
    if used < len(devices):
        yield Finding("devices", "warning", f"{found}: with jax 0.11 lanes use a single device", _ONE_DEVICE)
        return
    yield Finding("devices", "ok", found)


_CUDA = "pip install 'reppo[cuda12]' (or cuda13, as the driver has it), or ignore this to train on the CPU."
_ONE_DEVICE = "Lanes take turns on it. With Python 3.11 and jax 0.10.2 they use all cores, or all GPUs."


def _precision() -> Iterator[Finding]:
    import jax

    default = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    found = f"default {default or 'of the backend'}; specs set their own ('highest' in the presets), which is recorded"
    yield Finding("precision", "ok", found)
    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        cure = "Unset JAX_ENABLE_X64, or do not compare with results made without it."
        yield Finding("precision", "warning", "64-bit numbers are on, which changes results and is not tested", cure)


def _suites() -> Iterator[Finding]:
    for suite in all_suites():
        for look in suite.examine():
            yield Finding(*look)


def _cache() -> Iterator[Finding]:
    from reppo.results.formatting import human_bytes
    from reppo.runtime.cache import ENVIRONMENT_VARIABLE, use_compilation_cache

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        folder = use_compilation_cache()
    if folder is None:
        found = str(said[0].message) if said else f"off, as {ENVIRONMENT_VARIABLE} says: programs are compiled anew"
        yield Finding("cache", "warning", found, f"Set {ENVIRONMENT_VARIABLE} to a folder that may be written to.")
        return
    used = sum(file.stat().st_size for file in folder.glob("*-cache"))
    free = shutil.disk_usage(folder).free
    found = f"{folder}, {human_bytes(used)} used, {human_bytes(free)} free"
    cure = "" if free >= _ROOM else f"Make room, or set {ENVIRONMENT_VARIABLE} to a folder on another disk."
    yield Finding("cache", "warning" if cure else "ok", found, cure)


def _wandb() -> Iterator[Finding]:
    from reppo.tracking.wandb import check_login

    try:
        check_login()
    except ConfigurationError as error:
        yield Finding("wandb", "warning", "no login, which only --wandb online needs", str(error))
        return
    yield Finding("wandb", "ok", "logged in (the server was not asked)")


def _repetition() -> Iterator[Finding]:
    import jax
    import numpy as np

    from reppo.gpu_check.parts import difference, tiny_spec, trained
    from reppo.spec import resolve
    from reppo.training import BatchProgram, lanes_mode

    suite = quick_suite()
    spec = resolve(tiny_spec(suite.declare(suite.example)))
    program = BatchProgram(spec, 2, lanes_mode()).compile()
    (first, _, report), (second, _, _) = (trained(program, spec, 2, _ITERATIONS) for _ in range(2))
    if not np.isfinite(report.evaluated.episode_return).all():
        yield Finding("training", "wrong", f"{suite.example} gave returns that are not finite", "See the lines above.")
    apart = difference(first, second)
    if apart["identical"]:
        yield Finding("repetition", "ok", f"the same {_ITERATIONS} iterations twice: the same bits")
        return
    found = (
        f"the same iterations twice differ in {apart['unequal']} of {apart['arrays']} arrays, by {apart['largest']:.1e}"
    )
    on_cpu = jax.default_backend() == "cpu"
    cure = "Do not trust this machine." if on_cpu else "XLA_FLAGS=--xla_gpu_deterministic_ops=true, at a price."
    yield Finding("repetition", "wrong" if on_cpu else "warning", found, cure)


_LOOKS = (_python, _versions, _combinations, _devices, _precision, _suites, _cache, _wandb, _repetition)
