"""What an experiment is said to cost, against what it does cost, on a probe."""

import dataclasses
import json

import jax
import pytest

from ablations import kl
from reppo import environments
from reppo.ablation import setting
from reppo.ablation.designs import grid
from reppo.cli import main
from reppo.errors import ConfigurationError
from reppo.results import load_results
from reppo.sweep import Experiment, execute
from reppo.sweep import execution as planning
from reppo.sweep.batches import arrange_batches
from reppo.sweep.execution import Execution, choose_execution
from reppo.sweep.forecast import forecast, format_forecast, measure
from reppo.tracking import AbstractTracker, SweepFinished
from reppo.training import lane_bytes, lanes
from tests.ablation.base import BASE, CATALOG, changes
from tests.tiny import tiny_preset

STEPS = 128 * 4


def declare(**changes):
    settings = {
        "name": "small",
        "base": tiny_preset,
        "environments": [environments.probe("BestAction")],
        "arms": [setting("kl_bound", 0.2), kl.no_kl],
        "seeds": [0, 1],
        "steps": STEPS,
    }
    return Experiment(**(settings | changes))


def planned(experiment, execution):
    batches = arrange_batches(experiment.runs(), execution)
    return forecast(experiment, batches, execution), batches


class Last(AbstractTracker):
    def receive(self, event):
        if isinstance(event, SweepFinished):
            self.event = event

    def close(self):
        pass


@pytest.fixture
def traced(monkeypatch):
    """An entry for every time that an update is traced, which is once for each compilation of it."""
    found, original = [], lanes._merged
    monkeypatch.setattr(lanes, "_merged", lambda *args, **given: (found.append(1), original(*args, **given))[1])
    return found


def test_a_forecast_counts_what_a_sweep_then_does(tmp_path, traced):
    experiment, last = declare(), Last()
    execution = choose_execution(experiment)
    said, _ = planned(experiment, execution)
    execute(experiment, tmp_path / "small", last)
    assert isinstance(last.event, SweepFinished)
    assert said.compilations == len(traced) == 2
    assert last.event.compilations == (2, 2)
    assert last.event.shared_steps >= 5  # starts, collection, evaluation: the second arm has another update alone
    assert said.to_json()["training_steps"] == 3 * 2 * STEPS
    assert said.to_json()["evaluation_steps"] == 3 * 2 * 3 * 4 * experiment.environments[0].make().horizon
    forecast_bytes, used = last.event.bytes
    assert used <= forecast_bytes == said.to_json()["bytes"] <= 3 * used


def test_eight_values_of_a_scalar_and_four_seeds_are_one_compilation(tmp_path, traced):
    bounds = [0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3]  # and the base's own
    experiment, last = declare(arms=grid("kl_bound", bounds), seeds=range(4), steps=128), Last()
    said, _ = planned(experiment, choose_execution(experiment))
    execute(experiment, tmp_path / "small", last)
    assert said.to_json()["runs"] == len(load_results(tmp_path / "small")) == 32
    assert said.compilations == len(traced) == 1 and last.event.compilations == (1, 1)


@pytest.mark.parametrize(
    ("mode", "room", "expected"),
    [
        ("map", 2 * 100 + 2 * 40, (2, 4)),
        ("map", 100 + 3 * 40, (1, 4)),
        ("map", 100 + 3 * 40 - 1, (1, 2)),
        ("map", 100, (1, 1)),
        ("vmap", 4 * 100, (2, 4)),
        ("vmap", 4 * 100 - 1, (2, 2)),
    ],
)
def test_states_of_waiting_lanes_need_memory_too(monkeypatch, mode, room, expected):
    monkeypatch.setattr(planning, "lane_devices", lambda: 2)
    monkeypatch.setattr(planning, "needed_bytes", lambda run: (100, 40))
    reserved = planning.RESIDENT_BYTES if mode == "map" else 0
    chosen = choose_execution(declare(arms=[], seeds=range(4)), reserved + room, mode)
    assert (chosen.devices, chosen.width(4)) == expected
    assert chosen.held_bytes(chosen.width(4), 100, 40) <= room


def test_programs_are_no_wider_than_an_accelerator_has_room_for(monkeypatch):
    monkeypatch.setattr(planning, "needed_bytes", lambda run: (100, 40))
    many = declare(arms=grid("kl_bound", [0.01 * n for n in range(20, 83)]), seeds=[0])
    width = lambda: choose_execution(many, mode="vmap").width(64)
    for room, expected in ((None, 16), (1600, 16), (800, 8), (50, 1)):  # one lane trains in any case
        monkeypatch.setattr(planning, "accelerator_memory", lambda room=room: room)
        monkeypatch.setattr(planning, "lane_devices", lambda: 1)
        assert width() == expected
    with pytest.raises(ConfigurationError, match="--memory"):
        choose_execution(many, 50, "vmap")


