"""The documentation in a headless Chromium: `make test-browser`. REPPO_SCREENSHOTS names a folder for pictures."""

import json
import os
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.chromium import Tab, chromium
from tests.docs.pages import read_site

pytestmark = pytest.mark.browser

LOOKS = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]

# Everything that sticks out to the right without a box around it that scrolls, words that a table breaks, and formulas
# that are not drawn.
MEASURE = """
await document.fonts.ready;
for (let i = 0; i < 600 && document.querySelector(".arithmatex:not(:has(.katex))"); i++)
  await new Promise((resolve) => setTimeout(resolve, 100));
const broken = [];
for (const cell of document.querySelectorAll("td, th")) {
  const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode;
    for (const match of text.data.matchAll(/[\\w]{4,}/g)) {
      const range = document.createRange();
      range.setStart(text, match.index); range.setEnd(text, match.index + match[0].length);
      if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) broken.push(match[0]);
    }
  }
}
const first = document.querySelector("article pre > code");
return {
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  broken,
  formulas: document.querySelectorAll(".arithmatex:not(:has(.katex)), .katex-error").length,
  cut: first ? first.scrollWidth - first.clientWidth : 0,
  scheme: document.body.dataset.mdColorScheme,
};
"""

SEARCH = """
const box = document.querySelector("[data-md-component=search-result]");
const input = document.querySelector("[data-md-component=search-query]");
const meta = box.querySelector(".md-search-result__meta");
const until = async (done) => {
  for (let i = 0; i < 600 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 100));
};
const type = (text) => { input.value = text; input.dispatchEvent(new Event("keyup", { bubbles: true })); };
input.focus();
await until(() => !/Initializing/.test(meta.textContent));
type("");
await until(() => /Type to/.test(meta.textContent));
type(QUERY);
await until(() => /match|No/.test(meta.textContent));
await new Promise((resolve) => setTimeout(resolve, 300));
return [...box.querySelectorAll("a.md-search-result__link")].map((link) => link.pathname + link.hash);
"""

PAGES = ["", "first-study/", "reppo/", "faq/", "cli/", "catalog/", "report/", "api/losses/"]


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served: its search needs more than files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def forget_theme(tab: Tab, address: str) -> None:
    """So that the theme is again that of the system."""
    tab.go("about:blank")
    tab.send("Storage.clearDataForOrigin", origin=address.rstrip("/"), storageTypes="local_storage")


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_every_page_fits_without_complaint(tab: Tab, address: str, site: Path, width: int, theme: str):
    """No errors on the console, nothing wider than the window, whole words in tables, drawn formulas."""
    tab.look(width, theme)
    forget_theme(tab, address)
    found = {}
    for page in read_site(site):
        tab.go(address + page)
        seen = tab.run(MEASURE)
        assert seen["scheme"] == {"light": "default", "dark": "slate"}[theme], page
        if tab.complaints or seen["wide"] > 0 or seen["broken"] or seen["formulas"]:
            found[page] = (tab.complaints, seen)
        if width == 390 or page in ("", "first-study/"):
            assert seen["cut"] <= 0, f"The first code of {page or 'home'} is cut by {seen['cut']} pixels."
    assert found == {}


def test_complaints_and_what_does_not_fit_are_noticed(tab: Tab, address: str):
    tab.look(390, "light")
    tab.go(address)
    tab.run(
        """
        console.error("noticed");
        const wide = document.createElement("div"); wide.style.width = "2000px"; wide.textContent = "x";
        document.querySelector("article").append(wide);
        const table = document.createElement("table"); table.style = "table-layout: fixed; width: 3em";
        table.innerHTML = '<tr><td style="padding: 0; min-width: 0; word-break: break-all">unbreakable</td></tr>';
        document.body.append(table);
        """
    )
    seen = tab.run(MEASURE)
    assert seen["wide"] > 0 and "unbreakable" in seen["broken"] and any("noticed" in c for c in tab.complaints)


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ("no_kl", "catalog"),
        ("kl/no_kl", "catalog"),
        ("kl_bound", "api/losses|first-study"),
        ("tensorboard", "tracking"),
        ("own environment", "environments|suites"),
    ],
)
def test_search_finds(tab: Tab, address: str, query: str, pages: str):
    tab.look(1280, "light")
    tab.go(address)
    found = tab.run(SEARCH.replace("QUERY", json.dumps(query)))
    assert any(re.match(f"/({pages})", link) for link in found[:4]), found


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_pictures(tab: Tab, address: str, width: int, theme: str, tmp_path: Path):
    out = Path(os.environ.get("REPPO_SCREENSHOTS", tmp_path))
    out.mkdir(parents=True, exist_ok=True)
    tab.look(width, theme, height=1600)
    forget_theme(tab, address)
    for page in PAGES:
        tab.go(address + page)
        tab.run(MEASURE)
        file = out / f"{page.strip('/').replace('/', '-') or 'home'}-{width}-{theme}.png"
        tab.picture(file)
        assert file.stat().st_size > 10_000
