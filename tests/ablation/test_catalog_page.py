"""The page of the documentation that is written from the registry."""

import importlib.util
import types
from pathlib import Path

import pytest

from reppo.ablation import all_ablations

DOCS = Path(__file__).parents[2] / "docs"
CATALOG = all_ablations()


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    at = lambda uri: types.SimpleNamespace(file=types.SimpleNamespace(src_uri=uri))
    text = (DOCS / "catalog.md").read_text()
    assert hooks.on_page_markdown(text, page=at("index.md")) == text
    return hooks.on_page_markdown(text, page=at("catalog.md"), config=None, files=None)


@pytest.mark.parametrize("name", CATALOG)
def test_every_entry_has_its_row(page, name):
    one = CATALOG[name]
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == f"{one.question}<br>{' '.join(one.transform.__doc__.split())}"
    assert cells[2].count("`") == 2 * len(one.touches) and cells[3] == one.expects


def test_every_theme_has_its_section_and_papers_are_links(page):
    sections = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert sections == sorted({one.theme for one in CATALOG.values()})
    assert "[arXiv 2507.11019](https://arxiv.org/abs/2507.11019)" in page
    assert "([repository](https://github.com/cvoelcker/reppo))" in page
    assert "<!--" not in page
