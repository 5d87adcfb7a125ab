"""What shells complete."""

import shutil
import subprocess

import pytest

from tests.cli.calls import shown


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
