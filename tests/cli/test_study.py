"""An experiment file that is run by itself, and what a study's options reach."""

import subprocess
import sys

import pytest

import reppo
from reppo import environments, presets, sweep
from tests.cli.calls import PLACE

STUDY = """
from reppo import Experiment, environments
from reppo.ablations import kl
from tests.tiny import tiny_preset

experiment = Experiment(
    name="own", base=tiny_preset, environments=[environments.probe("BestAction")], arms=[kl.no_kl], steps=128
)

if __name__ == "__main__":
    experiment.main()
"""


def test_a_file_is_its_own_command_line(tmp_path):
    (tmp_path / "study.py").write_text(STUDY)

    def run(*options):
        command = [sys.executable, "study.py", *options]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=PLACE)

    done = run("--arms", "base", "--out", "here")
    assert done.returncode == 0 and (tmp_path / "here/own/runs/base/BestAction/seed0/record.json").exists()
    assert "usage: study.py" in run("--help").stdout and "Runs the experiment 'own'." in run("--help").stdout
    wrong = run("--sed", "3")
    assert wrong.returncode == 2 and "Did you mean '--seeds'" in wrong.stderr and "study.py --help" in wrong.stderr


def test_a_declared_experiment_is_one_that_sweeps_take_and_stays_a_program_when_it_is_changed(monkeypatch):
    fields = {"name": "x", "base": presets.reppo_small, "steps": 5}
    experiment = reppo.Experiment(**fields, environments=[environments.probe("BestAction")])
    assert isinstance(experiment, sweep.Experiment)
    monkeypatch.setattr(sys, "argv", ["study.py", "--nonsense"])
    with pytest.raises(SystemExit) as ended:
        experiment.select(steps=6).main()
    assert ended.value.code == 2
