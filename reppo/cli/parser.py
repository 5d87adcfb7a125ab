"""What argparse lacks: faults in one paragraph with close matches, and commands that are all added in one way."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, final

from reppo.errors import ConfigurationError, closest_names, unknown_name

Command = Callable[[argparse.Namespace], int]
"""What a command does with its arguments; returns the exit code."""


@final
class Parser(argparse.ArgumentParser):
    """A parser whose faults are `ConfigurationError`s, with close matches for commands, choices and options.

    The beginning of an option is not the option: `--seed 3` is no `--seeds 3`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parses a command line and refuses what is left over, each command by its own options."""
        arguments, rest = super().parse_known_args(args, namespace)
        if rest:
            raise self._left_over(rest[0])
        return arguments, rest

    def error(self, message: str) -> NoReturn:
        named = {str(action.metavar or action.dest): action for action in self._get_positional_actions()}
        missing = [word for word in message.partition("arguments are required: ")[2].split(", ") if word in named]
        if missing:
            message = "; ".join(f"{name} is missing: {_allowed(named[name])}" for name in missing)
        raise ConfigurationError(f"{message[:1].upper()}{message[1:]}. See: {self.prog} --help")

    def _left_over(self, word: str) -> ConfigurationError:
        if not word.startswith("-"):
            return ConfigurationError(f"There is an argument too many: {word!r}. See: {self.prog} --help")
        given, options = word.partition("=")[0], self._option_string_actions
        near, close = closest_names(given, options)
        about = f"{close[0]}: {options[close[0]].help}. " if near else ""
        return unknown_name("option", given, options, f"{about}See: {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise unknown_name(str(action.metavar or action.dest).lower(), str(value), map(str, action.choices))


@final
class Commands:
    """The commands of a parser."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self._commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def add(self, name: str, command: Command, description: str) -> Parser:
        """Adds a command, described in a sentence without its capital and its full stop; returns its parser."""
        added = self._commands.add_parser(
            name, help=description, description=f"{description[:1].upper()}{description[1:]}."
        )
        added.set_defaults(command=command)
        return added


def _allowed(action: argparse.Action) -> str:
    """What a positional argument may be."""
    return str(action.help) if action.choices is None else f"one of {', '.join(map(str, action.choices))}"
