"""Completion scripts for shells, made from the tree of the command line. Imports no JAX."""

import argparse
import shlex
from collections.abc import Mapping, Sequence

from reppo.cli.parser import Commands

SHELLS = ("bash", "zsh", "fish")

_INSTALL = {
    "bash": 'eval "$(reppo completion bash)", in ~/.bashrc',
    "zsh": 'eval "$(reppo completion zsh)", in ~/.zshrc',
    "fish": "reppo completion fish > ~/.config/fish/completions/reppo.fish",
}


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
    specs = [*names["presets"], *all_ablations()]
    allowed = {"NAME": all_names(), "A": specs, "B": specs, "PRESET": names["presets"], "TASK": names["environments"]}
    print(completion_script(arguments.whole, arguments.shell, allowed), end="")
    return 0


def completion_script(parser: argparse.ArgumentParser, shell: str, names: Mapping[str, Sequence[str]]) -> str:
    """A script that completes commands, options, choices and names; elsewhere files.

    Args:
        parser: the parser, with its commands.
        shell: one of `SHELLS`.
        names: for the metavar of an argument (such as `"NAME"`), what may stand there.
    """
    commands = _commands(parser)
    return (_fish if shell == "fish" else _bash)(commands, shell, names)


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _values(action: argparse.Action, names: Mapping[str, Sequence[str]]) -> list[str]:
    """What may stand there, as words of a shell, which expands them once more when it completes."""
    known = names.get(str(action.metavar), ()) if action.choices is None else map(str, action.choices)
    return [shlex.quote(name) for name in known if name.isprintable()]


def _bash(commands: Mapping[str, argparse.ArgumentParser], shell: str, names: Mapping[str, Sequence[str]]) -> str:
    lines = [f"# {_INSTALL[shell]}"]
    if shell == "zsh":
        lines.append("autoload -U +X compinit && compinit; autoload -U +X bashcompinit && bashcompinit")
    lines += [
        "_reppo() {",
        '  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words=""',
        '  if [ "$COMP_CWORD" -eq 1 ]; then',
        f"    words={shlex.quote(' '.join(commands))}",
        "  else",
        '    case "${COMP_WORDS[1]}:$previous" in',
    ]
    for command, parser in commands.items():
        for action in parser._actions:
            if action.option_strings and (values := _values(action, names)):
                pattern = "|".join(f"{command}:{option}" for option in action.option_strings)
                lines.append(f"      {pattern}) words={shlex.quote(' '.join(values))} ;;")
    for command, parser in commands.items():
        options = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
        places = [value for a in parser._actions if not a.option_strings for value in _values(a, names)]
        lines.append(f"      {command}:*) words={shlex.quote(' '.join(dict.fromkeys([*options, *places])))} ;;")
    lines += [
        "    esac",
        "  fi",
        '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        "complete -o default -F _reppo reppo",
    ]
    return "\n".join(lines) + "\n"


def _fish(commands: Mapping[str, argparse.ArgumentParser], shell: str, names: Mapping[str, Sequence[str]]) -> str:
    lines = [f"# {_INSTALL[shell]}"]
    for command, parser in commands.items():
        lines.append(f"complete -c reppo -n __fish_use_subcommand -f -a {command} -d {shlex.quote(_about(parser))}")
        here = f"complete -c reppo -n '__fish_seen_subcommand_from {command}'"
        for action in parser._actions:
            values = _values(action, names)
            given = f" -f -a {shlex.quote(' '.join(values))}" if values else ""
            for option in action.option_strings:
                if option.startswith("--"):
                    takes = " -r" if action.nargs != 0 else ""
                    lines.append(f"{here} -l {option[2:]}{takes}{given} -d {shlex.quote(action.help or '')}")
            if not action.option_strings and values:
                lines.append(f"{here}{given}")
    return "\n".join(lines) + "\n"


def _about(parser: argparse.ArgumentParser) -> str:
    return parser.description or ""
