"""How wide programs are: as the runs that share them need, once and for all."""

import dataclasses
import json
import math

import pytest

from ablations import kl
from reppo import environments
from reppo.ablation import setting
from reppo.ablation.designs import grid
from reppo.results import ResultsFolder
from reppo.results.files import read_json, write_json
from reppo.sweep import Experiment
from reppo.sweep.batches import arrange_batches, by_program
from reppo.sweep.execution import Execution, decide_execution
from reppo.sweep.plan import plan_batches, prepare_folder
from reppo.training.lanes import lane_devices
from tests.tiny import tiny_preset


def declare(**changes):
    settings = {
        "name": "small",
        "base": tiny_preset,
        "environments": [environments.probe("BestAction")],
        "arms": grid("kl_bound", [0.01 * n for n in range(20, 83)]),
        "seeds": [0],
        "steps": 128,
    }
    return Experiment(**(settings | changes))


def plan(experiment, path):
    folder, execution = prepare_folder(experiment, path)
    return plan_batches(experiment, folder, execution).batches


def test_many_settings_of_one_seed_are_few_batches():
    runs = declare().runs()
    assert len(runs) == 64
    for mode in ("map", "vmap"):
        batches = arrange_batches(runs, Execution(mode, 16, 2))
        assert [len(batch.runs) for batch in batches] == [16] * 4 and len(by_program(batches)) == 1
        assert {Execution(mode, 16, 2).at_once(batch.width) for batch in batches} == {2 if mode == "map" else 16}


def test_each_program_is_as_wide_as_its_runs_need():
    experiment = declare(arms=[setting("kl_bound", 0.2), kl.no_kl], seeds=range(3))
    first, second = arrange_batches(experiment.runs(), Execution("vmap", 16, 1))
    assert (first.arms, first.width) == (["base", "kl_bound=0.2"], 6)
    assert (second.arms, second.width) == (["kl/no_kl"], 3)


@pytest.mark.parametrize(
    ("most", "devices", "runs", "width"),
    [
        (16, 1, 1, 1),
        (16, 4, 1, 1),
        (16, 1, 16, 16),
        (16, 1, 17, 9),  # two batches of equal size, with one lane of padding
        (16, 2, 17, 10),  # which two devices share evenly
        (16, 4, 3, 3),
        (5, 2, 20, 4),
        (1, 2, 20, 1),
    ],
)
def test_batches_are_few_and_of_equal_size(most, devices, runs, width):
    assert Execution("map", most, devices).width(runs) == width
    assert Execution("map", most, devices, fixed=True).width(runs) == most


def test_runs_that_are_added_to_a_program_have_its_width(tmp_path):
    few = declare(arms=[kl.no_kl], seeds=range(2))
    first = plan(few, tmp_path)
    assert [(batch.id, batch.width) for batch in first] == [("batch0000", 2), ("batch0001", 2)]
    more = plan(
        declare(arms=[kl.no_kl, setting("kl_bound", 0.2), setting("rollout_length", 4)], seeds=range(5)), tmp_path
    )
    assert {batch.id: batch for batch in more}.items() >= {batch.id: batch for batch in first}.items()
    by_key = {key: {batch.width for batch in more if batch.key[0] == key} for key, _ in (batch.key for batch in more)}
    assert sorted(map(sorted, by_key.values())) == [[2], [2], [math.ceil(5 / lane_devices()) * lane_devices()]]
    assert plan(declare(arms=[kl.no_kl], seeds=range(2)), tmp_path) == first
    described = json.loads((tmp_path / "batches" / "batch0000" / "lanes.json").read_text())
    assert described["width"] == 2


def test_a_program_has_its_width_also_where_none_of_its_runs_is_pending(tmp_path):
    plan(declare(arms=[], seeds=range(2)), tmp_path)
    folder, execution = prepare_folder(declare(), tmp_path)
    later = plan_batches(declare(arms=[setting("kl_bound", 0.2)], seeds=range(2, 9)), folder, execution).batches
    assert {batch.width for batch in later} == {2} and len(later) == 7


def test_a_folder_that_was_begun_with_one_width_keeps_it(tmp_path):
    experiment = declare(arms=[setting("kl_bound", 0.2), kl.no_kl], seeds=range(2))
    ResultsFolder.create_or_open(tmp_path, {"id": experiment.id, "name": experiment.name})
    file = tmp_path / "experiment.json"
    write_json(file, read_json(file) | {"execution": {"mode": "map", "width": 2, "devices": 1}})
    assert [batch.width for batch in plan(experiment, tmp_path)] == [2, 2, 2]
    more = plan(declare(arms=[setting("kl_bound", 0.2), kl.no_kl], seeds=range(4)), tmp_path)
    assert {batch.width for batch in more} == {2} and len(more) == 6
    assert read_json(file)["execution"] == {"mode": "map", "width": 2, "devices": 1}
    found = decide_execution(experiment, ResultsFolder.open(tmp_path))
    assert found == Execution("map", 2, 1, fixed=True) == Execution.from_json(dataclasses.asdict(found))
