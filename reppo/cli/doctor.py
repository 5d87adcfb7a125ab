"""The command that looks at this machine and installation: `reppo doctor`."""

import argparse
import json

from reppo.cli import options
from reppo.cli.parser import Commands
from reppo.cli.terminal import working


def add_commands(commands: Commands) -> None:
    """Adds the command."""
    doctor = commands.add("doctor", run_doctor, "check versions, devices, caches, and that training repeats itself")
    options.add_json(doctor)


def run_doctor(arguments: argparse.Namespace) -> int:
    """`reppo doctor`: prints a line for each thing that was looked at; returns 1 if one is wrong."""
    import dataclasses

    with working("looking at versions, devices, caches and repetition"):
        from reppo.cli.findings import examine, format_finding

    found, findings = [], examine()
    while True:
        with working("looking at versions, devices, caches and repetition"):
            finding = next(findings, None)
        if finding is None:
            break
        found.append(finding)
        if not arguments.json:
            print(format_finding(finding), flush=True)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    return int(any(finding.verdict == "wrong" for finding in found))
