"""The command line: `reppo COMMAND`, also as `python -m reppo.cli`. What is heavy is imported inside its commands."""

from reppo.cli.entry import build_parser as build_parser
from reppo.cli.entry import main as main
from reppo.cli.entry import script as script
