import csv
import html.parser
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reppo.analysis import (
    build_report,
    compare,
    compare_results,
    learning_curves,
    load_report,
    power_table,
    published,
    score_table,
    write_report,
)
from reppo.analysis.report.findings import finding
from reppo.analysis.report.sections.published import compare_with_published
from reppo.analysis.tables.specs import arm_changes, circumstances
from reppo.cli import main
from reppo.errors import ConfigurationError
from reppo.results import ResultsFolder, RunData, load_results
from tests.analysis.synthetic import make_results

ARMS = {"base": 0.8, "kl/no_kl": 0.4, "value/mse": 0.6, "kl/no_kl+value/mse": 0.35, "network/other": 0.8}
TASKS = ["CheetahRun", "HopperHop", "WalkerWalk"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(
        tmp_path_factory.mktemp("report") / "r",
        ARMS,
        TASKS,
        seeds=6,
        evaluations=6,
        reports=4,
        steps=6_000_000,
        diverged=[("kl/no_kl", "HopperHop", 2)],
        name="a <study>",
    )


@pytest.fixture(scope="module")
def report(folder: Path):
    return load_report(folder, against=["published:reppo-large"])


def test_the_answer_comes_first_and_is_ranked(report):
    assert report.question == "What do 4 arms change on 3 tasks, compared with base seed by seed?"
    assert [one.arm for one in report.findings] == ["kl/no_kl+value/mse", "kl/no_kl", "value/mse", "network/other"]
    assert [one.verdict for one in report.findings] == ["worse", "worse", "worse", "unclear"]
    first, last = report.findings[0].sentence, report.findings[-1].sentence
    assert first.startswith("lowers the return over 3 tasks (−") and "6 seeds per task" in first
    assert "lower on 3 and higher on 0 of 3 tasks" in first and last.startswith("is not shown to change")
    assert report.summary.startswith("base reaches ")


def test_only_the_corrected_p_value_makes_a_difference_and_the_task_named_is_the_most_extreme(folder: Path):
    whole, *parts = [effect for effect in compare(score_table(load_results(folder))) if effect.arm == "kl/no_kl"]
    sure, unsure = (replace(whole, p=0.01, p_holm=p, smallest_p=0.001) for p in (0.04, 0.06))
    assert [finding(effect, parts, False, "return").verdict for effect in (sure, unsure)] == ["worse", "unclear"]
    worst, best = (choose(parts, key=lambda part: part.estimate) for choose in (min, max))
    assert worst.task != best.task
    assert f"most on {worst.task} (" in finding(sure, parts, False, "return").sentence
    raised = replace(sure, estimate=-sure.estimate)
    assert f"most on {best.task} (" in finding(raised, parts, False, "return").sentence


def test_numbers_of_the_answer_are_those_of_the_statistics(report, folder: Path):
    effects = [e for e in compare(score_table(load_results(folder))) if e.task is None]
    table = report.table("effects")
    assert dict(zip(table["arm"], table["estimate"], strict=True)) == {e.arm: e.estimate for e in effects}
    worst = min(effects, key=lambda e: e.estimate)
    assert f"(−{-worst.estimate:.0f} [−{-worst.low:.0f}, −{-worst.high:.0f}]" in report.findings[0].sentence


def test_caveats_name_what_is_weak(report):
    text = " ".join(report.caveats)
    assert "as few as 6 runs" in text and "1 of kl/no_kl" in text and "not paired" in text
    assert "Value targets lay outside the support" not in text
    assert "no score yet" not in report.summary


def test_questions_of_ablations_stand_with_the_findings(folder: Path, tmp_path: Path):
    asked = {"kl/no_kl": "Is the KL term needed?", "value/mse": "Are <categorical> critics needed?"}
    found = build_report(load_results(folder), questions=asked)
    by_arm = {one.arm: one.question for one in found.findings}
    assert by_arm["kl/no_kl+value/mse"] == " ".join(asked.values()) and by_arm["network/other"] == ""
    text = write_report(found, tmp_path, ("html", "md"))[0].read_text()
    assert "Are &lt;categorical&gt; critics needed?" in text and "<categorical>" not in text
    ResultsFolder.open(folder).update_experiment({"id": "0123456789ab", "name": "a <study>", "questions": asked})
    assert load_report(folder).findings == found.findings


def test_saturated_support_and_unfinished_runs_are_caveats(tmp_path: Path):
    path = make_results(tmp_path / "r", {"base": 0.5, "a": 0.4}, ["T"], 3, reports=2, unfinished=[("a", "T", 0)])
    run = load_results(path)[0].folder
    run.append_metrics(100_000, {"targets/outside_support": (0.5, 0.5, 0.5)})
    found = load_report(path)
    text = " ".join(found.caveats)
    assert "outside the support" in text and "1 of 6 runs are not finished" in text
    assert "compared at the last step at which all runs were evaluated (50k)" in found.score
    assert found.table("failures").rows()[0]["at_steps"] == 50_000


def test_arms_are_described_by_what_they_change(report):
    rows = [row for row in report.table("changes").rows() if row["arm"] == "kl/no_kl"]
    changed = {row["path"]: (row["base"], row["arm's"], row["on"]) for row in rows}
    before = "ClippedKL(kl_bound=0.1, num_samples=4)"
    assert changed["algorithm.actor_loss.objective"] == (before, "Unconstrained()", "all tasks")


def test_versions_that_differ_are_told(folder: Path):
    results = load_results(folder)
    odd = replace(results[0], record=replace(results[0].record, versions={"jax": "0.9"}, device="other"))
    rows = {(row["what"], row["value"]): row["runs"] for row in circumstances([odd, *results[1:]])}
    assert rows["jax", "0.9"] == "1" and rows["device", "other"] == "1" and rows["backend", "cpu"] == "all"
    found = build_report([odd, *results[1:]], metrics=[run.folder.read_metrics() for run in results])
    assert any("Runs differ in" in text and "device" in text for text in found.caveats)


def test_designs_give_interactions(report):
    section = report.section("design")
    assert [table.name for table in section.tables] == ["factorial", "shapley", "agreement"]
    terms = {row["term"]: row["estimate"] for row in report.table("factorial").rows()}
    assert terms["kl/no_kl"] > terms["value/mse"] > 0 and "kl/no_kl x value/mse" in terms


def test_arms_without_a_common_seed_are_unknown(folder: Path):
    runs = [r for r in load_results(folder) if (r.record.arm == "base") == (r.record.seed < 3)]
    effects = compare(score_table(runs))
    one = finding(effects[0], [], False, "return")
    assert one.verdict == "unknown" and "nothing can be said" in one.sentence
    assert build_report(runs).findings


def test_a_task_without_published_runs_is_said_to_have_none(tmp_path: Path):
    results = load_results(make_results(tmp_path / "r", {"base": 0.8, "x": 0.4}, ["NobodysTask"], 3))
    alone = build_report(results, against=["reppo-large"])
    assert "No curve of reppo-large was published on NobodysTask." in alone.caveats
    assert not any("unpaired" in text or "not paired" in text for text in alone.caveats)
    assert "published" not in [section.key for section in alone.sections]
    assert not any("as published" in section.text for section in alone.sections)


def test_published_runs_are_compared_at_equal_steps(folder: Path):
    curves = {c.environment: c for c in learning_curves(load_results(folder)) if c.arm == "base"}
    (other,) = published("reppo-large", ["CheetahRun"])
    row = compare_with_published(curves["CheetahRun"], other)
    assert isinstance(row, dict) and row["environment_steps"] == 6_000_000 and row["runs"] == 6
    tip = other.at(6_000_000)
    assert tip is not None and row["published"] == tip[0]
    ordered = np.sort(curves["CheetahRun"].returns[:, -1])
    np.testing.assert_allclose(row["estimate"], ordered[1:-1].mean())
    late = replace(curves["CheetahRun"], environment_steps=curves["CheetahRun"].environment_steps * 100)
    row = compare_with_published(late, other)
    assert isinstance(row, str) or row["environment_steps"] == 50_000_000  # its first evaluation is later than that
    early = replace(curves["CheetahRun"], environment_steps=np.arange(1, 7) * 1000)
    assert "its first published evaluation is at" in str(compare_with_published(early, other))
    assert compare_with_published(None, other) == "was not run"


class Checker(html.parser.HTMLParser):
    """Collects what a page refers to, and whether its elements are closed in order."""

    VOID = {"meta", "link", "input", "br", "use"}
    OPTIONAL = {"tr", "td", "th"}

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(values["id"])
        if tag == "a":
            self.links.append(values["href"])
        self.sources += [values[name] for name in ("src", "href") if tag != "a" and values.get(name)]
        if tag not in self.VOID | self.OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID | self.OPTIONAL:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID | self.OPTIONAL:
            assert self.open.pop() == tag


def test_the_page_stands_alone(report, tmp_path: Path):
    (page,) = write_report(report, tmp_path)
    assert page == tmp_path / "index.html"
    text = page.read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == [] and len(checker.ids) == len(set(checker.ids))
    assert all(link.startswith("#") and link[1:] in checker.ids for link in checker.links)
    assert all(source.startswith(("#", "data:")) for source in checker.sources)
    loads = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "http://www.w3.org/2000/svg" in loads  # a name in the script
    assert not re.findall(r"https?://(?!www\.w3\.org/)", loads)
    assert "a &lt;study&gt;" in text and "<study>" not in text
    assert text.index('id="answer"') < text.index("<svg")
    assert text.count("<svg") == text.count('role="img" aria-label=')


def test_the_page_holds_every_run(report, tmp_path: Path):
    text = write_report(report, tmp_path)[0].read_text()
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert len(data["curves"]) == len(report.runs) == len(ARMS) * len(TASKS) * 6
    column = data["columns"].index("final_return")
    labels, values = data["labels"][column], data["values"][column]
    shown = [labels[v] if labels else v for v in values]
    np.testing.assert_allclose(shown, list(report.runs["final_return"]), rtol=1e-3)
    assert len(data["curves"][0]) == 6 and data["curves"][0][-1] in data["heights"]


def test_every_format_is_written(report, tmp_path: Path):
    written = write_report(report, tmp_path, ("html", "md", "latex", "csv"), ("svg", "pdf"))
    assert all(path.exists() for path in written) and len(written) == len(set(written))
    with open(tmp_path / "runs.csv") as stream:
        assert len(list(csv.DictReader(stream))) == len(report.runs)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# a &lt;study&gt;\n") and "1. **kl/no_kl+value/mse** lowers" in text
    for picture in re.findall(r"\]\((figures/[\w]+\.png)\)", text):
        assert (tmp_path / picture).exists()
    latex = (tmp_path / "tables.tex").read_text()
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == text.count("\n**")
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"effects.png", "effects.svg", "effects.pdf"} <= names


