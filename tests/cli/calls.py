"""Calls of the command line, in this process and in one of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import reppo
from reppo import cli

PLACE = os.environ | {"PYTHONPATH": str(Path(reppo.__file__).parents[1])}
"""The environment of a process of its own, which finds this library wherever it stands."""


def shown(capsys, *arguments):
    assert cli.main(list(arguments)) == 0
    return capsys.readouterr().out


def as_json(capsys, *arguments):
    return json.loads(shown(capsys, *arguments, "--json"))


def reppo_command(*arguments):
    command = [sys.executable, "-m", "reppo.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=PLACE)
