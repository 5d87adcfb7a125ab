"""Writes the catalog page from the registry of ablations when the documentation is built."""

import importlib
import re
from typing import Any

MARK = "<!-- the catalog -->"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Puts the catalog in the place of its mark on the page that has it."""
    return markdown.replace(MARK, catalog()) if page.file.src_uri == "catalog.md" else markdown


def catalog() -> str:
    """Every ablation of the catalog as Markdown: a section a theme, a table row each."""
    from reppo.ablation import all_ablations

    themes: dict[str, list[Any]] = {}
    for ablation in all_ablations().values():
        themes.setdefault(ablation.theme, []).append(ablation)
    return "\n".join(_section(theme, ablations) for theme, ablations in themes.items())


def _section(theme: str, ablations: list[Any]) -> str:
    lines = [
        f"## {theme}",
        "",
        importlib.import_module(f"ablations.{theme}").__doc__ or "",
        "",
        "| ablation | question, and what is done to answer it | touches | expects | source |",
        "|---|---|---|---|---|",
    ]
    for one in ablations:
        touches = "<br>".join(f"`{path.removeprefix('algorithm.')}`" for path in one.touches)
        what = f"{one.question}<br>{' '.join((one.transform.__doc__ or '').split())}"
        cells = [f"`{one.name}`", what, touches, one.expects, _linked(one.reference)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _linked(reference: str) -> str:
    """A reference with its papers and repositories as links."""
    reference = re.sub(r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", reference)
    return re.sub(r"\((github\.com/\S+)\)", r"([repository](https://\1))", reference)
