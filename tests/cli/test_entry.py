"""The command line as a whole: its options, its streams, and what it does not import."""

import os
import subprocess
import sys

import pytest

from reppo import cli
from reppo.cli import entry
from reppo.errors import ConfigurationError
from tests.cli.calls import PLACE


def test_no_option_of_any_command_may_be_shortened():
    (commands,) = (action.choices for action in cli.build_parser()._actions if action.choices)
    for name, parser in commands.items():
        assert not parser.allow_abbrev, name
        for option in parser._option_string_actions:
            given = [name, *["x"] * len(parser._get_positional_actions()), option[:-1], "1"]
            if option.startswith("--") and option[:-1] not in parser._option_string_actions:
                with pytest.raises(ConfigurationError, match="Unknown option|required|Unknown kind|Unknown shell"):
                    cli.build_parser().parse_args(given)


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
        env=PLACE,
    )  # fmt: skip
    assert message in done.stderr and done.stdout.strip() == "2 []"


ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}


def test_a_terminal_without_utf8_shows_what_it_can(tmp_path):
    (tmp_path / "study.py").write_text("raise ValueError('\u03b3 is too large')", encoding="utf-8")
    environment = PLACE | ASCII
    done = subprocess.run(
        [sys.executable, "-m", "reppo.cli", "run", "study.py"], capture_output=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    code = "from reppo.cli import entry; entry.build_parser = lambda: P()\nclass P:\n    def parse_args(self, argv): "
    code += "print('\\u03b3'); raise SystemExit(0)\nentry.main([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert (done.returncode, done.stdout) == (0, b"?\n"), done.stderr


@pytest.mark.parametrize("arguments", ["list ablations", "run --help"])
@pytest.mark.parametrize("reader", ["true", "head -n 1"])
def test_a_reader_that_leaves_is_no_fault(arguments, reader):
    line = f"set -o pipefail; {sys.executable} -m reppo.cli {arguments} | {reader} > /dev/null"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=PLACE)
    assert done.returncode in (0, 1) and done.stderr == ""


def test_closed_streams_are_no_fault():
    line = f"{sys.executable} -m reppo.cli list presets >&- && {sys.executable} -m reppo.cli list nothing 2>&-; echo $?"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=PLACE)
    assert done.stdout.splitlines()[-1] == "2" and "Traceback" not in done.stderr


def test_a_command_needs_no_home(tmp_path):
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": PLACE["PYTHONPATH"], "HOME": "/nonexistent", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "reppo.cli", "show", "kl/no_kl"], capture_output=True, text=True, env=bare
    )
    assert done.returncode == 0 and "kl/no_kl" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_needs_neither_jax_nor_numpy(arguments):
    code = (
        "import sys\nfrom reppo.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('jax', 'equinox', 'numpy', 'scipy', 'wandb', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and "usage: reppo" in done.stdout


@pytest.mark.parametrize(("outcome", "at_once"), [(0, False), (3, False), (130, True), (SystemExit(143), True)])
def test_the_installed_command_leaves_at_once_where_a_signal_asked_for_it(monkeypatch, outcome, at_once):
    def main():
        if isinstance(outcome, SystemExit):
            raise outcome
        return outcome

    def leave(code):
        left.append(code)
        raise SystemExit(code)

    left = []
    monkeypatch.setattr(entry, "main", main)
    monkeypatch.setattr(entry.os, "_exit", leave)
    with pytest.raises(SystemExit) as ended:
        entry.script()
    code = outcome.code if isinstance(outcome, SystemExit) else outcome
    assert ended.value.code == code and left == [code] * at_once
