"""Rules on the code of the analysis: what it imports, and in which order its folders stand."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import reppo.analysis
import reppo.results

ROOT = Path(reppo.analysis.__file__).parent
ORDER = ["templates", "statistics", "scores", "curves", "comparisons", "tables", "figures", "report"]
"""The folders of the analysis, each of which imports from those before it only."""


def test_neither_jax_nor_a_plotting_library_is_imported_early():
    code = (
        "import sys, reppo.results, reppo.tracking, reppo.analysis\n"
        "heavy = {'jax', 'equinox', 'optax', 'scipy', 'matplotlib', 'pandas', 'orbax', 'wandb'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_no_module_of_these_packages_names_jax():
    root = Path(reppo.results.__file__).parents[1]
    for package, allowed in [
        ("results", {"errors", "results", "text"}),
        ("tracking", {"errors", "results", "text", "tracking"}),
        ("analysis", {"errors", "results", "text", "watched", "analysis"}),
    ]:
        for file in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                for name in names:
                    top, *rest = name.split(".")
                    assert top not in {"jax", "equinox", "optax"}, (file, name)
                    if name != "reppo.environments.suites":  # tables of tasks, read without JAX
                        assert top != "reppo" or rest[0] in allowed, (file, name)


@pytest.mark.parametrize("file", sorted(ROOT.glob("*/**/*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_folders_stand_in_their_order_and_share_only_public_names(file: Path):
    own = file.relative_to(ROOT).parts[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reppo.analysis"):
            names = [alias.name for alias in node.names]
            other = [*node.module.split("."), *names][2] if node.module else ""
            assert ORDER.index(other) <= ORDER.index(own), f"{own} imports {other}"
            assert not any(name.startswith("_") for name in names), names