@pytest.mark.slow  # compiles the whole catalog
def test_a_sweep_over_the_catalog_compiles_as_often_as_its_plan_says(tmp_path, traced, monkeypatch):
    compiled, quickly = jax.stages.Lowered.compile, {"xla_backend_optimization_level": 0}
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda self: compiled(self, compiler_options=quickly))
    arms = [one for one in CATALOG.values() if changes(one, BASE)]
    assert len(arms) > 60
    experiment, last = declare(base=lambda environment: BASE, arms=arms, seeds=[0], steps=128), Last()
    said, _ = planned(experiment, choose_execution(experiment))
    execute(experiment, tmp_path / "small", last)
    assert said.compilations == len(traced) and last.event.compilations == (len(traced), len(traced))
    assert len(load_results(tmp_path / "small")) == len(arms) + 1


def test_groups_say_why_they_need_a_program_of_their_own():
    experiment = declare()
    said, _ = planned(experiment, choose_execution(experiment))
    scalar, structural = said.groups
    assert scalar.arms == ("base", "kl_bound=0.2") and scalar.differs == ()
    assert structural.arms == ("kl/no_kl",)
    assert set(structural.differs) == {"algorithm.actor_loss.objective", "algorithm.kl_multiplier"}
    text = format_forecast(said)
    assert "its own program for algorithm.actor_loss.objective" in text and "2 compilations" in text


def test_lanes_that_do_not_fit_do_not_train_together(monkeypatch):
    experiment = declare(arms=[kl.no_kl], seeds=range(4))
    need = max(lane_bytes(run.spec) for run in experiment.runs())
    devices = lanes.lane_devices()
    memory = lambda lanes: planning.RESIDENT_BYTES + lanes * need
    assert choose_execution(experiment) == Execution("map", 16, devices)
    assert choose_execution(experiment, memory(4)) == Execution("map", 16, devices)
    assert choose_execution(experiment, memory(1)) == Execution("map", 1, 1)
    message = r"One run on BestAction needs about .*, besides 1 GB for libraries .* are allowed \(--memory\)"
    with pytest.raises(ConfigurationError, match=message):
        choose_execution(experiment, memory(1) - 1)
    monkeypatch.setattr(planning, "lanes_mode", lambda: "vmap")
    chosen = choose_execution(experiment, memory(3))
    assert chosen.mode == "vmap" and chosen.devices == devices and chosen.width(4) in (2, 3)
    said, _ = planned(experiment, Execution("vmap", 3, 1))
    assert said.to_json()["bytes"] <= 3 * need
    assert said.to_json()["batches"] == 4


def test_larger_rollouts_need_more_memory():
    spec = declare().runs()[0].spec
    longer = dataclasses.replace(
        spec, algorithm=dataclasses.replace(spec.algorithm, rollout_length=4 * spec.algorithm.rollout_length)
    )
    assert 2 < lane_bytes(longer) / lane_bytes(spec) < 4.5


def test_a_probe_measures_every_group():
    experiment = declare(arms=())
    execution = choose_execution(experiment)
    said, batches = planned(experiment, execution)
    found = measure(said, experiment, batches)
    (group,) = found.groups
    assert group.measured.seconds > 0 and group.measured.compile_seconds > 0
    assert 0 < group.measured.bytes <= group.bytes
    assert "measured:" in format_forecast(found)


def test_the_command_plans_without_compiling_or_writing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(lanes.BatchProgram, "compile", lambda self: pytest.fail("compiled"))
    file = tmp_path / "study.py"
    file.write_text(
        "from reppo import Experiment, environments, presets\n"
        "experiment = Experiment(name='study', base=presets.reppo_small, steps=10_000, seeds=range(3),\n"
        "                        environments=[environments.gymnax('Pendulum-v1')])\n"
    )
    out = tmp_path / "out"
    assert main(["plan", str(file), "--out", str(out), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["compilations"] == 1 and described["runs"] == 3 and described["groups"][0]["measured"] is None
    assert not out.exists()
    assert main(["plan", str(file), "--memory", "1kB"]) == 2
    assert "--memory" in capsys.readouterr().err
    assert main(["plan", str(file), "--memory", "much"]) == 2
    assert "8GB" in capsys.readouterr().err