def test_unknown_formats_are_refused(report, tmp_path: Path):
    with pytest.raises(ConfigurationError, match="--format word is unknown. Choose from html, md, latex, csv"):
        write_report(report, tmp_path, formats=("word",))
    with pytest.raises(ConfigurationError, match="--figures gif is unknown. Choose from png, svg, pdf"):
        write_report(report, tmp_path, figures=("gif",))


def test_names_of_parts_are_explained(report):
    with pytest.raises(ConfigurationError, match="Unknown table 'effect'. Did you mean 'effects'"):
        report.table("effect")
    with pytest.raises(ConfigurationError, match="Unknown section 'curve'. Did you mean 'curves'"):
        report.section("curve")


def test_the_order_of_runs_does_not_matter(folder: Path, report):
    shuffled: list[RunData] = load_results(folder)
    np.random.default_rng(0).shuffle(shuffled)  # type: ignore[arg-type]
    again = build_report(shuffled, title=report.title, against=["reppo-large"])
    assert again.findings == report.findings and again.caveats == report.caveats
    assert again.table("tasks").to_csv() == report.table("tasks").to_csv()
    assert again.runs.to_csv() == report.runs.to_csv()


def test_a_notebook_shows_the_answer(report):
    shown = report._repr_html_()
    assert "kl/no_kl+value/mse" in shown and "Caveats" in shown and "<svg" not in shown
    assert report.table("effects")._repr_html_().startswith("<table>")


