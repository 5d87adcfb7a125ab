"""The report page in a headless Chromium: `make test-browser`. REPPO_SCREENSHOTS names a folder that keeps pictures."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reppo.analysis import load_report, write_report
from tests.analysis.synthetic import make_results

pytestmark = pytest.mark.browser

ARMS = {"base": 0.8, "kl/no_kl": 0.4, "value/mse": 0.6, "kl/no_kl+value/mse": 0.35, "network/other": 0.8}
TASKS = ["CheetahRun", "HopperHop", "WalkerWalk"]

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


def chromium(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    known = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in known if (found := shutil.which(name))), "")
    assert program, "No Chromium is installed. On Debian: apt-get install chromium"
    profile = page.parent / "profile"
    command = [
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}",
        "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND", *options, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def run_in_page(page: Path, script: str, width: int | None = None) -> Any:
    """What a script returns that runs in the page after its own, in a window or in a frame of the given width."""
    name = f"try{abs(hash((script, width)))}"
    body = (
        f"<script>{HELPERS}\nconst outcome = JSON.stringify((() => {{ {script} }})());\n"
        'const note = document.createElement("pre"); note.id = "outcome"; note.textContent = outcome;\n'
        'document.body.append(note); parent.postMessage(outcome, "*");</script>'
    )
    inner = page.with_name(f"{name}.html")
    inner.write_text(page.read_text().replace("</body>", body + "</body>"))
    target = inner
    if width is not None:
        target = page.with_name(f"{name}-frame.html")
        target.write_text(
            '<!DOCTYPE html><body><script>addEventListener("message", (event) => {'
            'const note = document.createElement("pre"); note.id = "outcome"; note.textContent = event.data;'
            "document.body.append(note); });</script>"
            f'<iframe src="{inner.name}" width="{width}" height="900"></iframe>'
        )
    done = chromium(target, "--window-size=1280,1000", "--dump-dom", "--virtual-time-budget=5000")
    assert complaints(done) == []
    found = re.findall(r'<pre id="outcome">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-500:]
    return json.loads(html.unescape(found[-1]))


def test_no_errors_on_the_console(page: Path):
    assert complaints(chromium(page, "--dump-dom")) == []
    broken = page.with_name("broken.html")
    broken.write_text(page.read_text().replace("const heads = [...runs", "undefinedName(); const heads = [...runs"))
    assert any("undefinedName" in line for line in complaints(chromium(broken, "--dump-dom")))


def test_tables_sort_by_value_both_ways(page: Path):
    up, down, state, words = run_in_page(
        page,
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
    assert words == ["kl/no_kl", "kl/no_kl+value/mse", "network/other", "value/mse"]


def test_unknown_values_stay_last(page: Path):
    first, last = run_in_page(
        page,
        """
        const table = document.querySelector("#table-tasks table");
        const read = () => texts([...table.tBodies[0].rows], column(table, "difference"));
        click(table, "difference"); const once = read();
        click(table, "difference"); const twice = read();
        return [once, twice];
        """,
    )
    assert first[-3:] == last[-3:] == ["–"] * 3 and "–" not in first[:-3] and first[0] == last[-4]


def test_tables_filter(page: Path):
    shown, count, everything = run_in_page(
        page,
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
    assert shown == ["kl/no_kl", "kl/no_kl+value/mse"] and count == "2 of 15 rows" and everything == 15


def test_runs_are_paged_sorted_filtered_and_opened(page: Path):
    outcome = run_in_page(
        page,
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
                 path: detail.querySelector("path").getAttribute("d") };
        """,
    )
    assert outcome["start"] == "50 of 90 runs" and outcome["more"] == ["90 of 90 runs", True]
    values = [float(text.replace(",", "").replace("−", "-")) for text in outcome["up"]]
    assert values == sorted(values) and outcome["down"] == outcome["up"][::-1]
    assert [row[:4] for row in outcome["lost"]] == [["kl/no_kl", "HopperHop", "2", "diverged"]]
    assert outcome["open"] and "kl/no_kl on HopperHop, seed 2" in outcome["text"] and "actor/kl" in outcome["text"]
    assert re.fullmatch(r"M[\d. ]+(L[\d. ]+){4}", outcome["path"])


def test_theme_button_and_contrast(page: Path):
    """Text has a contrast of 4.5 to 1 or more in both themes (WCAG 2.2 AA)."""
    found = run_in_page(
        page,
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


@pytest.mark.parametrize("width", [390, 1280])
def test_only_figures_and_tables_scroll_sideways(page: Path, width: int):
    inner, full, names = run_in_page(
        page,
        """
        const named = [...document.querySelectorAll("svg, [role=region], [role=group], input, select, button")]
          .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")));
        return [innerWidth, document.documentElement.scrollWidth, named.length];
        """,
        width,
    )
    assert inner == width and full <= inner and names == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("desktop", 1280), ("phone", 390)])
def test_screenshots(page: Path, theme: str, name: str, width: int, tmp_path: Path):
    out = Path(os.environ.get("REPPO_SCREENSHOTS", tmp_path))
    out.mkdir(parents=True, exist_ok=True)
    frame = page.with_name(f"{name}-{theme}.html")
    frame.write_text(
        f'<!DOCTYPE html><body style="margin:0"><iframe src="{page.name}?theme={theme}" width="{width}" height="3000" '
        'style="border:0"></iframe>'
    )
    picture = out / f"{name}-{theme}.png"
    done = chromium(frame, f"--window-size={max(width, 500)},3000", f"--screenshot={picture}")
    assert complaints(done) == [] and picture.stat().st_size > 50_000
