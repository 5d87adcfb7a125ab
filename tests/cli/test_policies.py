"""The commands that use trained policies, and components of one's own."""

import shutil

import pytest

from tests.cli.calls import as_json, reppo_command, shown

OWN = """
from typing import final

import jax.numpy as jnp
from reppo import Experiment, environments
from reppo.ablation import ablation
from reppo.losses import AbstractGate
from reppo.spec import replace_path
from tests.tiny import tiny_preset


@final
class Sometimes(AbstractGate):
    def __call__(self, kl, bound):
        return {expression}


@ablation("kl/sometimes", question="Is it?", touches=["algorithm.actor_loss.gate"])
def sometimes(spec):
    return replace_path(spec, "algorithm.actor_loss.gate", Sometimes())


experiment = Experiment(
    name="own", base=tiny_preset, environments=[environments.probe("BestAction")], arms=[sometimes], steps=128
)
"""


def test_a_fault_in_ones_own_component_is_named_before_anything_trains(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN.format(expression="jnp.nothing(kl)"))
    done = reppo_command("run", file, "--out", tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "compiling" not in done.stdout + done.stderr
    line = OWN[: OWN.index("{expression}")].count("\n") + 1
    assert f"The arm kl/sometimes cannot be trained on BestAction: {file}, line {line}: AttributeError" in done.stderr


@pytest.mark.slow  # two processes that compile
def test_a_policy_with_a_component_of_ones_own_is_evaluated_with_the_file_that_declares_it(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN.format(expression="kl < bound"))
    assert reppo_command("run", file, "--out", tmp_path).returncode == 0
    run = tmp_path / "own/runs/kl.sometimes/BestAction/seed0"
    without, given = reppo_command("evaluate", run), reppo_command("evaluate", run, "--file", file)
    assert without.returncode == 2 and "Unknown component 'Sometimes'" in without.stderr and "--file" in without.stderr
    assert given.returncode == 0 and "BestAction, kl/sometimes, seed 0" in given.stdout
    assert "kl/sometimes" in reppo_command("show", "kl/sometimes", "--file", file).stdout


def test_policies_are_evaluated_and_shown(pendulum_results, tmp_path, capsys):
    run = shutil.copytree(pendulum_results / "runs/base/Pendulum-v1/seed0", tmp_path / "seed0")
    data = as_json(capsys, "evaluate", str(run), "--which", "last", "--episodes", "4")
    assert data["episodes"] == len(data["returns"]) == 4 and data["lengths"] == [200] * 4 and data["nonfinite"] == 0
    assert data["mean"] == pytest.approx(sum(data["returns"]) / 4)
    text = shown(capsys, "evaluate", str(run), "--which", "last", "--episodes", "4")
    assert f"mean {data['mean']:.1f}" in text and "Pendulum-v1, base, seed 0, last policy, 4 fresh episodes" in text
    assert data["episodes_of"] == "fresh"
    own = shown(capsys, "evaluate", str(run), "--episodes", "4", "--seed", "0")
    assert "best policy, 4 episodes of the run's own evaluations, on which this policy was chosen" in own
    assert "5 frames of an episode of 200 steps" in shown(capsys, "render", str(run), "--steps", "5", "--width", "64")
    assert (run / "episode.gif").read_bytes()[:4] == b"GIF8"
