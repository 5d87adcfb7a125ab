"""The commands that look after results and the machine: `reppo status`, `inspect`, `gc`, `doctor`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from reppo.errors import ConfigurationError, require


def add_commands(commands: Any) -> None:
    """Registers the commands.

    Args:
        commands: what `argparse.ArgumentParser.add_subparsers` returns.
    """
    status = _add(commands, "status", run_status, "how far the runs of an experiment are, and who writes to its folder")
    _add_folder(status)
    status.add_argument("--json", action="store_true", help="as JSON, each run and each session")

    inspect = _add(commands, "inspect", run_inspect, "what a run is, how it ended, and its last metrics")
    inspect.add_argument("run", type=Path, metavar="RUN", help="the folder of a run: results/.../seed0")
    inspect.add_argument("--json", action="store_true", help="as JSON")

    gc = _add(commands, "gc", run_gc, "remove what a folder of results no longer needs, after asking")
    _add_folder(gc)
    gc.add_argument(
        "--finished", action="store_true", help="checkpoints of finished runs too: only more steps need them"
    )
    gc.add_argument("--yes", action="store_true", help="do not ask")

    doctor = _add(commands, "doctor", run_doctor, "check versions, devices, caches, and that training repeats itself")
    doctor.add_argument("--json", action="store_true", help="as JSON")


def _add(commands: Any, name: str, command: Any, description: str) -> argparse.ArgumentParser:
    added = commands.add_parser(name, help=description, description=f"{description[:1].upper()}{description[1:]}.")
    added.set_defaults(command=command, parser=added)
    return added


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of an experiment: results/quickstart")


def run_status(arguments: argparse.Namespace) -> int:
    """`reppo status DIR`: prints how far its runs are."""
    from reppo.results.status import format_status, read_status

    status = read_status(arguments.folder)
    print(json.dumps(status.to_json(), indent=2) if arguments.json else format_status(status))
    return 0


def run_gc(arguments: argparse.Namespace) -> int:
    """`reppo gc DIR`: lists what is superfluous, asks, and removes it."""
    from reppo.results import ResultsFolder
    from reppo.results.formatting import human_bytes
    from reppo.results.lock import only_process
    from reppo.results.status import read_holders

    folder = ResultsFolder.open(arguments.folder)
    with only_process(folder.path):
        for holder in read_holders(folder).values():
            raise ConfigurationError(f"{str(folder.path)!r} is being worked on: {holder}. Wait until it ends.")
        from reppo.sweep.garbage import find_garbage, remove

        found = find_garbage(folder)
        chosen = [item for item in found if arguments.finished or not item.to_extend]
        rest = [item for item in found if item not in chosen]
        for item in chosen:
            print(f"{human_bytes(item.bytes):>9}  {item.path.relative_to(folder.path)}: {item.reason}")
        total = human_bytes(sum(item.bytes for item in chosen))
        if not chosen:
            print("Nothing is superfluous.")
        if rest:
            print(
                f"Checkpoints of finished runs, which only more steps need: {len(rest)}, "
                f"{human_bytes(sum(item.bytes for item in rest))}. To remove them too: --finished"
            )
        if not chosen:
            return 0
        if not arguments.yes:
            require(sys.stdin is not None and sys.stdin.isatty(), "There is nobody to ask: --yes removes it without.")
            if input(f"Remove {total}? [y/N] ").strip().lower() not in ("y", "yes"):
                print("Nothing was removed.")
                return 0
        remove(chosen)
        print(f"Removed {total}.")
    return 0


def run_doctor(arguments: argparse.Namespace) -> int:
    """`reppo doctor`: a line for each thing that was looked at; 1 if one is wrong."""
    import dataclasses

    from reppo import doctor

    if not arguments.json:
        return doctor.run(lambda finding: print(doctor.format_finding(finding), flush=True))
    found: list[doctor.Finding] = []
    code = doctor.run(found.append)
    print(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    return code


def run_inspect(arguments: argparse.Namespace) -> int:
    """`reppo inspect RUN`: prints what a run is, how it ended, and its last metrics."""
    from reppo.results import open_run
    from reppo.results.inspection import format_inspection, inspect_run

    found = inspect_run(open_run(arguments.run))
    print(json.dumps(found, indent=2) if arguments.json else format_inspection(found))
    return 0
