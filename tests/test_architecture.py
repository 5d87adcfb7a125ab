"""Rules on the code itself: imports go one way, classes are abstract or final, importing is light."""

import ast
import importlib
import inspect
import pkgutil
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import reppo
from reppo.component import Component
from reppo.environments.suites import all_suites

ROOT = Path(reppo.__file__).parent
ORDER = [
    "errors",
    "text",
    "runtime",
    "component",
    "numerics",
    "keys",
    "arrays",
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
    "replay",
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
    "costs",
    "gpu_check",
    "benchmark",
    "analysis",
    "descriptions",
    "cli",
]
WITHOUT_JAX = ["results", "tracking", "analysis"]


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "reppo":
            found |= {f"reppo.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
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
        if module.startswith("reppo.") and part(module) != own:
            assert ORDER.index(part(module)) < ORDER.index(own), f"{own} imports {module}"
        if own in WITHOUT_JAX:
            assert module.split(".")[0] not in ("jax", "equinox", "optax"), f"{own} imports {module}"


def test_no_files_import_each_other_in_a_circle():
    files = {".".join(["reppo", *file.relative_to(ROOT).with_suffix("").parts]): file for file in ROOT.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): file for name, file in files.items() if name != "reppo.__init__"}
    left = {name: imported_modules(file, set(modules)) - {name} for name, file in modules.items()}
    while True:  # what needs nothing that is left, or is needed by nothing that is left, is in no circle
        needed = set().union(*left.values())
        free = {name for name, others in left.items() if name not in needed or not others & left.keys()}
        if not free:
            break
        left = {name: others - free for name, others in left.items() if name not in free}
    assert not left


def imported_modules(file: Path, modules: set[str]) -> set[str]:
    """Those of the modules that a file imports: of `from package import module` the module, not its package."""
    found = imports(file)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= named
            if named <= modules:
                found.discard(node.module)
    return found & modules


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_texts_are_read_and_written_in_utf8_wherever_they_are(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("read_text", "write_text"):
                assert "encoding" in {keyword.arg for keyword in node.keywords}, f"{file}, line {node.lineno}"


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_the_random_streams_of_evaluation_are_named_in_one_place(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "subkey":
            said = {str(part.value) for part in node.args if isinstance(part, ast.Constant)}
            assert not any("evaluation" in text for text in said) or file == ROOT / "rollout" / "evaluate.py"


def words(tree: ast.AST) -> set[str]:
    """Every name and every text of a module, but for docstrings and what only type checkers read."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        for field in ("id", "attr", "name"):
            if isinstance(name := getattr(node, field, None), str):
                found.add(name)
        found |= words(node)
    return found


@pytest.mark.parametrize("suite", all_suites(), ids=lambda suite: suite.name)
def test_nothing_outside_the_folder_of_a_suite_names_its_tasks_or_classes(suite):
    home = ROOT.parent.joinpath(*suite.module.split(".")[:-1])
    names = {*suite.tasks, *suite.refused, *suite.offers} - {suite.name}
    task = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, names))})(?![\w-])")
    assert home.is_dir() and task.search("the task " + suite.example)
    for file in [*ROOT.rglob("*.py"), *(ROOT.parent / "ablations").rglob("*.py")]:
        if home not in file.parents:
            said = {text for text in words(ast.parse(file.read_text(encoding="utf-8"))) if task.search(text)}
            assert not said, f"{file} names what only {home} should know"


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


@pytest.mark.parametrize("file", sorted(Path(__file__).parent.rglob("*.py")), ids=lambda f: f.stem)
def test_no_test_imports_another(file):
    for module in imports(file):
        assert not module.rpartition(".")[2].startswith("test_"), "what tests share stands in a module of its own"


def test_the_picture_of_the_house_is_as_the_code_is():
    figures = ROOT.parent / "docs" / "figures"
    house = runpy.run_path(str(figures / "house.py"))
    lines = {f"{room}-{other}" for room, near in house["reduced"](house["rooms"]()).items() for other in near}
    drawn = re.findall(r'id="([a-z_]+-[a-z_]+)"', (figures / "house.svg").read_text(encoding="utf-8"))
    assert sorted(drawn) == sorted(lines), "draw it anew: python docs/figures/house.py"
