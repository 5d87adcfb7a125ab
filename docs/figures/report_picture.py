"""Draws the picture of a report that README and documentation show: `make picture`.

From the results of a quickstart that has just been run it writes three things that belong together: `report.png`, the
top of the report's page in Chromium; the lines of `docs/report.md` that say the same in words; and `report.json`, by
which a test notices when one of them is older than the others, or than what a quickstart gives today.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PICTURE = Path(__file__).with_name("report.png")
NOTE = Path(__file__).with_name("report.json")
PAGE = ROOT / "docs" / "report.md"
EXPERIMENT = ROOT / "experiments" / "quickstart.py"
BEGIN, END = "<!-- report.png in words, by make picture -->\n", "<!-- end -->"
SIZE = 1180


def digest(value: Any) -> str:
    """A hash of bytes, or of what JSON makes of a value."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def runs_today() -> list[str]:
    """The ids of the quickstart's runs, which stand for all that it is declared to do."""
    from reppo.sweep.experiment_file import load_experiment

    return sorted(run.id for run in load_experiment(EXPERIMENT).runs())


def changes_today() -> list[str]:
    """What the changelog says to make a run give other numbers."""
    return re.findall(
        r"### Changes results\n(.*?)(?=\n##|\Z)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.DOTALL
    )


def words(results: Path) -> str:
    """What the picture says, as Markdown."""
    from reppo.analysis import load_report
    from reppo.results import load_results

    report, runs = load_report(results), load_results(results)
    seeds = len({run.record.seed for run in runs})
    steps = f"{max(run.record.environment_steps for run in runs):,}".replace(",", " ")
    lines = [
        f"*The report of the quickstart, {seeds} seeds of {steps} steps on a {runs[0].record.backend.upper()}. "
        "So few seeds and steps show little, and it says so.* In words:",
        "",
        f"> {report.question} {report.summary}",
        ">",
        *(f"> {place}. {finding.arm} {finding.sentence}" for place, finding in enumerate(report.findings, 1)),
        ">",
        *(f"> {caveat}" for caveat in report.caveats),
    ]
    return "\n".join(lines) + "\n"


def draw(page: Path, picture: Path) -> None:
    """Writes the top of a page as a PNG with few colors."""
    from PIL import Image

    known = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in known if (found := shutil.which(name))), None)
    if program is None:
        sys.exit("No Chromium is installed. On Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.png"
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={folder}/profile", f"--window-size={SIZE},{SIZE}", f"--screenshot={raw}",
            f"{page.resolve().as_uri()}?theme=light",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        Image.open(raw).convert("RGB").quantize(64).save(picture, optimize=True)


def shown(page: str) -> str:
    """The lines of the page that say what the picture says."""
    return page.split(BEGIN)[1].split(END)[0]


def state() -> dict[str, str]:
    """Hashes of picture and words as they are, and of what a quickstart would give today."""
    return {
        "picture": digest(PICTURE.read_bytes()),
        "words": digest(shown(PAGE.read_text(encoding="utf-8"))),
        "runs": digest(runs_today()),
        "changes": digest(changes_today()),
    }


def faults(noted: dict[str, str], now: dict[str, str]) -> list[str]:
    """Why the picture is not of today's quickstart; empty if it is."""
    reasons = {
        "picture": f"{PICTURE.name} is not the one that was drawn with the words",
        "words": f"the words in {PAGE.name} are not those of the picture",
        "runs": f"{EXPERIMENT.name} declares other runs than those of the picture",
        "changes": "the changelog has results that changed since",
    }
    return [reason for key, reason in reasons.items() if noted.get(key) != now[key]]


def main(results: Path) -> None:
    """Draws the picture, and writes what goes with it."""
    from reppo.results import load_results

    records = [run.record for run in load_results(results)]
    if sorted(record.run_id for record in records if record.status == "finished") != runs_today():
        sys.exit(f"{results} does not hold today's quickstart, whole and finished: run {EXPERIMENT.name} anew.")
    page = PAGE.read_text(encoding="utf-8")
    draw(results / "report" / "index.html", PICTURE)
    PAGE.write_text(page.replace(BEGIN + shown(page) + END, BEGIN + words(results) + END), encoding="utf-8")
    NOTE.write_text(json.dumps(state(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
