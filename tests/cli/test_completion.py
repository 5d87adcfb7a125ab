"""What shells complete."""

import shutil
import subprocess

import pytest

from reppo.cli.completion import completion_script
from reppo.cli.parser import Commands, Parser
from tests.cli.calls import shown


def complete(script, *words, place=None):
    """What bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_reppo; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True, cwd=place)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_names_and_files(capsys, tmp_path):
    script = shown(capsys, "completion", "bash")
    assert complete(script, "reppo", "r") == ["run", "render", "report"]
    assert set(complete(script, "reppo", "run", "--s")) == {"--seeds", "--steps", "--set", "--stop-on-divergence"}
    assert complete(script, "reppo", "run", "study.py", "--wandb", "off") == ["offline"]
    assert complete(script, "reppo", "list", "p") == ["presets"]
    assert complete(script, "reppo", "show", "kl/no_k") == ["kl/no_kl"]
    assert complete(script, "reppo", "diff", "reppo_sm") == ["reppo_small"]
    assert complete(script, "reppo", "diff", "reppo", "value/ms") == ["value/mse"]
    assert complete(script, "reppo", "show", "kl/no_kl", "--environment", "Pendulum-") == ["Pendulum-v1"]
    assert complete(script, "reppo", "submit", "study.py", "--partition", "kl") == []
    assert complete(script, "reppo", "run", "study.py", "--arms", "kl/no_k") == ["kl/no_kl"]
    assert complete(script, "reppo", "run", "study.py", "--arms", "base,kl/no_kl,value/ms") == [
        "base,kl/no_kl,value/mse"
    ]
    assert complete(script, "reppo", "plan", "study.py", "--environments", "Pendulum-") == ["Pendulum-v1"]
    assert complete(script, "reppo", "report", "results", "--base", "kl/no_k") == ["kl/no_kl"]
    (tmp_path / "study.py").touch()
    assert complete(script, "reppo", "run", "stu", place=tmp_path) == ["study.py"]
    assert complete(script, "reppo", "report", "r", "--out", "stu", place=tmp_path) == ["study.py"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_commands_options_and_names(capsys, tmp_path):
    (tmp_path / "reppo.fish").write_text(shown(capsys, "completion", "fish"))
    for line, found in (
        ("list pre", "presets"),
        ("run --see", "--seeds"),
        ("show kl/no_k", "kl/no_kl"),
        ("run --arms kl/no_k", "kl/no_kl"),
        ("run --arms base,value/ms", "base,value/mse"),
    ):
        code = f"source {tmp_path}/reppo.fish; complete -C 'reppo {line}'"
        done = subprocess.run(["fish", "-c", code], capture_output=True, text=True, check=True)
        assert [one.partition("\t")[0] for one in done.stdout.splitlines()] == [found]


@pytest.mark.slow
def test_the_other_shells_get_scripts_of_all_commands(capsys):
    for shell in ("zsh", "fish"):
        script = shown(capsys, "completion", shell)
        for word in (
            "run",
            "list",
            "show",
            "diff",
            "evaluate",
            "render",
            "completion",
            "stop-on-divergence",
            "kl/no_kl",
        ):
            assert word in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_runs_nothing(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    parser = Parser(prog="reppo")
    command = Commands(parser).add("show", lambda arguments: 0, "show")
    command.add_argument("name", metavar="NAME")
    command.add_argument("--arms", metavar="ARM,ARM")
    odd = [f"$(touch {tmp_path}/ran)", f"`touch {tmp_path}/ran`", "two words", "it's", 'a"b', "bad\x1b[2J", "a;b"]
    names = ["kl/no_kl", *odd, "x=1e-05+y"]
    script = completion_script(parser, shell, {"NAME": names, "ARM,ARM": names})
    assert not any(name in script for name in odd) and "x=1e-05+y" in script
    if shell == "bash":
        assert complete(script, "reppo", "show", "") == ["kl/no_kl", "x=1e-05+y"]
        assert complete(script, "reppo", "show", "--arms", "") == ["kl/no_kl", "x=1e-05+y"]
        typed = f"$(touch {tmp_path}/ran),kl/no_k"
        assert complete(script, "reppo", "show", "--arms", typed) == ["$(touch", f"{tmp_path}/ran),kl/no_kl"]
    subprocess.run([shell, "-c", "compdef() { }\n" * (shell == "zsh") + script], check=True, capture_output=True)
    assert not (tmp_path / "ran").exists()
