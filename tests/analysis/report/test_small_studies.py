"""Reports on single arms, few runs and tasks on unlike scales."""

from pathlib import Path

import pytest

from reppo.analysis import (
    build_report,
    load_report,
    write_report,
)
from reppo.errors import ConfigurationError
from reppo.results import load_results
from tests.analysis.synthetic import make_results

TASKS = ["CheetahRun", "HopperHop", "WalkerWalk"]


def test_grids_give_sensitivity(tmp_path: Path):
    arms = {"base": 0.5, **{f"gamma={g}+lam={lam}": g * lam / 2 for g in (0.5, 0.9) for lam in (0.8, 1.0)}}
    found = load_report(make_results(tmp_path / "r", arms, TASKS, 4))
    section = found.section("sensitivity")
    assert "gamma=0.9+lam=1.0" in section.text and "these 4 settings" in section.text
    assert len(found.table("settings")) == 3


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_single_arm_is_reported_too(tmp_path: Path, seeds: int):
    path = make_results(tmp_path / "r", {"base": 0.5}, ["Pendulum-v1"], seeds, offset=-1500.0)
    found = load_report(path)
    assert found.question == "How well does base learn Pendulum-v1?" and found.findings == ()
    write_report(found, tmp_path / "out", formats=("html", "md", "latex", "csv"))


def test_two_runs_show_nothing_and_the_report_says_why(tmp_path: Path):
    found = load_report(make_results(tmp_path / "r", {"base": 0.8, "kl/no_kl": 0.1}, ["T"], 1))
    assert found.findings[0].verdict == "unclear"
    assert "1 pair cannot show any: no p value below 1 is possible" in found.findings[0].sentence
    assert "of base's" in found.findings[0].sentence and "nan" not in found.findings[0].sentence


def test_tasks_on_unlike_scales_are_normalized(tmp_path: Path):
    first = load_results(make_results(tmp_path / "a", {"base": 0.8, "x": 0.4}, ["A"], 3, untrained=0.1))
    second = load_results(
        make_results(tmp_path / "b", {"base": 0.8, "x": 0.4}, ["B"], 3, untrained=0.1, offset=50_000.0)
    )
    found = build_report([*first, *second])
    assert "(untrained) to" in found.score and "normalized score" in found.findings[0].sentence
    assert "optimality_gap" in found.table("aggregates")["aggregate"]
    effects = {row["arm"]: row["estimate"] for row in found.table("effects").rows()}
    assert effects["x"] == pytest.approx(-400 / 700, abs=0.1)
    assert build_report([*first, *second], scale="none").score.startswith("Score: mean return of the last")
    given = build_report([*first, *second], bounds={"A": (0.0, 1000.0), "B": (50_000.0, 51_000.0)})
    assert "0 to 1000 (given) on A" in given.score
    with pytest.raises(ConfigurationError, match="Unknown task 'C'"):
        build_report([*first, *second], bounds={"C": (0.0, 1.0)})


def test_an_empty_folder_is_explained(tmp_path: Path):
    path = make_results(tmp_path / "r", {"base": 0.5}, ["T"], 1)
    results = load_results(path)
    with pytest.raises(ConfigurationError, match="There are no runs to report on"):
        build_report([])
    results[0].folder.evaluations_path.unlink()
    with pytest.raises(ConfigurationError, match="No run has a finite evaluation yet"):
        load_report(path)
