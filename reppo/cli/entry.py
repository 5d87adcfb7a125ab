"""The whole command line, put together from its commands."""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from reppo.cli import bench, completion, doctor, policies, results, show, study
from reppo.cli.faults import guarded
from reppo.cli.parser import Commands, Parser

INTERRUPTED = (130, 143)
"""Exit codes after SIGINT and SIGTERM."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code; docs/cli.md says what each means.

    Args:
        argv: the words after `reppo`; by default those of this process.
    """
    return guarded(lambda: build_parser().parse_args(sys.argv[1:] if argv is None else argv))


def script() -> NoReturn:
    """`main` as the installed command: it ends the process, at once where a signal asked for that.

    The seconds that JAX takes to tidy up are not waited for then; everything is on the disk, and trackers are closed.
    """
    try:
        code = main()
    except SystemExit as error:
        code = error.code
    if code in INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):  # no stream, or no reader
                stream.flush()
        os._exit(int(code))
    sys.exit(code)


def build_parser() -> Parser:
    """The parser of `reppo`, with all its commands."""
    parser = Parser(prog="reppo", description="REPPO and its ablations.")
    commands = Commands(parser)
    for part in (study, show, policies, results, bench, doctor, completion):
        part.add_commands(commands)
    return parser
