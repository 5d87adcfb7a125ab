"""Writes the pages of the catalog and of the notebook when the documentation is built.

Each of these pages is a file with an introduction and a mark, in the place of which the rest is put.
"""

from collections.abc import Callable
from typing import Any

from writers import ablations, components, environments, metrics, notebook, presets

MARK = (
    "*The rest is written from the code when the documentation is built. In a terminal, `reppo list` and `reppo show` "
    "say it.*"
)

PAGES: dict[str, Callable[[], str]] = {
    "catalog/ablations.md": ablations.write,
    "catalog/components.md": components.write,
    "catalog/environments.md": environments.write,
    "catalog/metrics.md": metrics.write,
    "catalog/presets.md": presets.write,
    "notebooks/index.md": notebook.write,
}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Puts what is written in the place of the mark, on a page that has one."""
    write = PAGES.get(page.file.src_uri)
    return markdown.replace(MARK, write()) if write else markdown
