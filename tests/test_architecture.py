"""Rules on the code itself: imports go one way, classes are abstract or final, importing is light."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import reppo
from reppo.component import Component

ROOT = Path(reppo.__file__).parent
ORDER = [
    "errors",
    "text",
    "component",
    "numerics",
    "keys",
    "summary",
    "watched",
    "environments",
    "distributions",
    "networks",
    "normalization",
    "rollout",
    "targets",
    "losses",
    "optimization",
    "algorithms",
    "spec",
    "presets",
    "ablation",
    "ablations",
    "testing",
    "training",
    "results",
    "tracking",
    "policies",
    "sweep",
    "cluster",
    "gpu_check",
    "analysis",
    "reporting",
    "doctor",
    "upkeep",
    "citations",
    "describe",
    "completion",
    "cli",
]
EXCEPTIONS = {("sweep/experiment.py", "reppo.cli")}  # an experiment file is its own command line
WITHOUT_JAX = ["results", "tracking", "analysis"]


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def part(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_go_one_way(file):
    if file == ROOT / "__init__.py":
        return
    own = file.relative_to(ROOT).parts[0].removesuffix(".py")
    assert own in ORDER, f"{own} has no place in the order of imports"
    for module in imports(file):
        assert not module.startswith("ablations"), "the library never imports the catalog"
        if (str(file.relative_to(ROOT)), module) in EXCEPTIONS:
            continue
        if module.startswith("reppo.") and part(module) != own:
            assert ORDER.index(part(module)) < ORDER.index(own), f"{own} imports {module}"
        if own in WITHOUT_JAX:
            assert module.split(".")[0] not in ("jax", "equinox", "optax"), f"{own} imports {module}"


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_texts_are_read_and_written_in_utf8_wherever_they_are(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("read_text", "write_text"):
                assert "encoding" in {keyword.arg for keyword in node.keywords}, f"{file}, line {node.lineno}"


def classes():
    for info in pkgutil.walk_packages([str(ROOT)], "reppo."):
        module = importlib.import_module(info.name)
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if issubclass(cls, Component) and cls is not Component and cls.__module__ == info.name:
                yield cls


@pytest.mark.parametrize("cls", sorted(classes(), key=lambda c: c.__qualname__), ids=lambda c: c.__name__)
def test_components_are_abstract_or_final(cls):
    abstract = cls.__name__.startswith("Abstract")
    assert abstract != getattr(cls, "__final__", False), "an abstract class is named Abstract*, any other is @final"
    for base in cls.__mro__[1:]:
        assert not getattr(base, "__final__", False)
    assert cls.__doc__


@pytest.mark.parametrize("parts", ["reppo", "reppo.results, reppo.tracking, reppo.analysis, reppo.cli"])
def test_importing_is_light(parts):
    heavy = ("jax", "equinox", "mujoco", "wandb", "matplotlib")
    code = f"import {parts}; import sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists():
    for name in reppo.__all__:
        assert getattr(reppo, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        reppo.nonsense  # noqa: B018
