"""The report page in a headless Chromium: `make test-browser`. REPPO_SCREENSHOTS names a folder that keeps pictures."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reppo.analysis import load_report, write_report
from tests.analysis.synthetic import make_results
from tests.chromium import Tab, chromium

pytestmark = pytest.mark.browser

RIVAL = "other:kl/no_kl+value/mse"
ARMS = {"base": 0.8, "kl/no_kl": 0.4, "value/mse": 0.6, "kl/no_kl+value/mse": 0.35, RIVAL: 0.8}
TASKS = ["CheetahRun", "HopperHop", "WalkerWalk"]
WIDTHS = [390, 768, 1280, 1920]

HELPERS = """
const texts = (rows, i) => rows.filter((row) => !row.hidden).map((row) => row.cells[i].textContent);
const head = (table, name) => [...table.tHead.rows[0].cells].find((cell) => cell.textContent.trim() === name);
const column = (table, name) => head(table, name).cellIndex;
const click = (table, name) => head(table, name).querySelector("button").click();
const type = (input, text) => { input.value = text; input.dispatchEvent(new Event("input")); };
const choose = (select, value) => { select.value = value; select.dispatchEvent(new Event("change")); };
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_results(
        tmp_path_factory.mktemp("browser") / "r", ARMS, TASKS, 6, reports=4, steps=6_000_000,
        diverged=[("kl/no_kl", "HopperHop", 2)],
    )  # fmt: skip
    return write_report(load_report(folder, against=["published:reppo-large"]), folder / "report")[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Tab]:
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Tab, page: Path) -> Iterator[Tab]:
    """The page at 1280 pixels, of which nothing has come on the console in the end."""
    browser.open(page)
    yield browser
    assert browser.complaints == []


def in_page(browser: Tab, script: str) -> Any:
    return browser.run(f"{HELPERS}\n{script}")


def test_errors_on_the_console_are_seen(browser: Tab, page: Path):
    broken = page.with_name("broken.html")
    broken.write_text(page.read_text().replace("const heads = [...runs", "undefinedName(); const heads = [...runs"))
    browser.open(broken)
    assert any("undefinedName" in line for line in browser.complaints)


def test_tables_sort_by_value_both_ways(opened: Tab):
    up, down, state, words = in_page(
        opened,
        """
        const table = document.querySelector("#table-effects table");
        const read = (name) => texts([...table.tBodies[0].rows], column(table, name));
        click(table, "estimate"); const up = read("estimate");
        click(table, "estimate"); const down = read("estimate");
        const state = head(table, "estimate").getAttribute("aria-sort");
        click(table, "arm");
        return [up, down, state, read("arm")];
        """,
    )
    values = [float(text.split(" ")[0].replace("−", "-")) for text in up]
    assert values == sorted(values) and len(values) == 4 and down == up[::-1] and state == "descending"
    assert words == ["kl/no_kl", "kl/no_kl+value/mse", RIVAL, "value/mse"]


def test_unknown_values_stay_last(opened: Tab):
    first, last = in_page(
        opened,
        """
        const table = document.querySelector("#table-tasks table");
        const read = () => texts([...table.tBodies[0].rows], column(table, "difference"));
        click(table, "difference"); const once = read();
        click(table, "difference"); const twice = read();
        return [once, twice];
        """,
    )
    assert first[-3:] == last[-3:] == ["–"] * 3 and "–" not in first[:-3] and first[0] == last[-4]


def test_tables_filter(opened: Tab):
    shown, count, everything = in_page(
        opened,
        """
        const box = document.querySelector("#table-tasks");
        const input = document.querySelector("#filter-tasks");
        type(input, "hopper NO_KL");
        const shown = texts([...box.querySelector("table").tBodies[0].rows], 1);
        const count = box.previousElementSibling.querySelector("output").textContent;
        type(input, "");
        return [shown, count, texts([...box.querySelector("table").tBodies[0].rows], 1).length];
        """,
    )
    assert shown == ["kl/no_kl", "kl/no_kl+value/mse", RIVAL] and count == "3 of 15 rows" and everything == 15


