"""The section on the four axes: what it says of toy studies, and of studies as they should not be."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reppo.analysis import Report, write_report
from reppo.analysis.report.sections.costs import memory_growth
from reppo.results import RunData
from tests.analysis.runs import made_by, report_on, run

TASKS = ("A", "B")
SETTING = {"search": True, "settings": {"algorithm.gamma": 0.5}}


def setting(number: int, final: float, task: str, rival: str | None = None, seed: int = 0, **fields) -> RunData:
    """A run of one setting of a search."""
    name = f"{rival}+gamma=0.{number}" if rival else f"gamma=0.{number}"
    one = run(name, seed, [0.0, final / 2, final], task, start=0, **fields)
    return made_by(one, f"gamma=0.{number}", rival=rival, **SETTING)


def arm(name: str, finals: list[float], task: str, rival: str | None = None) -> list[RunData]:
    made = [run(name, seed, [0.0, last / 2, last], task, start=0) for seed, last in enumerate(finals)]
    return [made_by(one, rival=rival) for one in made]


def study(
    own: dict[str, list[float]] | None = None, theirs: dict[str, list[float]] | None = None, **changes
) -> list[RunData]:
    """Two algorithms on two tasks, with three seeds each, and their searches."""
    finals = {"base": [8.0, 9.0, 10.0], "ours": [6.0, 7.0, 8.0]} | changes
    results = []
    for task in TASKS:
        results += arm("base", finals["base"], task)
        results += arm("ours", finals["ours"], task, "ours") if finals["ours"] else []
        for rival, search in ((None, own), ("ours", theirs)):
            values = [5.0, 9.5, 2.0, 8.0] if search is None else search[task]
            results += [setting(i, value, task, rival) for i, value in enumerate(values)]
    return results


def both(values: list[float]) -> dict[str, list[float]]:
    return dict.fromkeys(TASKS, values)


def rows(found: Report, name: str, **where) -> list[dict]:
    return [row for row in found.table(name).rows() if all(row[key] == value for key, value in where.items())]


def test_a_toy_study_is_told_as_it_is(report):
    found = report(study(theirs=both([1.0, 2.0])), thresholds={"A": 8.0})
    assert [row["arm"] for row in rows(found, "axes", task="A")] == ["base", "ours"]
    base, ours = rows(found, "axes", task="A")
    assert (base["reached"], ours["reached"], base["runs"]) == (3, 1, 3)
    assert base["mean_steps_to_it"] == 200 and math.isnan(base["steps_low"]) and ours["mean_steps_to_it"] == 200
    assert base["threshold"] == 8.0 and rows(found, "axes", task="B")[0]["threshold"] == pytest.approx(0.9 * 9)
    one, other = rows(found, "searches", task="A")
    assert (one["algorithm"], one["settings"], one["above"], other["above"]) == ("base", 4, 0.5, 0.0)
    assert one["median"] == 6.5 and one["default"] == 9.0 and one["diverged"] == 0
    assert one["best_of"] == other["best_of"] == 2 and other["best"] == 2.0  # as many for both
    assert one["best"] == pytest.approx(np.mean([9.5, 5, 8, 9.5, 9.5, 8])) and other["luck"] > 0 > other["gain"]
    assert [row["setting"] for row in rows(found, "best_settings", task="A")] == ["gamma=0.1", "gamma=0.1"]
    section = found.section("four_axes")
    assert "base with 4 settings; ours with 2 settings" in section.text
    assert {name for name, _ in section.pictures} == {"reached", "reached_seconds", "searches", "tuning", "tuned"}
    (best, rest) = rows(found, "tuned")
    assert best["per_task"] == pytest.approx(9.5 / 9) == best["one_for_all"] and best["sensitivity"] == 0
    assert best["gain"] == pytest.approx(0.5 / 9) and rest["settings"] == 2
    assert any("Numbers of settings differ" in note for note in found.table("tuned").notes)
    assert len(found.runs) == 12 + 12 and [finding.arm for finding in found.findings] == ["ours"]


def test_settings_are_in_no_other_part_of_the_page(report):
    with_search, without = study(), [one for one in study() if not one.record.search]
    found, bare = report(with_search), report(without)
    for section in bare.sections:
        if section.key != "four_axes":
            same = found.section(section.key)
            assert [str(table) for table in same.tables] == [str(table) for table in section.tables], section.key
    assert found.summary == bare.summary and found.findings == bare.findings and found.caveats == bare.caveats
    assert str(found.table("axes")) == str(bare.table("axes")) and "searches" not in str(bare.section("four_axes"))


def test_without_rivals_or_searches_there_is_no_such_section(report):
    found = report([*arm("base", [1.0, 2.0], "A"), *arm("other", [1.0, 2.0], "A")])
    assert "four_axes" not in [section.key for section in found.sections]


UNKNOWN = "\u2013"
CASES = {
    "no run reaches the threshold": lambda: (study(), {"A": 100.0, "B": 100.0}),
    "one setting": lambda: (study(own=both([5.0]), theirs=both([5.0])), {}),
    "all are equal": lambda: (study(both([9.0] * 3), both([9.0] * 3), base=[9.0] * 3, ours=[9.0] * 3), {"A": 9.0}),
    "nothing is learned": lambda: (study(both([0.0] * 3), both([0.0] * 3), base=[0.0] * 3, ours=[0.0] * 3), {}),
    "one algorithm": lambda: ([one for one in study(ours=[]) if not one.record.rival], {"A": 8.0}),
    "one seed": lambda: (study(base=[9.0], ours=[6.0]), {"A": 8.0}),
    "a default is missing": lambda: (study(ours=[]), {"A": 8.0}),
    "one task": lambda: ([one for one in study() if one.record.environment == "A"], {"A": 8.0}),
    "a search on one task only": lambda: (study(own={"A": [5.0, 9.0], "B": []}), {"A": 8.0}),
    "no search has begun": lambda: ([one for one in study() if not one.record.search], {"A": 8.0}),
}


@pytest.mark.parametrize("case", CASES)
def test_studies_as_they_should_not_be_are_told_without_pretending(case: str, tmp_path: Path):
    results, thresholds = CASES[case]()
    found = report_on(results, thresholds=thresholds)
    files = write_report(found, tmp_path, formats=("html", "md", "latex", "csv"))
    assert files and "nan" not in (tmp_path / "report.md").read_text().lower()
    table = found.table("axes")
    for row in table.rows():
        if row["reached"] == 0:
            assert row["mean_steps_to_it"] == 200 and math.isnan(row["steps_low"])
    match case:
        case "no run reaches the threshold":
            assert set(table["reached"]) == {0} and set(found.table("searches")["above"]) == {0.0}
            assert all(
                high > 0.4 for high in found.table("searches")["above_high"]
            )  # of four settings, that says little
        case "one setting":
            assert found.table("searches")["best_of"] == [1] * 4
            assert "tuned" not in [table.name for table in found.section("four_axes").tables]
        case "all are equal":
            for row in found.table("searches").rows():
                assert row["gain"] == row["luck"] == 0
        case "nothing is learned":
            assert found.table("searches").cells("above") == [UNKNOWN] * 4
        case "one algorithm":
            assert set(found.table("searches")["algorithm"]) == {"base"}
        case "one seed" | "a default is missing":
            assert UNKNOWN in found.table("searches").cells("luck")
        case "a search on one task only":
            assert [row["algorithm"] for row in found.table("searches").rows()] == ["base", "ours", "ours"]
            assert [row["algorithm"] for row in found.table("tuned").rows()] == ["ours"]
        case _:
            assert len(table)


def test_settings_that_diverged_or_broke_the_simulation_are_counted(report):
    results = study()
    lost = run("gamma=0.7", 0, [0.0, 4.0], "A", diverged=True, start=0)
    results.append(made_by(lost, "gamma=0.7", **SETTING))
    silent = setting(8, 3.0, "A")
    results.append(
        replace(silent, evaluations=replace(silent.evaluations, returns=silent.evaluations.returns * np.nan))
    )
    found = report(results, thresholds={"A": 8.0})
    row = rows(found, "searches", task="A", algorithm="base")[0]
    assert (row["settings"], row["diverged"]) == (6, 1) and row["above"] == pytest.approx(2 / 6)  # both are below
    assert found.table("searches").notes[1].startswith("The simulation broke in every evaluation of 1 setting:")


def test_unfinished_settings_are_counted_and_hold_all_of_their_task_back(report):
    results = study()
    short = run("gamma=0.7", 0, [0.0, 9.0], "A", start=0)
    going = made_by(short, "gamma=0.7", **SETTING)
    results.append(replace(going, record=replace(going.record, status="running")))
    found = report(results, thresholds={"A": 4.5})
    assert f"1 of {len(results)} runs are not finished: numbers will change." in found.caveats
    row = rows(found, "searches", task="A", algorithm="base")[0]
    assert row["default"] == 4.5 and row["above"] == pytest.approx(2 / 5)  # all at the step that the short one has


def sized(name: str, bytes: int, lanes: int = 1, rival: str | None = None, **settings) -> RunData:
    one = run(name, 0, [1.0], "A")
    ablations = [f"{path}={value}" for path, value in settings.items()]
    record = {"program_bytes": bytes, "width": lanes, "rival": rival, "settings": settings}
    return made_by(one, *ablations, **record)


def test_what_memory_grows_with_is_told_of_programs_with_as_many_lanes():
    results = [
        sized("base", 100 * 2**20),
        sized("envs=2", 180 * 2**20, envs=2),
        sized("envs=4", 400 * 2**20, lanes=2, envs=4),  # with other lanes than the base
        sized("gamma=1", 100 * 2**20, gamma=1),  # no size
        sized("ours", 50 * 2**20, rival="ours"),
        sized("ours+a=1+b=1", 75 * 2**20, rival="ours", a=1, b=1),
        sized("lost+envs=2", 75 * 2**20, rival="lost", envs=2),  # without what it starts from
    ]
    table = memory_growth(results)
    assert [(row["start"], row["sets"], row["times"]) for row in table.rows()] == [
        ("base", "envs=2", 1.8),
        ("ours", "a=1, b=1", 1.5),
    ]
    assert list(table["mebibytes"]) == [180.0, 75.0] and list(table["start_mebibytes"]) == [100.0, 50.0]
    assert len(memory_growth(results[:1])) == 0
    assert report_on(results).table("memory_growth").rows() == table.rows()
