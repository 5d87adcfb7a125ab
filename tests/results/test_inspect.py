"""What a run folder tells."""

import json
import shutil

import numpy as np
import pytest

from reppo import cli
from tests.results.study import Study, run


@pytest.fixture
def diverged(tmp_path):
    """A run that diverged at 250 steps, and whose metrics go on."""
    study = Study(tmp_path / "study", [[run("kl/no_kl", 3)]])
    study.started(run("kl/no_kl", 3))
    folder = study.folder.run("kl/no_kl", "Task", 3)
    for steps in range(0, 600, 100):
        folder.append_evaluation(steps, 1.0, np.array([1.0 * steps, steps + 2.0]), np.array([5, 5]))
        lost = np.nan if steps > 250 else 0.25
        folder.append_metrics(steps, {"critic/loss": (lost, lost, lost), "actor/kl": (0.125, 0.0, 1.0)})
    fault = {"diverged_at": 250, "diverged_iteration": 2, "diverged_by": "critic/loss"}
    fields = {"environment_steps": 500, "versions": {"jax": "0.10.2"}, "batch": "batch0000", "train_seconds": 75.0}
    study.record(run("kl/no_kl", 3), "diverged", **fault, **fields)
    folder.policy_path.mkdir()
    (folder.policy_path / "best.npz").write_bytes(b"")
    return folder


def test_a_run_says_what_it_is_why_it_diverged_and_its_metrics_before(diverged, capsys):
    assert cli.main(["inspect", str(diverged.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = {line[:11].strip(): line[13:] for line in lines[2 : lines.index("", 2)]}
    assert lines[0] == "kl/no_kl on Task, seed 3"
    assert said["status"] == "diverged after 250 steps (iteration 2), first not finite: critic/loss"
    assert said["took"].startswith("1:15") and said["versions"] == "jax 0.10.2" and said["steps"] == "500"
    assert said["best policy"] == str(diverged.policy_path / "best.npz") and "last policy" not in said
    assert "commit 0123456789 with changes" in said["session"]
    table = [line.split() for line in lines[lines.index("Means before it diverged") + 1 :]]
    assert table == [
        ["steps", "0", "100", "200", "300"],
        ["evaluation/return", "1", "101", "201", "301"],
        ["actor/kl", "0.125", "0.125", "0.125", "0.125"],
        ["critic/loss", "0.25", "0.25", "0.25", "nan"],
    ]


def test_as_data_it_says_the_same(diverged, capsys):
    assert cli.main(["inspect", str(diverged.path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["record"]["diverged_by"] == "critic/loss" and data["metrics"]["steps"] == [0, 100, 200, 300]
    assert data["metrics"]["rows"]["critic/loss"] == [0.25, 0.25, 0.25, "nan"]
    assert data["attempts"][0]["host"] == "node1" and list(data["policies"]) == ["best"]


def test_a_folder_that_was_copied_from_elsewhere_is_enough(diverged, tmp_path, capsys):
    alone = shutil.copytree(diverged.path, tmp_path / "alone")
    assert cli.main(["inspect", str(alone)]) == 0
    assert "session" not in capsys.readouterr().out


def test_what_is_no_run_is_refused_with_one_that_is(diverged, capsys):
    assert cli.main(["inspect", str(diverged.path.parents[3])]) == 2
    assert str(diverged.path) in capsys.readouterr().err