def test_runs_are_paged_sorted_filtered_and_opened(opened: Tab):
    outcome = in_page(
        opened,
        """
        const table = document.querySelector("#runs");
        const rows = () => [...table.tBodies[0].rows];
        const count = () => document.querySelector("#runs-count").textContent;
        const start = count();
        document.querySelector("#runs-more").click();
        const more = [count(), document.querySelector("#runs-more").hidden];
        click(table, "final return"); const up = texts(rows(), 5);
        click(table, "final return"); const down = texts(rows(), 5);
        choose(document.querySelector("#runs-status"), "diverged");
        const lost = rows().map((row) => [...row.cells].map((cell) => cell.textContent));
        rows()[0].querySelector("button").click();
        const detail = document.querySelector("#detail");
        return { start, more, up, down, lost, open: !detail.hidden, text: detail.textContent,
                 path: detail.querySelector("path").getAttribute("d"), cross: detail.querySelectorAll(".lost").length,
                 marked: rows().map((row) => row.className),
                 expanded: table.querySelectorAll("[aria-expanded=true]").length,
                 axes: [...detail.querySelectorAll("svg text")].map((text) => text.textContent) };
        """,
    )
    assert outcome["start"] == "50 of 90 runs" and outcome["more"] == ["90 of 90 runs", True]
    values = [float(text.replace(",", "").replace("−", "-")) for text in outcome["up"]]
    assert values == sorted(values) and outcome["down"] == outcome["up"][::-1]
    assert [row[:4] for row in outcome["lost"]] == [["kl/no_kl", "HopperHop", "2", "diverged"]]
    assert outcome["open"] and "kl/no_kl on HopperHop, seed 2" in outcome["text"] and "actor/kl" in outcome["text"]
    assert re.fullmatch(r"M[\d. ]+(L[\d. ]+){4}", outcome["path"]) and outcome["cross"] == 1
    assert outcome["marked"] == ["open"] and outcome["expanded"] == 1
    assert {"0", "1M", "2M", "3M", "200", "environment steps", "evaluation return"} <= set(outcome["axes"])


def test_theme_button_and_contrast(opened: Tab):
    """Text has a contrast of 4.5 to 1 or more in both themes (WCAG 2.2 AA)."""
    found = in_page(
        opened,
        """
        const luminance = (color) => {
          const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (element) => {
          for (let e = element; e; e = e.parentElement) {
            const color = getComputedStyle(e).backgroundColor;
            if (!/, 0\\)$|transparent/.test(color)) return color;
          }
          return "rgb(255, 255, 255)";
        };
        const button = document.querySelector("#theme");
        const found = [];
        for (const theme of ["light", "dark"]) {
          button.click();
          let worst = 99;
          for (const e of document.querySelectorAll("p, li, a, td, th, button, caption, figcaption, span, summary")) {
            const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))].sort((x, y) => y - x);
            worst = Math.min(worst, (a + 0.05) / (b + 0.05));
          }
          found.push([button.textContent, getComputedStyle(document.body).backgroundColor, worst]);
        }
        button.click();
        return [found, button.textContent];
        """,
    )
    (light, dark), last = found
    assert light[:2] == ["Theme: light", "rgb(255, 255, 255)"] and dark[:2] == ["Theme: dark", "rgb(22, 24, 27)"]
    assert min(light[2], dark[2]) >= 4.5 and last == "Theme: auto"


def test_whole_heads_sort_by_click_and_by_key(opened: Tab):
    for table in ("#table-tasks", "#runs"):
        find = f"const cell = document.querySelectorAll('{table} th')[1];"
        left, top = opened.run(
            f"{find} cell.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            "const box = cell.getBoundingClientRect(); return [box.left, box.top];"
        )
        state = f"{find} return cell.getAttribute('aria-sort');"
        assert opened.run(state) is None
        opened.click(left + 2, top + 2)
        assert opened.run(state) == "ascending", table
        opened.run(f"{find} cell.querySelector('button').focus();")
        opened.press("Enter")
        assert opened.run(state) == "descending", table
        opened.press(" ")
        assert opened.run(state) == "ascending", table
        opened.press("Tab")
        opened.press("Enter")
        assert opened.run(state) is None, table


