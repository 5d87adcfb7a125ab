"""Training from Python: what it gives is what an experiment gives."""

import gc
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import reppo
from reppo import environments
from reppo.errors import ConfigurationError, RunsFailed
from reppo.results import frame, load_results
from reppo.sweep import Trained, alone, train
from reppo.tracking import AbstractTracker, BatchFailed, Compiling, RunFinished
from tests.tiny import tiny_preset

SPEC = tiny_preset(environments.gymnax("Pendulum-v1"))
OBSERVATION = np.array([1.0, 0.0, 0.5], np.float32)


class Heard(AbstractTracker):
    def __init__(self):
        self.events, self.closed = [], False

    def receive(self, event):
        self.events.append(event)

    def close(self):
        self.closed = True


@pytest.fixture(scope="module")
def heard():
    return Heard()


@pytest.fixture(scope="module")
def trained(heard):
    return train(SPEC, 512, seeds=2, progress=heard)


def test_it_is_what_an_experiment_gives(trained, pendulum_results):
    assert isinstance(trained, Trained) and trained.seeds == (0, 1)
    theirs = load_results(pendulum_results)
    np.testing.assert_array_equal(trained.steps, [0, 256, 512])
    np.testing.assert_array_equal(trained.returns, [run.evaluations.curve()[1] for run in theirs])
    for which in ("best", "last"):
        for mine, run in zip(trained.policies(which), theirs, strict=True):
            wanted = reppo.load_policy(run.folder.path, which)
            for a, b in zip(jax.tree.leaves(mine.policy), jax.tree.leaves(wanted.policy), strict=True):
                np.testing.assert_array_equal(a, b)


def test_the_policy_acts_on_numpy_observations(trained):
    action = trained.policy(OBSERVATION)
    assert action.shape == (1,) and -2 <= float(action[0]) <= 2
    np.testing.assert_array_equal(action, trained.policies("best")[0](jnp.asarray(OBSERVATION)))


def test_it_shows_itself_in_a_few_lines(trained):
    lines = repr(trained).split("\n")
    assert lines[0].startswith("Trained on Pendulum-v1: 2 seeds, 512 steps in ")
    assert len(lines) == 3 and lines[1].startswith("  seed 0: return -")
    many = Trained(trained.spec, trained.path, trained.runs * 5)
    assert len(repr(many).split("\n")) == 6 and repr(many).endswith("and 6 seeds more")


def test_a_tracker_hears_of_everything(trained, heard):
    kinds = [type(event) for event in heard.events]
    assert Compiling in kinds and kinds.count(RunFinished) == 2 and heard.closed


def test_saved_results_are_read_and_continued(trained, tmp_path, capsys):
    saved = trained.save(tmp_path / "kept")
    policy = reppo.load_policy(saved / "runs/base/Pendulum-v1/seed0")
    np.testing.assert_array_equal(policy(OBSERVATION), trained.policy(OBSERVATION))
    assert set(frame(saved).seed) == {0, 1} and not list(saved.rglob("*.lock"))
    with pytest.raises(ConfigurationError, match="kept' is not empty"):
        trained.save(saved)
    longer = train(SPEC, 640, seeds=2, out=saved, progress=False)
    assert longer.steps.tolist() == [0, 256, 512, 640] and longer.path == saved
    np.testing.assert_array_equal(longer.returns[:, :3], trained.returns)
    assert "training:" not in capsys.readouterr().err
    again = train(SPEC, 640, seeds=[1], out=saved)  # done already
    assert "training: 0 runs" in capsys.readouterr().err
    np.testing.assert_array_equal(again.returns, longer.returns[1:])


@pytest.mark.parametrize("ending", [None, KeyboardInterrupt])
def test_a_temporary_folder_goes_with_the_result(trained, monkeypatch, tmp_path, ending):
    folder = tmp_path / "temporary"

    def execute(experiment, path, tracker):
        shutil.copytree(trained.path, path)
        if ending:
            raise ending

    monkeypatch.setattr(alone.tempfile, "mkdtemp", lambda prefix: str(folder))
    monkeypatch.setattr(alone, "execute", execute)
    if ending:
        with pytest.raises(ending):
            train(SPEC, 512, seeds=2, progress=False)
    else:
        result = train(SPEC, 512, seeds=2, progress=False)
        assert result.path == folder and folder.is_dir()
        del result
        gc.collect()
    assert not folder.exists()


def test_what_raised_while_it_trained_is_told(monkeypatch):
    def fail(experiment, path, tracker):
        tracker.receive(BatchFailed(label="b", run_ids=["r"], reason="ValueError: no", traceback="line 7, in loss"))
        raise RunsFailed(f"The whole errors stand in {path}")

    monkeypatch.setattr(alone, "execute", fail)
    with pytest.raises(RunsFailed, match="Training failed: ValueError: no\nline 7, in loss"):
        train(SPEC, 512, progress=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": reppo.presets.reppo_small}, "is no spec. A preset gives one for an environment"),
        ({"steps": 0}, "steps are 0"),
        ({"seeds": 0}, "seeds=0 is how many; give at least 1"),
        ({"seeds": [3, 3]}, "A seed is listed twice: 3"),
        ({"seeds": 1.5}, "seeds must be a list, not 1.5"),
        ({"progress": "no"}, "progress='no' is neither True, False nor a tracker"),
    ],
)
def test_what_cannot_be_trained_is_refused(arguments, message, unchecked):
    whole = {"spec": SPEC, "steps": 512, "progress": False} | arguments
    with pytest.raises(ConfigurationError, match=message):
        train(**whole)
