import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo.errors import ConfigurationError
from reppo.results import ResultsFolder, RunFolder, RunRecord, load_results, write_runs_csv

EXPERIMENT = {"id": "abc123", "name": "quickstart"}


def make_folder(path: Path) -> ResultsFolder:
    return ResultsFolder.create_or_open(path / "results" / "quickstart", EXPERIMENT, clock=lambda: 0.0)


def make_record(**changes: Any) -> RunRecord:
    fields: dict[str, Any] = dict(
        run_id="r", experiment="abc123", arm="base", environment="E", seed=0, status="finished", environment_steps=200
    )
    return RunRecord(**fields | changes)


def evaluate(run: RunFolder, steps: int, returns: list[float]) -> None:
    run.append_evaluation(steps, steps / 10, np.array(returns), np.full(len(returns), 100))


def test_create_and_open_again(tmp_path: Path):
    folder = make_folder(tmp_path)
    again = ResultsFolder.create_or_open(folder.path, {**EXPERIMENT, "arms": ["base"]})
    assert again.read_experiment() == EXPERIMENT
    again.update_experiment({**EXPERIMENT, "arms": ["base"]})
    assert ResultsFolder.open(folder.path).read_experiment()["arms"] == ["base"]
    assert sorted(path.name for path in folder.path.iterdir()) == ["experiment.json"]


def test_another_experiment_is_refused(tmp_path: Path):
    folder = make_folder(tmp_path)
    other = {"id": "fff", "name": "other"}
    with pytest.raises(
        ConfigurationError, match=r"abc123 \('quickstart'\), not of fff \('other'\). Choose another.*--out"
    ):
        ResultsFolder.create_or_open(folder.path, other)
    with pytest.raises(ConfigurationError, match="id of an experiment stays: abc123, not fff"):
        folder.update_experiment(other)
    assert folder.read_experiment() == EXPERIMENT


def test_a_file_in_the_way_is_refused(tmp_path: Path):
    (tmp_path / "results").write_text("")
    with pytest.raises(ConfigurationError, match="results' is a file. Remove it or choose another folder"):
        make_folder(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "abc123"}', '{"id": 3, "name": "x"}', "\udcff"])
def test_a_damaged_experiment_file_is_refused(tmp_path: Path, content: str):
    folder = make_folder(tmp_path)
    (folder.path / "experiment.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    for open_it in (lambda: make_folder(tmp_path), lambda: ResultsFolder.open(folder.path)):
        with pytest.raises(ConfigurationError, match="experiment.json"):
            open_it()


def test_results_of_unknown_origin_are_refused(tmp_path: Path):
    folder = make_folder(tmp_path)
    folder.run("base", "E", 0).write_record(make_record())
    (folder.path / "experiment.json").unlink()
    with pytest.raises(ConfigurationError, match="holds runs but no experiment.json"):
        make_folder(tmp_path)


def test_only_results_folders_are_opened(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="is no results folder"):
        ResultsFolder.open(tmp_path)


def test_the_ledger_has_time_stamps_and_survives_a_torn_line(tmp_path: Path):
    folder = make_folder(tmp_path)
    assert folder.read_ledger() == []
    folder.append_ledger({"event": "batch started", "loss": math.nan})
    ledger = folder.path / "ledger.jsonl"
    with ledger.open("a") as stream:
        stream.write('{"time": "1970-01-0')
    first = {"time": "1970-01-01T00:00:00.000Z", "event": "batch started", "loss": None}
    assert folder.read_ledger() == [first]
    folder.append_ledger({"event": "second"})
    assert [event["event"] for event in folder.read_ledger()] == ["batch started", "second"]
    ledger.write_text("garbage\n" + ledger.read_text())
    with pytest.raises(ConfigurationError, match="line 1: not JSON"):
        folder.read_ledger()
    with pytest.raises(ValueError, match="may not have a field 'time'"):
        folder.append_ledger({"time": 1})


def test_runs_are_listed_in_order_of_their_seeds(tmp_path: Path):
    folder = make_folder(tmp_path)
    for seed in (10, 2):
        folder.run("kl/no_kl", "E", seed).write_record(make_record(arm="kl/no_kl", seed=seed))
    folder.run("base", "E", 0).append_metrics(10, {"loss": (1.0, 0.0, 2.0)})  # killed before its record was written
    relative = [run.path.relative_to(folder.path).as_posix() for run in folder.runs()]
    assert relative == ["runs/kl.no_kl/E/seed2", "runs/kl.no_kl/E/seed10"]
    assert folder.run("kl/no_kl", "E", 2).read_record() == make_record(arm="kl/no_kl", seed=2)
    with pytest.raises(ConfigurationError, match="A seed is 0 or more"):
        folder.run("base", "E", -1)


def test_a_damaged_record_names_its_file(tmp_path: Path):
    run = make_folder(tmp_path).run("base", "E", 0)
    with pytest.raises(ConfigurationError, match="There is no file .*record.json"):
        run.read_record()
    run.write_record(make_record())
    run.record_path.write_text(json.dumps({**make_record().to_json(), "schema": 99}))
    with pytest.raises(ConfigurationError, match="record.json': The record has schema 99"):
        run.read_record()


any_float = st.floats(allow_nan=True, allow_infinity=True)


@settings(deadline=None, max_examples=50)
@given(
    episodes=st.lists(st.tuples(any_float, st.integers(0, 2**40)), min_size=1, max_size=4),
    metrics=st.dictionaries(
        st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), min_size=1),
        st.tuples(any_float, any_float, any_float),
        max_size=3,
    ),
    seconds=st.floats(0, 1e9),
)
def test_tables_round_trip(tmp_path_factory: pytest.TempPathFactory, episodes: Any, metrics: Any, seconds: float):
    run = RunFolder(tmp_path_factory.mktemp("run"))
    returns, lengths = np.array([e[0] for e in episodes]), np.array([e[1] for e in episodes])
    for steps in (0, 100):
        run.append_evaluation(steps, seconds, returns, lengths)
        run.append_metrics(steps, metrics)
    evaluations = run.read_evaluations()
    count = len(episodes)
    np.testing.assert_array_equal(evaluations.environment_steps, np.repeat([0, 100], count))
    np.testing.assert_array_equal(evaluations.episode, np.tile(np.arange(count), 2))
    np.testing.assert_array_equal(evaluations.returns, np.tile(returns, 2))
    np.testing.assert_array_equal(evaluations.lengths, np.tile(lengths, 2))
    np.testing.assert_array_equal(evaluations.seconds, np.full(2 * count, seconds))
    read = run.read_metrics()
    assert read.names == 2 * list(metrics)
    for name, summary in metrics.items():
        one = read.of(name)
        np.testing.assert_array_equal(one.environment_steps, [0, 100])
        np.testing.assert_array_equal(np.stack([one.mean, one.minimum, one.maximum])[:, 0], summary)
    assert len(read.of("no such metric").mean) == 0