def test_a_report_shows_itself_in_ten_lines(report):
    lines = repr(report).split("\n")
    assert len(lines) <= 10 and max(map(len, lines)) <= 160
    assert lines[0] == f"Report on a <study>: {len(report.runs)} runs" and lines[1] == report.question
    assert f"  1. {report.findings[0].arm} {report.findings[0].sentence}"[:100] in repr(report)
    assert "     and 2 more arms" in lines and lines[-1].startswith("sections: effects")
    assert repr(report.section("effects")).startswith("Section(effects: ")
    many = replace(report, title="odd\x1b[2J\nname", findings=(), caveats=tuple(f"caveat {i}" for i in range(9)))
    assert len(repr(many).split("\n")) <= 10 and "\x1b" not in repr(many) and "and 8 more caveats" in repr(many)


def test_two_experiments_are_compared_by_seed(folder: Path, tmp_path: Path):
    other = make_results(tmp_path / "o", {"base": 0.8, "value/mse": 0.3}, TASKS[:2], 6, evaluations=6, steps=6_000_000)
    found = compare_results(load_results(folder), load_results(other))
    rows = {(row["arm"], row["task"]): row for row in found.differences.rows()}
    assert set(rows) == {(arm, task) for arm in ("base", "value/mse") for task in ("all tasks", *TASKS[:2])}
    assert rows["base", "all tasks"]["estimate"] == 0 and rows["base", "all tasks"]["ties"] == 12
    assert rows["value/mse", "all tasks"]["estimate"] < -200 and rows["value/mse", "all tasks"]["losses"] == 12
    back = compare_results(load_results(other), load_results(folder)).differences.rows()
    for row in back:
        np.testing.assert_allclose(row["estimate"], -rows[row["arm"], row["task"]]["estimate"])
    assert len(found.changes) == 0
    with pytest.raises(ConfigurationError, match="no arm, task and seed in common"):
        compare_results(
            load_results(folder), [r for r in load_results(other) if r.record.seed > 99] or [_renamed(other)]
        )


