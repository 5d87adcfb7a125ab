"""What an experiment is said to cost, against what it does cost, on a probe."""

import dataclasses
import json

import jax
import pytest

from ablations import kl
from reppo import environments
from reppo.ablation import setting
from reppo.cli import main
from reppo.errors import ConfigurationError
from reppo.sweep import Experiment, execute
from reppo.sweep import plan as planning
from reppo.sweep.forecast import forecast, format_forecast, measure
from reppo.sweep.plan import Execution, arrange_batches, choose_execution
from reppo.tracking import AbstractTracker, SweepFinished
from reppo.training import lane_bytes, lanes
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
    batches = arrange_batches(experiment.runs(), execution.width)
    return forecast(experiment, batches, execution), batches


class Last(AbstractTracker):
    def receive(self, event):
        self.event = event

    def close(self):
        pass


def test_a_forecast_counts_what_a_sweep_then_does(tmp_path, monkeypatch):
    traced = []
    original = lanes.train_chunk
    monkeypatch.setattr(lanes, "train_chunk", lambda *arguments: (traced.append(1), original(*arguments))[1])
    experiment, last = declare(), Last()
    execution = choose_execution(experiment)
    said, _ = planned(experiment, execution)
    execute(experiment, tmp_path / "small", last)
    assert isinstance(last.event, SweepFinished)
    assert said.compilations == len(traced) == 2
    assert last.event.compilations == (2, 2)
    assert said.to_json()["training_steps"] == 3 * 2 * STEPS
    assert said.to_json()["evaluation_steps"] == 3 * 2 * 3 * 4 * experiment.environments[0].make().horizon
    forecast_bytes, used = last.event.bytes
    assert used <= forecast_bytes == said.to_json()["bytes"] <= 3 * used


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
    experiment = declare(seeds=range(4))
    need = max(lane_bytes(run.spec) for run in experiment.runs())
    assert len(jax.local_devices()) == 2
    assert choose_execution(experiment) == Execution("map", 4, 2)
    assert choose_execution(experiment, 2 * need) == Execution("map", 4, 2)
    assert choose_execution(experiment, 2 * need - 1) == Execution("map", 4, 1)
    with pytest.raises(ConfigurationError, match=r"One run on BestAction needs about .* are allowed \(--memory\)"):
        choose_execution(experiment, need - 1)
    monkeypatch.setattr(planning, "lanes_mode", lambda: "vmap")
    assert choose_execution(experiment, 3 * need) == Execution("vmap", 3, 2)
    said, _ = planned(experiment, Execution("vmap", 3, 1))
    assert said.to_json()["bytes"] <= 3 * need
    assert said.to_json()["batches"] == 5


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
