"""`reppo completion`: a script of a shell that completes commands, options, choices and names, and elsewhere files."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reppo.cli.parser import Commands

SHELLS = ("bash", "zsh", "fish")


def add_commands(commands: Commands) -> None:
    """Adds the command."""
    completion = commands.add("completion", print_script, "print a script that completes commands and names in a shell")
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(whole=commands.parser)


def print_script(arguments: argparse.Namespace) -> int:
    """`reppo completion SHELL`: prints the script of a shell."""
    from reppo.ablation import all_ablations
    from reppo.descriptions.entries import all_names, list_entries

    names = {kind: [entry["name"] for entry in list_entries(kind)] for kind in ("presets", "environments")}
    specs, tasks = [*names["presets"], *all_ablations()], names["environments"]
    allowed = {"NAME": all_names(), "A": specs, "B": specs, "PRESET": names["presets"], "TASK": tasks}
    # Of a study, arms are what its file says; to run that file at the press of a key would take seconds, and run it.
    arms = ["base", *specs]
    allowed |= {"ARM": arms, "ARM,ARM": arms, "TASK,TASK": tasks}
    print(completion_script(arguments.whole, arguments.shell, allowed))
    return 0


def completion_script(parser: argparse.ArgumentParser, shell: str, names: Mapping[str, Sequence[str]]) -> str:
    """The script.

    Args:
        parser: the parser, with its commands.
        shell: one of `SHELLS`.
        names: for the metavar of an argument (such as `"NAME"`), what may stand there; several with commas between
            them, if the metavar has one (`"ARM,ARM"`). Left out are names that a shell would take apart or run.
    """
    import shtab

    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.FILE  # pyright: ignore[reportAttributeAccessIssue]
        elif action.choices is None and action.metavar in names:
            metavar = str(action.metavar)
            safe = [name for name in names[metavar] if re.fullmatch(r"[\w./+=-]+", name)]
            if "," in metavar:
                action.complete = _several(metavar, safe)  # pyright: ignore[reportAttributeAccessIssue]
            else:
                action.choices = safe
    return shtab.complete(parser, shell)


def _several(metavar: str, names: Sequence[str]) -> dict[str, Any]:
    """How each shell completes the last of some names with commas between them, in the form that shtab takes."""
    function, words = f"_reppo_several_{re.sub(r'[^a-z]', '_', metavar.lower())}", " ".join(names)
    bash = f"""{function}() {{
  local before=""
  [[ $1 == *,* ]] && before="${{1%,*}},"
  compgen -P "$before" -W "{words}" -- "${{1##*,}}"
}}"""
    return {
        "bash": function,
        "zsh": f"_sequence compadd - {words}",
        "fish": f"(__fish_complete_list , {function})",
        "preamble": {"bash": bash, "fish": f"function {function}; string split ' ' '{words}'; end"},
    }


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a parser and of its commands."""
    commands = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    below = [action for choices in commands for command in choices.values() for action in command._actions]
    return [*parser._actions, *below]
