"""The commands that show, compare and complete, and those that use trained policies."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reppo import cli, completion, environments, presets
from reppo.ablation import all_ablations, find_ablation
from reppo.component import Component, concrete_components
from reppo.describe import find_spec
from reppo.errors import ConfigurationError
from reppo.spec import difference, from_json, resolve

ROOT = Path(cli.__file__).parent.parent


def shown(capsys, *arguments):
    assert cli.main(list(arguments)) == 0
    return capsys.readouterr().out


def as_json(capsys, *arguments):
    return json.loads(shown(capsys, *arguments, "--json"))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("ablations", lambda: set(all_ablations())),
        ("presets", lambda: set(presets.__all__)),
        ("environments", lambda: {*environments.PLAYGROUND, *environments.GYMNAX, *environments.PROBES}),
        ("components", lambda: {name for name in concrete_components() if not name.endswith("Task")}),
    ],
)
def test_everything_is_listed_in_words_and_as_data(kind, names, capsys):
    entries = as_json(capsys, "list", kind)
    assert {entry["name"] for entry in entries} == names()
    text = shown(capsys, "list", kind)
    for entry in entries:
        assert entry["summary"] and entry["summary"] in text and entry["name"] in text
    theme = entries[0]["theme"]
    some = as_json(capsys, "list", kind, "--theme", theme)
    assert some == [entry for entry in entries if entry["theme"] == theme]


def test_a_slot_is_shown_with_what_fills_it_and_what_its_methods_are_given(capsys):
    entry = as_json(capsys, "show", "AbstractGate")
    assert {"PerState", "PerBatch", "NoGate"} <= set(entry["filled_by"]) and entry["fields"] == []
    (method,) = entry["methods"]
    assert method["signature"] == "(self, kl: Float[batch], bound: Float[]) -> Bool[batch]"
    text = shown(capsys, "show", "AbstractGate")
    assert "__call__(self, kl: Float[batch]" in text and "True where the policy is within the bound." in text
    assert as_json(capsys, "show", "PerState")["methods"] == []
    for name, cls in Component.registry.items():
        if name not in concrete_components() and cls.__module__.startswith("reppo."):
            assert name in shown(capsys, "show", name)


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


def reppo_command(*arguments):
    command = [sys.executable, "-m", "reppo.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_a_fault_in_ones_own_component_is_named_before_anything_trains(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN.format(expression="jnp.nothing(kl)"))
    done = reppo_command("run", file, "--out", tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "compiling" not in done.stdout + done.stderr
    line = OWN[: OWN.index("{expression}")].count("\n") + 1
    assert f"The arm kl/sometimes cannot be trained on BestAction: {file}, line {line}: AttributeError" in done.stderr


def test_a_policy_with_a_component_of_ones_own_is_evaluated_with_the_file_that_declares_it(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN.format(expression="kl < bound"))
    assert reppo_command("run", file, "--out", tmp_path).returncode == 0
    run = tmp_path / "own/runs/kl.sometimes/BestAction/seed0"
    without, given = reppo_command("evaluate", run), reppo_command("evaluate", run, "--file", file)
    assert without.returncode == 2 and "Unknown component 'Sometimes'" in without.stderr and "--file" in without.stderr
    assert given.returncode == 0 and "BestAction, kl/sometimes, seed 0" in given.stdout
    assert "kl/sometimes" in reppo_command("show", "kl/sometimes", "--file", file).stdout


def test_an_ablation_is_shown_with_its_question_its_difference_and_the_spec_that_it_gives(capsys):
    text = shown(capsys, "show", "kl/no_kl")
    ablation = find_ablation("kl/no_kl")
    assert ablation.question in text and ablation.reference in text
    assert "  - ClippedKL(kl_bound=0.1)\n    + Unconstrained()" in text
    assert "* algorithm.actor_loss.objective = Unconstrained" in text
    assert "    algorithm.gamma = 0.99" in text
    data = as_json(capsys, "show", "kl/no_kl", "--base", "reppo_small", "--environment", "Pendulum-v1")
    base = resolve(presets.reppo_small(environments.gymnax("Pendulum-v1")))
    assert from_json(data["spec"]) == resolve(ablation(presets.reppo_small(environments.gymnax("Pendulum-v1"))))
    assert [change["path"] for change in data["changes"]] == [
        path for path, _, _ in difference(base, from_json(data["spec"]))
    ]


def test_several_ablations_and_settings_are_shown_as_one_arm(capsys):
    data = as_json(capsys, "show", "kl/no_kl+value/mse+gamma=0.9")
    assert data["name"] == "gamma=0.9+kl/no_kl+value/mse"
    spec = from_json(data["spec"])
    assert str(spec.algorithm.gamma) == "0.9" and spec == find_spec(data["name"], "reppo", "CartpoleBalance")
    assert {"algorithm.gamma", "algorithm.value"} <= {change["path"] for change in data["changes"]}


def test_presets_components_and_environments_are_shown(capsys):
    text = shown(capsys, "show", "reppo_small")
    assert "REPPO for two CPU cores" in text and "* algorithm.num_environments = 64" in text
    assert from_json(as_json(capsys, "show", "reppo")["spec"]) == find_spec("reppo", "reppo", "CartpoleBalance")
    text = shown(capsys, "show", "HLGauss")
    assert "fills      AbstractValue" in text and "num_bins              static  151" in text
    assert as_json(capsys, "show", "HLGauss")["fields"][2] == {"name": "sigma", "kind": "scalar", "default": "0.75"}
    text = shown(capsys, "show", "Pendulum-v1")
    assert 'environments.gymnax("Pendulum-v1")' in text and "200 steps" in text
    assert "robots' models" in shown(capsys, "show", "Go1JoystickFlatTerrain")


def test_specs_are_compared(capsys):
    text = shown(capsys, "diff", "reppo", "reppo_small")
    assert text.startswith("- reppo\n+ reppo_small\non CartpoleBalance\n")
    assert "algorithm.num_environments\n  - 1024\n  + 64\n" in text
    changes = as_json(capsys, "diff", "reppo", "gamma=0.9", "--environment", "Pendulum-v1")
    assert {"path": "algorithm.gamma", "before": 0.99, "after": 0.9} in changes
    forth = as_json(capsys, "diff", "kl/no_kl", "value/mse")
    back = as_json(capsys, "diff", "value/mse", "kl/no_kl")
    assert [(c["before"], c["after"]) for c in forth] == [(c["after"], c["before"]) for c in back]
    assert "do not differ" in shown(capsys, "diff", "reppo", "base")


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("1_000", 1000), ("500k", 500_000), ("2.5M", 2_500_000), ("1e6", 10**6), ("-3", -3), ("1.5k", 1500)],
)
def test_counts_may_be_written_short(text, number):
    assert cli._count(text) == number


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", [0, 1, 2]), ("1", [0]), ("3,", [3]), ("3-3", [3]), ("0-4", [0, 1, 2, 3, 4]), ("3,5", [3, 5]),
        ("0-2, 7", [0, 1, 2, 7]), ("08,", [8]),
    ],
)  # fmt: skip
def test_seeds_are_how_many_or_which(text, seeds):
    assert cli._parser().parse_all(["run", "study.py", "--seeds", text]).seeds == seeds


def test_no_option_of_any_command_may_be_shortened():
    for name, parser in completion._commands(cli._parser()).items():
        assert not parser.allow_abbrev, name
        for option in parser._option_string_actions:
            given = [name, *["x"] * len(parser._get_positional_actions()), option[:-1], "1"]
            if option.startswith("--") and option[:-1] not in parser._option_string_actions:
                with pytest.raises(ConfigurationError, match="Unknown option|required|Unknown kind|Unknown shell"):
                    cli._parser().parse_all(given)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["run", "nowhere.py"], "There is no file 'nowhere.py'"),
        (["plan", "."], "'.' is a folder"),
        (["cite", "notes.txt"], "is no Python file"),
        (["run", "study.py", "--out", "notes.txt"], "'notes.txt' is a file"),
        (["evaluate", "nowhere"], "There is no folder 'nowhere'"),
        (["render", "nowhere", "--out", "notes.txt/a.gif"], "'notes.txt' is a file"),
        (["report", "nowhere"], "is no results folder"),
        (["compare", ".", "."], "is no results folder"),
        (["power", "nowhere", "--effect", "0.1"], "is no results folder"),
    ],
)
def test_what_is_cheap_to_check_comes_before_jax(command, message, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "study.py").write_text("1 / 0")
    code = (
        "import sys\nfrom reppo.cli import main\ncode = main()\n"
        "print(code, [name for name in ('jax', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert message in done.stderr and done.stdout.strip() == "2 []"


PLACE = os.environ | {"PYTHONPATH": str(ROOT)}
ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}


def test_a_terminal_without_utf8_shows_what_it_can(tmp_path):
    (tmp_path / "study.py").write_text("raise ValueError('\u03b3 is too large')", encoding="utf-8")
    environment = PLACE | ASCII
    done = subprocess.run(
        [sys.executable, "-m", "reppo.cli", "run", "study.py"], capture_output=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    code = "from reppo import cli; cli._parser = lambda: P()\nclass P:\n    def parse_all(self, argv): print('\\u03b3')"
    code += "; raise SystemExit(0)\ncli.main([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert (done.returncode, done.stdout) == (0, b"?\n"), done.stderr


@pytest.mark.parametrize("arguments", ["list ablations", "run --help"])
@pytest.mark.parametrize("reader", ["true", "head -n 1"])
def test_a_reader_that_leaves_is_no_fault(arguments, reader):
    line = f"set -o pipefail; {sys.executable} -m reppo.cli {arguments} | {reader} > /dev/null"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode in (0, 1) and done.stderr == ""


def test_closed_streams_are_no_fault():
    line = f"{sys.executable} -m reppo.cli list presets >&- && {sys.executable} -m reppo.cli list nothing 2>&-; echo $?"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout.splitlines()[-1] == "2" and "Traceback" not in done.stderr


def test_a_command_needs_no_home(tmp_path):
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "reppo.cli", "show", "kl/no_kl"], capture_output=True, text=True, env=bare
    )
    assert done.returncode == 0 and "kl/no_kl" in done.stdout


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


def complete(script, *words):
    """What bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    code = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _reppo; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_and_names(capsys):
    script = shown(capsys, "completion", "bash")
    assert complete(script, "reppo", "r") == ["run", "render", "report"]
    assert set(complete(script, "reppo", "run", "--s")) == {"--seeds", "--steps", "--set", "--stop-on-divergence"}
    assert complete(script, "reppo", "run", "study.py", "--wandb", "off") == ["offline"]
    assert complete(script, "reppo", "list", "p") == ["presets"]
    assert complete(script, "reppo", "show", "kl/no_k") == ["kl/no_kl"]
    assert complete(script, "reppo", "diff", "reppo_sm") == ["reppo_small"]
    assert complete(script, "reppo", "show", "kl/no_kl", "--environment", "Pendulum-") == ["Pendulum-v1"]
    assert complete(script, "reppo", "run", "stu") == []  # left to bash: files


def test_the_other_shells_get_scripts_of_all_commands(capsys):
    assert "bashcompinit" in shown(capsys, "completion", "zsh")
    fish = shown(capsys, "completion", "fish")
    for command in ("run", "list", "show", "diff", "evaluate", "render", "completion"):
        assert f"-f -a {command} -d " in fish
    assert "complete -c reppo -n '__fish_seen_subcommand_from run' -l steps -r -d" in fish


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_needs_neither_jax_nor_numpy(arguments):
    code = (
        "import sys\nfrom reppo.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('jax', 'equinox', 'numpy', 'scipy', 'wandb', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and "usage: reppo" in done.stdout


def test_listing_imports_no_simulator():
    code = (
        "import sys\nfrom reppo.cli import main\nmain()\n"
        "heavy = ('mujoco', 'mujoco_playground', 'gymnax', 'orbax', 'wandb', 'matplotlib', 'scipy.stats')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, "list", "ablations"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