def _renamed(path: Path) -> RunData:
    run = load_results(path)[0]
    return replace(run, record=replace(run.record, arm="unheard/of"))


def test_seeds_are_planned_from_what_was_seen(folder: Path):
    results = load_results(folder)
    small, large = power_table(results, 0.02), power_table(results, 0.2)
    assert list(small["arm"]) == list(large["arm"]) and set(small["task"]) == {"all tasks"}
    assert all((a or 1e9) >= (b or 1e9) for a, b in zip(small["seeds"], large["seeds"], strict=True))
    assert any((a or 1e9) > b for a, b in zip(small["seeds"], large["seeds"], strict=True))
    assert set(power_table(results, 0.1, tasks=True)["task"]) == {"all tasks", *TASKS}


def power_seeds(printed: str) -> int:
    """The seeds that the first arm of a printed plan needs."""
    return int(re.search(r"all tasks +\S+ +(\d+)", printed)[1])  # pyright: ignore[reportOptionalSubscript]


def test_commands(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["report", str(folder), "--format", "html,csv", "--figures", "svg"]) == 0
    shown = capsys.readouterr().out
    assert "1. kl/no_kl+value/mse lowers" in shown and str(folder / "report" / "index.html") in shown
    assert (folder / "report" / "figures" / "effects.svg").exists()
    out = tmp_path / "elsewhere"
    assert main(["report", str(folder), "--out", str(out), "--against", "published:ppo", "--base", "value/mse"]) == 0
    assert (out / "index.html").exists()
    assert main(["compare", str(folder), str(folder), "--csv", str(tmp_path / "d.csv")]) == 0
    assert "B minus A" in capsys.readouterr().out and (tmp_path / "d.csv").exists()
    assert main(["power", str(folder), "--effect", "0.05"]) == 0
    once = capsys.readouterr().out
    assert "Seeds that find a difference of 0.05" in once and "plan for it with --looks" in once
    assert main(["power", str(folder), "--effect", "0.05", "--looks", "4"]) == 0
    often = capsys.readouterr().out
    assert "Level 0.013" in often and "That is 0.05 over 4 looks" in often
    assert power_seeds(often) > power_seeds(once)
    for wrong, message in [
        (["report", str(tmp_path)], "is no results folder"),
        (["report", str(folder), "--against", "reppo"], "not of the form published:VARIANT"),
        (["report", str(folder), "--base", "bas"], "Did you mean 'base'"),
        (["power", str(folder), "--effect", "0"], "The effect is a difference other than 0"),
        (["power", str(folder), "--effect", "0.1", "--looks", "0"], "The number of looks is 0; give at least 1"),
    ]:
        assert main(wrong) == 2
        assert message in capsys.readouterr().err


def test_reporting_imports_no_jax(folder: Path, tmp_path: Path):
    code = (
        "import sys\n"
        "from reppo.cli import main\n"
        f"assert main(['report', {str(folder)!r}, '--out', {str(tmp_path)!r}, '--format', 'html,md,latex,csv']) == 0\n"
        f"assert main(['power', {str(folder)!r}, '--effect', '0.1']) == 0\n"
        "heavy = {'jax', 'jaxlib', 'equinox', 'optax', 'orbax', 'wandb', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300, capture_output=True)


def test_arm_changes_name_the_tasks(folder: Path):
    results = load_results(folder)
    odd = [
        replace(run, record=replace(run.record, spec=json.loads(json.dumps(run.record.spec).replace("0.99", "0.9"))))
        if run.record.arm == "value/mse" and run.record.environment == "CheetahRun"
        else run
        for run in results
    ]
    rows = [row for row in arm_changes(odd, "base") if row["path"] == "algorithm.gamma"]
    assert rows == [{"arm": "value/mse", "path": "algorithm.gamma", "base": "0.99", "arm's": "0.9", "on": "CheetahRun"}]
