"""The command line: `reppo COMMAND`, also as `python -m reppo.cli`. What is heavy is imported inside its commands."""

from reppo.cli.entry import build_parser, main

__all__ = ["build_parser", "main"]
