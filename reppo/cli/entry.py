"""The whole command line, put together from its commands."""

import sys
from collections.abc import Sequence

from reppo.cli import completion, doctor, policies, results, show, study
from reppo.cli.faults import guarded
from reppo.cli.parser import Commands, Parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code; docs/cli.md says what each means.

    Args:
        argv: the words after `reppo`; by default those of this process.
    """
    return guarded(lambda: build_parser().parse_args(sys.argv[1:] if argv is None else argv))


def build_parser() -> Parser:
    """The parser of `reppo`, with all its commands."""
    parser = Parser(prog="reppo", description="REPPO and its ablations.")
    commands = Commands(parser)
    for part in (study, show, policies, results, doctor, completion):
        part.add_commands(commands)
    return parser
