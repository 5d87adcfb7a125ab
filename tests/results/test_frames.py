"""Tidy tables of all that a folder of results holds."""

import importlib.util

import numpy as np
import pytest

from reppo.errors import ConfigurationError
from reppo.results import ResultsFolder, RunRecord, columns, frame, load_results

pandas = pytest.importorskip("pandas")
NAMES = ["=SUM(A1)", "kl/no_kl+gamma=0.9", 'ünicode, "quoted"', "new\u2028line"]


@pytest.fixture
def folder(tmp_path):
    """Two arms and a rival on two tasks: finished, diverged, killed in its first evaluation, not evaluated yet."""
    made = ResultsFolder.create_or_open(tmp_path / "study", {"id": "x", "name": "study"})

    def add(arm, task, seed, evaluated, status="finished", **fields):
        place = made.run(arm, task, seed)
        record = RunRecord(
            run_id=f"{arm} {task} {seed}", experiment="x", arm=arm, environment=task, seed=seed, status=status, **fields
        )
        for steps in range(0, 100 * evaluated, 100):
            place.append_evaluation(steps, steps / 10, np.array([1.0 + steps, np.nan]), np.array([5, 6]))
            place.append_metrics(steps, {"actor/kl": (0.1, 0.0, 0.2), "critic/loss": (steps + 0.5, 0.0, np.inf)})
        place.write_record(record)
        return place

    add("base", "T10", 10, 3)
    add("base", "T10", 2, 3)
    add("base", "T2", 0, 2, "diverged", diverged_at=50)
    add("base", "T2", 1, 0, "running")
    torn = add("rival+kl/no_kl", "T2", 0, 1, "running", rival="rival")
    with open(torn.evaluations_path, "a") as stream:
        stream.write("100,1")
    add(NAMES[0], "T2", 0, 1)
    return made


def test_a_frame_has_a_row_for_every_episode(folder):
    found = frame(folder.path)
    assert list(found) == [
        "arm", "rival", "environment", "seed", "status", "environment_steps", "seconds", "episode", "return", "length"
    ]  # fmt: skip
    assert len(found) == 2 * (3 + 3 + 2 + 0 + 1 + 1)
    runs = found[["environment", "arm", "seed", "status", "rival"]].drop_duplicates()
    assert runs.values.tolist() == [
        ["T2", "=SUM(A1)", 0, "finished", ""],
        ["T2", "base", 0, "diverged", ""],
        ["T2", "rival+kl/no_kl", 0, "running", "rival"],
        ["T10", "base", 2, "finished", ""],
        ["T10", "base", 10, "finished", ""],
    ]
    own = found[(found.arm == "base") & (found.environment == "T10") & (found.seed == 10)]
    assert own["return"].dropna().tolist() == [1, 101, 201] and own.episode.tolist() == [0, 1] * 3
    for name in ("seed", "environment_steps", "episode", "length"):
        assert found[name].dtype == np.int64
    assert {found[name].dtype for name in ("seconds", "return")} == {np.dtype(float)}
    assert set(map(type, found.arm)) == {str}


def test_means_over_a_frame_are_the_final_returns_of_the_runs(folder):
    last = frame(folder.path).dropna().groupby(["environment", "arm", "seed"]).last()["return"]
    wanted = {
        (run.record.environment, run.record.arm, run.record.seed): run.evaluations.final_return()
        for run in load_results(folder.path)
        if len(run.evaluations.returns)
    }
    assert last.to_dict() == wanted


def test_metrics_are_in_long_form_all_or_some(folder):
    found = frame(folder.path, "metrics")
    assert len(found) == 2 * (3 + 3 + 2 + 0 + 1 + 1)
    assert list(found)[5:] == ["environment_steps", "metric", "mean", "minimum", "maximum"]
    some = frame(folder.path, "metrics", ["critic/loss"])
    assert set(some.metric) == {"critic/loss"} and len(some) == len(found) // 2
    assert np.isinf(some.maximum).all()
    pandas.testing.assert_frame_equal(some, found[found.metric == "critic/loss"].reset_index(drop=True))
    with pytest.raises(ConfigurationError, match="Unknown metric 'critic/los'. Did you mean 'critic/loss'"):
        frame(folder.path, "metrics", ["critic/los"])
    with pytest.raises(ConfigurationError, match="names chooses metrics"):
        frame(folder.path, names=["critic/loss"])


@pytest.mark.parametrize("table", ["evaluations", "metrics"])
def test_an_empty_folder_gives_an_empty_frame_with_the_same_columns(folder, table, tmp_path):
    empty = ResultsFolder.create_or_open(tmp_path / "empty", {"id": "y", "name": "empty"})
    found, full = frame(empty.path, table), frame(folder.path, table)
    assert len(found) == 0 and list(found) == list(full)
    assert [found[name].dtype.kind for name in found][3] == "i"
    if table == "metrics":
        assert len(frame(empty.path, table, ["actor/kl"])) == 0


def test_names_are_kept_as_they_are(tmp_path):
    folder = ResultsFolder.create_or_open(tmp_path / "odd", {"id": "x", "name": "odd"})
    for name in NAMES:
        place = folder.run(name, name, 0)
        place.append_evaluation(0, 0.0, np.array([1.0]), np.array([1]))
        place.write_record(
            RunRecord(run_id=name, experiment="x", arm=name, environment=name, seed=0, status="finished")
        )
    found = columns(folder.path)
    assert set(found["arm"]) == set(found["environment"]) == set(NAMES)


def test_without_pandas_the_columns_are_there_and_the_error_says_so(folder, monkeypatch):
    full = frame(folder.path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install pandas.*reppo\.results\.columns"):
        frame(folder.path)
    found = columns(folder.path)
    assert list(found) == list(full) and found["seed"].tolist() == full["seed"].tolist()


def test_what_is_no_folder_of_results_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="is no results folder"):
        frame(tmp_path)


def test_a_run_shows_itself_in_a_line(folder):
    shown = [repr(run) for run in load_results(folder.path)]
    assert "RunData(base on T10, seed 10: finished, 0 steps, 3 evaluations)" in shown
    assert "RunData(base on T2, seed 0: diverged after 50 steps, 2 evaluations)" in shown
