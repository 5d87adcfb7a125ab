"""The notebook of the documentation: its code, and once from top to bottom."""

import ast
import builtins
import importlib
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "first_hour.ipynb"
CELLS = json.loads(NOTEBOOK.read_text())["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def tagged(tag):
    (cell,) = [cell for cell in CODE if tag in cell["metadata"].get("tags", ())]
    return cell


def test_it_holds_no_outputs_and_every_cell_has_an_id():
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CODE)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)


def test_its_installation_is_two_lines():
    assert len([line for line in source(tagged("install")).splitlines() if line.startswith("# ")]) == 2


def test_every_name_in_it_exists():
    known, modules = set(dir(builtins)), {}
    for cell in CODE:
        tree = ast.parse(source(cell))
        stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    modules[alias.name] = getattr(importlib.import_module(node.module), alias.name)
            elif isinstance(node, ast.Import):
                modules |= {alias.name: importlib.import_module(alias.name) for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                assert node.id in known | stored | modules.keys(), node.id
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                assert hasattr(modules[node.value.id], node.attr), node.attr
        known |= stored


def test_the_page_shows_all_of_it(monkeypatch):
    monkeypatch.syspath_prepend(NOTEBOOK.parents[1])
    page = importlib.import_module("writers.notebook").write()
    for cell in CELLS[1:]:
        assert source(cell) in page
    assert page.count("```python") == len(CODE) and not page.startswith("#")


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for cell in CODE:
        small = "STEPS = 4_096\nSEEDS = 2" if cell is tagged("sizes") else source(cell)
        tree = ast.parse(small)
        shown = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "notebook", "exec"), names)
        if shown is not None:
            value = eval(compile(ast.Expression(shown.value), "notebook", "eval"), names)
            for form in ("_repr_html_", "_repr_png_", "_repr_svg_"):
                assert not hasattr(value, form) or getattr(value, form)()
    assert (tmp_path / "results" / "first_hour" / "runs.csv").is_file()
    assert set(names["frame"]["arm"]) == {"base", "kl/no_kl", "kl_bound=0.5"} and set(names["frame"]["seed"]) == {0, 1}
    assert names["frame"]["return"].between(-2000, 0).all() and -2000 < names["total"] < 0
    assert len(names["returns"]) == 16 and names["kl_of_updates"]["kl"].notna().all()
