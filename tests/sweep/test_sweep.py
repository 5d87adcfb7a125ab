"""Experiments from declaration to disk, on a probe."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ablations import kl
from reppo import cli, environments
from reppo.ablation import setting
from reppo.cli.study import run_declared
from reppo.results import load_results
from reppo.runtime.cache import remove_damaged
from reppo.sweep import Experiment, execute
from reppo.tracking import AbstractTracker, Noticed, NoTracker
from tests.sweep import resuming
from tests.sweep.resuming import returns
from tests.tiny import save_at_every_iteration, tiny_preset
from tests.tracking.lanes import KillAfter

STEPS = 128 * 4


def declare(**changes):
    return resuming.declare(**({"steps": STEPS} | changes))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "small"
    execute(declare(), path, NoTracker())
    return path


def test_every_run_leaves_its_records(undisturbed):
    runs = load_results(undisturbed)
    assert len(runs) == 4
    for run in runs:
        assert run.record.status == "finished" and run.record.environment_steps == STEPS
        assert sorted(set(run.evaluations.environment_steps)) == [0, 256, 512]
        assert np.isfinite(run.evaluations.returns).all()
        assert (run.folder.policy_path / "best.npz").exists()
        assert {"actor/kl", "critic/loss", "episodes/terminated"} <= set(run.folder.read_metrics().names)


def test_scalar_arms_share_a_program_and_start_alike(undisturbed):
    results = returns(undisturbed)
    for seed in (0, 1):
        np.testing.assert_array_equal(results["base", seed][1][:4], results["kl_bound=0.2", seed][1][:4])
    assert not np.array_equal(results["base", 0][1], results["base", 1][1])


def test_an_interrupted_sweep_ends_with_the_same_returns(undisturbed, tmp_path, monkeypatch):
    save_at_every_iteration(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        execute(declare(), tmp_path / "small", KillAfter(512))
    execute(declare(), tmp_path / "small", NoTracker())
    expected, found = returns(undisturbed), returns(tmp_path / "small")
    assert expected.keys() == found.keys()
    for run in expected:
        np.testing.assert_array_equal(expected[run][0], found[run][0])
        np.testing.assert_array_equal(expected[run][1], found[run][1])


def test_a_folder_of_other_runs_is_refused(undisturbed):
    with pytest.raises(ValueError, match="gamma was .*0.99.* and is now .*0.5"):
        execute(declare(overrides=["gamma=0.5"]), undisturbed, NoTracker())
    with pytest.raises(ValueError, match="holds the results of experiment"):
        execute(declare(name="other"), undisturbed, NoTracker())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a/b"}, "without slashes"),
        ({"environments": []}, "no environments"),
        ({"arms": [kl.no_kl, kl.no_kl]}, "listed twice"),
        ({"seeds": [0, 0]}, "listed twice"),
        ({"seeds": [-1]}, "whole number from 0"),
        ({"steps": 0}, "at least 1"),
        ({"overrides": ["gama=0.9"]}, "Did you mean"),
        ({"overrides": ["gamma=0.99"]}, "no effect"),
        ({"overrides": ["gamma=2"]}, r"gamma is 2.0; give one in \[0, 1\]"),
        ({"overrides": ["gamma"]}, "path=value"),
        ({"overrides": ["num_minibatches=3"]}, "do not divide"),
        ({"arms": [setting("kl_bound", 0.1)]}, "changes nothing"),
    ],
)
def test_what_cannot_be_run_is_refused_at_declaration(changes, message):
    with pytest.raises(ValueError, match=message):
        declare(**changes)


def test_wrong_types_are_refused_without_the_type_checker(tmp_path):
    """In a process of its own, because these tests run with the type checker, which speaks first."""
    cases = {
        'environments=["Pendulum-v1"]': "is no environment spec",
        'arms=["kl/no_kl"]': "is no ablation",
        'rivals=["reppo"]': "is no preset; a rival is one",
        "steps=1e6": "whole number",
        'overrides=["actor_loss.gate=RMSNorm()"]': "slot for AbstractGate",
    }
    script = tmp_path / "cases.py"
    script.write_text(
        "import sys\n"
        "from reppo import Experiment, environments, presets\n"
        "base = dict(name='x', base=presets.reppo_small, environments=[environments.probe('BestAction')], steps=1)\n"
        "for case in sys.argv[1:]:\n"
        "    try:\n"
        "        Experiment(**(base | eval(f'dict({case})')))\n"
        "    except ValueError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, str(script), *cases], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(cases)
    for line, message in zip(lines, cases.values(), strict=True):
        assert message in line


def test_the_command_line_runs_a_file_and_names_faults(tmp_path, capsys):
    assert cli.main(["run", str(tmp_path / "nothing.py")]) == 2
    assert "There is no file" in capsys.readouterr().err
    broken = tmp_path / "broken.py"
    broken.write_text("x = 1\ny = x +\n")
    assert cli.main(["run", str(broken)]) == 2
    assert "line 2" in capsys.readouterr().err
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    assert cli.main(["run", str(empty)]) == 2
    assert "declares no experiments" in capsys.readouterr().err


def test_the_command_line_ends_with_a_table_and_a_report(undisturbed, capsys):
    experiment = declare()
    assert run_declared(experiment, ["--out", str(undisturbed.parent)]) == 0
    shown = capsys.readouterr().out
    assert "kl_bound=0.2" in shown and "IQM" in shown
    assert all((run.record.program_bytes or 0) > 10_000 for run in load_results(undisturbed))
    assert (undisturbed / "report" / "learning_curves.png").stat().st_size > 10_000
    assert "<h1>" in (undisturbed / "report" / "index.html").read_text()


def test_ablations_are_listed_and_shown(capsys):
    assert cli.main(["list", "ablations", "--json"]) == 0
    names = {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert {"kl/no_kl", "value/mse", "normalization/no_norm"} <= names
    assert cli.main(["show", "kl/no_kl"]) == 0
    assert "Unconstrained()" in capsys.readouterr().out
    assert cli.main(["show", "kl/no_lk"]) == 2
    assert "Did you mean 'kl/no_kl'" in capsys.readouterr().err


def test_damaged_entries_of_the_compilation_cache_are_removed(tmp_path):
    import zlib

    whole, torn, empty = tmp_path / "a-cache", tmp_path / "b-cache", tmp_path / "c-cache"
    whole.write_bytes(zlib.compress(b"x" * 1000))
    torn.write_bytes(zlib.compress(b"x" * 1000)[:-3])
    empty.write_bytes(b"")
    (tmp_path / "b-atime").write_bytes(b"")
    assert remove_damaged(tmp_path) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a-atime", "a-cache"]


def test_a_lost_file_of_the_compilation_cache_does_not_stop_new_entries(tmp_path):
    import zlib

    from jax._src.lru_cache import LRUCache

    cache = LRUCache(str(tmp_path), max_size=10**6)
    cache.put("old", zlib.compress(b"old"))
    (tmp_path / "old-atime").unlink()  # jax 0.10 then writes no new entry at all
    assert remove_damaged(tmp_path) == 0
    cache.put("new", zlib.compress(b"new"))
    assert cache.get("new") == zlib.compress(b"new") and cache.get("old") == zlib.compress(b"old")


def test_what_makes_the_numbers_of_a_simulation_doubtful_is_said_once(tmp_path):
    said = []

    class Listener(AbstractTracker):
        def receive(self, event):
            said.extend([event.text] if isinstance(event, Noticed) else [])

        def close(self):
            pass

    experiment = Experiment(
        name="broken", base=tiny_preset, environments=[environments.probe("NonFinite")], seeds=[0, 1], steps=512
    )
    execute(experiment, tmp_path / "broken", Listener())
    assert len(said) == 1 and "NonFinite base: the simulation broke in evaluation episodes" in said[0]
    for run in load_results(tmp_path / "broken"):
        assert run.evaluations.broken.all() and (run.evaluations.lengths == 3).all()
