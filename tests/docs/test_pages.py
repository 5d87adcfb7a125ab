"""The documentation builds without a warning, its links lead somewhere, and it needs nothing from elsewhere."""

import json
import re
from pathlib import Path
from urllib.parse import urlparse

import pytest

from tests.docs.pages import Page, dangling, read_site

ROOT = Path(__file__).parents[2]
GROUPS = ["Home", "Learn", "Do", "Catalogue", "Reference", "Results", "Design"]


def test_the_site_is_whole(site: Path):
    """One test for all, so that the documentation is built once."""
    pages = read_site(site)
    assert dangling(site, pages) == []

    # Nothing is loaded from another host: offline, a page is as it is elsewhere.
    foreign = re.compile(
        r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//|<link[^>]* rel="?stylesheet"?[^>]* href="https?://'
    )
    assert [str(file) for file in site.rglob("*.html") if foreign.search(file.read_text(encoding="utf-8"))] == []
    styles = [*site.rglob("*.css")]
    assert styles and not [
        str(file) for file in styles if re.search(r"url\(['\"]?https?://", file.read_text(encoding="utf-8"))
    ]
    fonts = {
        name for style in styles for name in re.findall(r"url\((fonts/KaTeX[^)]+)\)", style.read_text(encoding="utf-8"))
    }
    assert fonts and all((site / "assets" / "katex" / name).is_file() for name in fonts)

    # Six groups after the first page, and every page in one of them.
    home = (site / "index.html").read_text(encoding="utf-8")
    tabs = re.search(r'<nav class="md-tabs".*?</nav>', home, re.DOTALL)
    assert tabs and [" ".join(tab.split()) for tab in re.findall(r"<a [^>]*>([^<]*)</a>", tabs[0])] == GROUPS
    linked = {urlparse(link).path.removeprefix("./") for link in pages[""].links}
    reports = {address for address in pages if address.startswith("reports/")}  # which a page links
    assert {address for address in pages if address not in ("", "404.html")} - reports <= linked

    # What search splits at leaves names whole; guides come before the API; and formulas await KaTeX.
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert index["config"]["pipeline"] == ["stemmer", "trimmer"]
    words = {
        word
        for entry in index["docs"]
        for word in re.split(index["config"]["separator"], re.sub(r"<[^>]+>", " ", entry["text"]).lower())
    }
    assert {"kl", "no_kl", "kl_bound", "tensorboard", "own", "environment"} <= words
    boosts = {entry["location"].split("#")[0]: entry.get("boost", 1) for entry in index["docs"]}
    assert boosts["tracking/"] == 1 and boosts["api/tracking/"] < 1
    algorithm = (site / "reppo" / "index.html").read_text(encoding="utf-8")
    assert algorithm.count('class="arithmatex"') > 20 and "$" not in re.sub(r"<script.*?</script>", "", algorithm)
    assert "self.step_order.run(" in re.sub(r"<[^>]+>", "", algorithm)


def test_links_that_lead_nowhere_are_found(tmp_path: Path):
    (tmp_path / "picture.png").touch()
    there = Page("there/")
    there.feed('<h2 id="part">')
    here = Page("")
    here.feed(
        '<a href="there/#part"></a><img src="picture.png"><a href="https://elsewhere/x"></a><a href="mailto:x"></a>'
    )
    here.feed('<a href="there/#other"></a><a href="nowhere/"></a><img src="gone.png">')
    found = dangling(tmp_path, {"": here, "there/": there})
    assert found == ["home: there/#other", "home: nowhere/", "home: gone.png"]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_files_outside_the_site_lead_to_files_and_headings(name: str):
    found = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", (ROOT / name).read_text(encoding="utf-8"))
    assert name == "CHANGELOG.md" or found
    for path, anchor in found:
        file = ROOT / path if path else ROOT / name
        assert file.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [
                re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings
            ]
