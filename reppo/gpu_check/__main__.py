"""The command: `python -m reppo.gpu_check`."""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from reppo.gpu_check.plan import MACHINE, Part, first_part, parts
from reppo.gpu_check.schedule import Check
from reppo.gpu_check.table import format_check
from reppo.runtime.machine import usable_cores

REHEARSAL = (
    "REHEARSAL: there is no GPU here (or --rehearsal was given). Sizes are tiny, and no figure below says anything "
    "about a GPU."
)


def main() -> int:
    """Runs the check; returns 0 if no part failed or was stopped, else 1."""
    parser = argparse.ArgumentParser(prog="python -m reppo.gpu_check", description="Finds out what works on this GPU.")
    parser.add_argument("--out", type=Path, default=Path("results/gpu-check"), metavar="DIR", help="where to write")
    parser.add_argument("--budget-seconds", type=float, default=480.0, metavar="S", help="default: 480")
    parser.add_argument("--started", type=float, metavar="T", help="when the budget began, in seconds since 1970")
    parser.add_argument("--rehearsal", action="store_true", help="tiny sizes on the CPU; so by itself without a GPU")
    parser.add_argument("--workers", type=int, metavar="N", help="parts at the same time; default: half the cores")
    parser.add_argument("--only", metavar="WORD", help="only the parts whose names contain it")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        from reppo.gpu_check.parts import run_part

        return run_part(arguments.part, arguments.rehearsal, arguments.out)
    signal.signal(signal.SIGTERM, _leave)
    os.environ.setdefault("JAX_TRACEBACK_FILTERING", "off")  # else the last line of a traceback is about that filter
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # several processes share the device
    with tempfile.TemporaryDirectory() as cache:
        return _check(arguments, cache)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(143)


def _check(arguments: argparse.Namespace, cache: str) -> int:
    spent = max(0.0, time.time() - arguments.started) if arguments.started else 0.0
    end = time.monotonic() + arguments.budget_seconds - spent
    workers = arguments.workers or max(1, min(8, usable_cores() // 2))
    check = Check(arguments.out, format_check, lambda line: print(line, flush=True))
    check.facts = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "budget_seconds": arguments.budget_seconds,
        "spent_before": round(spent, 1),
        "workers": workers,
    }
    if arguments.rehearsal:
        os.environ["JAX_PLATFORMS"] = "cpu"
    check.run([first_part()], lambda part: _command(part, arguments.rehearsal, arguments.out), end, 1)
    machine = check.outcomes[MACHINE]
    if machine.status != "passed":
        print(f"Nothing else can be found out before this is mended: see {arguments.out / 'logs' / MACHINE}.log")
        return 1
    if machine.found["platform"] == "cpu" and machine.found["driver"] and not arguments.rehearsal:
        print(
            f"There is an NVIDIA driver ({machine.found['driver']}), but JAX sees no GPU: install its CUDA extra, "
            "as in make gpu-check EXTRAS=cuda12 (or cuda13), or rehearse on the CPU with REHEARSAL=1 (--rehearsal)."
        )
        return 1
    rehearsal = arguments.rehearsal or machine.found["platform"] == "cpu"
    check.facts["rehearsal"] = rehearsal
    if rehearsal:
        print(f"{'=' * 80}\n{REHEARSAL}\n{'=' * 80}", flush=True)
    else:
        os.environ["REPPO_CACHE"] = cache  # an empty one, so that times of compilation are what they seem
    missing = [name for name, version in machine.found["versions"].items() if version is None]
    chosen = [part for part in parts(rehearsal, missing) if (arguments.only or "") in part.name]
    if not chosen:
        print(f"No part has {arguments.only!r} in its name.")
        return 2
    check.run(chosen, lambda part: _command(part, rehearsal, arguments.out), end, workers)
    check.facts["seconds"] = round(arguments.budget_seconds - (end - time.monotonic()), 1)
    check.write()
    print(
        f"\n{format_check(check.to_json())}\nTable: {arguments.out / 'check.md'}   JSON: {arguments.out / 'check.json'}"
    )
    return int(any(outcome.status in ("failed", "stopped") for outcome in check.outcomes.values()))


def _command(part: Part, rehearsal: bool, out: Path) -> list[str]:
    command = [sys.executable, "-m", "reppo.gpu_check", "--part", part.name, "--out", str(out)]
    return command + (["--rehearsal"] if rehearsal else [])


if __name__ == "__main__":
    raise SystemExit(main())