def test_tables_of_a_run_without_any(tmp_path: Path):
    run = RunFolder(tmp_path / "run")
    assert len(run.read_evaluations().returns) == 0 and run.read_metrics().names == []
    assert math.isnan(run.read_evaluations().final_return()) and math.isnan(run.read_evaluations().best_return())
    nothing = run.table_fingerprints()
    assert nothing == {"evaluations.csv": [0, 0], "metrics.csv": [0, 0]}
    assert run.begins_with(nothing) and run.is_complete(nothing)
    run.cut(nothing)
    run.clear()
    assert not run.path.exists()


def test_single_precision_is_kept(tmp_path: Path):
    run = RunFolder(tmp_path)
    returns = np.array([0.1, 1e-30, np.inf], np.float32)
    run.append_evaluation(10, 1.0, returns, np.ones(3, np.int32))
    np.testing.assert_array_equal(run.read_evaluations().returns.astype(np.float32), returns)


def test_columns_are_those_of_the_schema(tmp_path: Path):
    run = RunFolder(tmp_path)
    evaluate(run, 50, [1.5])
    run.append_metrics(50, {"loss/actor": (1.0, 0.5, 2.0)})
    assert run.evaluations_path.read_text() == "environment_steps,seconds,episode,return,length\n50,5.0,0,1.5,100\n"
    assert run.metrics_path.read_text() == "environment_steps,metric,mean,minimum,maximum\n50,loss/actor,1.0,0.5,2.0\n"


def test_unusable_rows_are_refused(tmp_path: Path):
    run = RunFolder(tmp_path)
    with pytest.raises(ValueError, match="may not contain a line break"):
        run.append_metrics(0, {"a\nb": (0.0, 0.0, 0.0)})
    with pytest.raises(ValueError, match="shorter|longer"):
        RunFolder.append_evaluation.__wrapped__(run, 0, 0.0, np.zeros(2), np.zeros(3, int))  # past the shape check