def test_a_run_is_chosen_by_key_and_keeps_the_focus(opened: Tab):
    opened.run("document.querySelector('#runs tbody tr:nth-child(2) button').focus();")
    opened.press("Enter")
    marked = "return [...document.querySelectorAll('#runs tr.open')].map((row) => row.rowIndex);"
    assert opened.run(marked) == [2]
    assert opened.run("return document.activeElement.closest('tr').rowIndex;") == 2
    opened.press("Tab")
    opened.press("Enter")
    assert opened.run(marked) == [3]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_or_hidden(opened: Tab, page: Path, width: int):
    """What is wider than the window is in a box that scrolls and says so; letters in figures have 9.4 pixels."""
    opened.open(page, width)
    full, cut, boxes, small, names, links = opened.run(
        """
        const within = ".scroll, .tablebox, pre";
        const cut = [...document.querySelectorAll("body *:not(.skip)")]
          .filter((e) => !e.parentElement.closest(within) && e.getBoundingClientRect().right > innerWidth + 1)
          .map((e) => e.outerHTML.slice(0, 80));
        const boxes = [...document.querySelectorAll(within)].filter((e) => e.scrollWidth > e.clientWidth)
          .map((e) => [e.getAttribute("aria-label") || e.tagName, getComputedStyle(e).overflowX,
                       /gradient/.test(getComputedStyle(e).backgroundImage)]);
        const scale = (svg) => svg.clientWidth / svg.viewBox.baseVal.width;
        const small = [...document.querySelectorAll("figure svg text")]
          .filter((e) => parseFloat(getComputedStyle(e).fontSize) * scale(e.ownerSVGElement) < 9.4)
          .map((e) => e.textContent);
        const named = [...document.querySelectorAll("svg, [role=region], [role=group], input, select, button")]
          .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")));
        const links = [...document.querySelectorAll("nav a")].every((link) => {
          const box = link.getBoundingClientRect();
          return link.textContent && box.width && box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
        });
        return [document.documentElement.scrollWidth, cut, boxes, small, named.length, links];
        """
    )
    assert full == width and cut == [] and small == [] and names == 0 and links
    assert all(scrolls == "auto" and cue for _, scrolls, cue in boxes), boxes
    if width >= 1280:
        assert boxes == []
        wrapped = "return [...document.querySelectorAll('td:not(.long)')].filter((e) => e.clientHeight > 40).length;"
        parts = "return ['#curves .drawn', 'main'].map((part) => document.querySelector(part).clientWidth);"
        drawn, whole = opened.run(parts)
        assert opened.run(wrapped) == 0 and drawn > 0.85 * whole
    else:
        assert boxes


def test_the_theme_of_the_system(opened: Tab, page: Path):
    color = "return getComputedStyle(document.body).backgroundColor;"
    assert opened.run(color) == "rgb(255, 255, 255)"
    opened.open(page, theme="dark")
    assert opened.run(color) == "rgb(22, 24, 27)"


def test_on_paper_everything_is_there(opened: Tab):
    opened.send("Emulation.setEmulatedMedia", media="print")
    hidden, boxes = opened.run(
        """
        const boxes = [...document.querySelectorAll(".tablebox, .scroll")].filter((e) =>
          e.scrollHeight > e.clientHeight + 2 && getComputedStyle(e).overflowY !== "visible");
        return [getComputedStyle(document.querySelector("nav")).display, boxes.length];
        """
    )
    assert hidden == "none" and boxes == 0
    assert opened.printed().startswith(b"%PDF")


def test_without_scripts_everything_but_the_runs_is_there(opened: Tab, page: Path):
    opened.open(page, script=False)
    rows, tools, note = opened.run(
        """
        return [document.querySelectorAll("#table-tasks tbody tr").length,
                getComputedStyle(document.querySelector(".tools")).display,
                document.querySelector("#all-runs noscript").getBoundingClientRect().height];
        """
    )
    assert rows == 15 and tools == "none" and note > 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_screenshots(opened: Tab, page: Path, theme: str, width: int, tmp_path: Path):
    out = Path(os.environ.get("REPPO_SCREENSHOTS", tmp_path))
    out.mkdir(parents=True, exist_ok=True)
    opened.open(page, width, theme=theme)
    picture = out / f"{width}-{theme}.png"
    opened.picture(picture, whole=True)
    assert picture.stat().st_size > 50_000