@pytest.mark.parametrize("torn", ["", "3", "300,1.0,0,1.0", "300,1.0,0,1.0,1000", "300,30.0,0,é"])
@pytest.mark.parametrize("last_steps", [0, 100, 200])
def test_what_came_after_a_checkpoint_is_cut_off(tmp_path: Path, torn: str, last_steps: int):
    run, files = RunFolder(tmp_path), {}
    for steps in (0, 100, 200):
        evaluate(run, steps, [steps + 0.1, math.nan])
        run.append_metrics(steps, {"loss": (steps / 3, 0.0, 1.0)})
        files[steps] = run.table_fingerprints()
    for path in (run.evaluations_path, run.metrics_path):
        with path.open("ab") as stream:
            stream.write(torn.encode()[: -1 if "é" in torn else None])
    assert run.read_evaluations().environment_steps.tolist() == [0, 0, 100, 100, 200, 200]
    assert run.begins_with(files[last_steps])
    run.cut(files[last_steps])
    assert run.is_complete(files[last_steps]) and run.table_fingerprints() == files[last_steps]
    steps = [s for s in (0, 100, 200) if s <= last_steps]
    assert run.read_evaluations().environment_steps.tolist() == [s for s in steps for _ in range(2)]
    assert run.read_metrics().mean.tolist() == [s / 3 for s in steps]
    evaluate(run, 300, [1.0])
    assert run.read_evaluations().environment_steps[-1] == 300
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["evaluations.csv", "metrics.csv"])
def test_tables_that_do_not_agree_are_noticed(tmp_path: Path, name: str):
    run = RunFolder(tmp_path)
    evaluate(run, 0, [1.0])
    run.append_metrics(0, {"loss": (0.5, 0.0, 1.0)})
    files, path = run.table_fingerprints(), tmp_path / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert not run.begins_with(files) and not run.is_complete(files)
    path.write_bytes(content.replace(b"0", b"1"))
    assert not run.begins_with(files) and run.is_complete(files)  # the one compares contents, the other lengths
    path.unlink()
    assert not run.begins_with(files) and not run.is_complete(files)
    assert not run.begins_with({})


def test_appending_removes_a_torn_line(tmp_path: Path):
    run = RunFolder(tmp_path)
    evaluate(run, 100, [1.0])
    whole = run.evaluations_path.read_bytes()
    with run.evaluations_path.open("ab") as stream:
        stream.write(b"2" * 10_000)  # longer than one block of the search for the last line break
    evaluate(run, 200, [2.0])
    assert run.evaluations_path.read_bytes() == whole + b"200,20.0,0,2.0,100\n"


def test_a_damaged_row_in_the_middle_is_named(tmp_path: Path):
    run = RunFolder(tmp_path)
    evaluate(run, 100, [1.0, 2.0])
    lines = run.evaluations_path.read_text().splitlines()
    run.evaluations_path.write_text("\n".join([lines[0], "oops", *lines[1:]]) + "\n")
    with pytest.raises(ConfigurationError, match="evaluations.csv', line 2: cannot read 'oops'"):
        run.read_evaluations()
    run.evaluations_path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigurationError, match="should have the columns environment_steps,.* begins with 'a,b'"):
        run.read_evaluations()


def test_curves_skip_episodes_without_a_finite_return(tmp_path: Path):
    run = RunFolder(tmp_path)
    evaluate(run, 100, [1.0, 3.0, math.nan])
    evaluate(run, 200, [7.0, math.inf])
    evaluate(run, 300, [math.nan])
    steps, means = run.read_evaluations().curve()
    np.testing.assert_array_equal(steps, [100, 200, 300])
    np.testing.assert_array_equal(means, [2.0, 7.0, math.nan])
    assert run.read_evaluations().final_return() == 7.0 and run.read_evaluations().best_return() == 7.0


def test_load_results_and_runs_csv(tmp_path: Path):
    folder = make_folder(tmp_path)
    for arm, seed in [("kl/no_kl", 0), ("base", 1), ("base", 0)]:
        run = folder.run(arm, "E", seed)
        evaluate(run, 100, [5.0 + seed])
        evaluate(run, 200, [4.0, 4.5])
        run.write_record(make_record(arm=arm, seed=seed, steps_per_second=0.1 if seed else None, run_id=f"{arm}{seed}"))
    assert [(d.record.arm, d.record.seed) for d in load_results(folder.path)] == [
        ("base", 0),
        ("base", 1),
        ("kl/no_kl", 0),
    ]
    path = write_runs_csv(folder.path)
    assert path == folder.runs_csv_path
    assert path.read_text() == (
        "arm,environment,seed,status,environment_steps,final_return,best_return,steps_per_second,run_id\n"
        "base,E,0,finished,200,4.25,5.0,,base0\n"
        "base,E,1,finished,200,4.25,6.0,0.1,base1\n"
        "kl/no_kl,E,0,finished,200,4.25,5.0,,kl/no_kl0\n"
    )
