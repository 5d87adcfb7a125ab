"""The command: `python -m reppo.benchmark`."""

import argparse
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from reppo.benchmark.peers import OWN, PEERS, Peer, find_peers
from reppo.benchmark.places import NotInstalled, python_of
from reppo.benchmark.rounds import Benchmark, Turn
from reppo.benchmark.settings import Settings
from reppo.benchmark.table import format_benchmark
from reppo.errors import ConfigurationError, require
from reppo.results.files import check_folder
from reppo.runtime.cache import user_folder
from reppo.runtime.machine import usable_cores

SOURCE = Path(__file__).parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns 0 if no turn failed, 1 if some did, 2 if the arguments cannot be used."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reppo.benchmark", description="PPO here against other implementations, taking turns."
    )
    notes = "; ".join(f"{peer.name}: {peer.note}" for peer in PEERS.values() if peer.note)
    usual = ", ".join(peer.name for peer in PEERS.values() if peer.usual)
    known = f"of {', '.join(PEERS)} ({notes}); default: {usual}"
    parser.add_argument("--peers", nargs="*", default=[], metavar="PEER", help=known)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 4], metavar="N", help="numbers of seeds; 1 and 4")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each; default: 5")
    parser.add_argument("--out", type=Path, default=Path("results/benchmark"), metavar="DIR", help="where to write")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="where peers are installed; default: cache")
    parser.add_argument("--offline", action="store_true", help="install nothing")
    parser.add_argument(
        "--turn-seconds", type=float, default=1800.0, metavar="S", help="limit of a turn; default: 1800"
    )
    for field in dataclasses.fields(Settings):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=type(field.default), default=field.default, help=f"default: {field.default}")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    peers = find_peers(arguments.peers)
    settings = Settings(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Settings)})
    require(arguments.rounds >= 1, f"--rounds is {arguments.rounds}; give at least 1.")
    require(min(arguments.seeds) >= 1, f"--seeds has {min(arguments.seeds)}; give numbers of at least 1.")
    kept = arguments.out / "benchmark.json"
    require(not kept.exists(), f"{str(kept)!r} is there already: give another folder with --out, or remove it.")
    places = arguments.environments or user_folder() / "peers"
    for folder in (arguments.out, places):
        check_folder(folder)
    facts = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": f"{usable_cores()} cores, Python {platform.python_version()}",
        "settings": dataclasses.asdict(settings),
        "requirements": {peer.name: list(peer.requirements) for peer in peers},
    }
    benchmark = Benchmark(arguments.out, facts, format_benchmark)
    own = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {_RUN_OWN}"]
    commands = {OWN: _command(own, settings)}
    for peer in peers:
        try:
            python = _installed(peer, places, arguments.offline)
        except NotInstalled as error:
            print(f"{peer.name}: {error}", flush=True)
            benchmark.note(Turn(peer.name, 0, 0, {}, str(error)))
            continue
        commands[peer.name] = _command([str(python), str(peer.script)], settings)
    say = lambda line: print(line, flush=True)
    benchmark.run(commands, sorted(set(arguments.seeds)), arguments.rounds, arguments.turn_seconds, say)
    print(f"\n{format_benchmark(benchmark.to_json())}\nTable: {arguments.out / 'benchmark.md'}")
    return int(any(turn.fault for turn in benchmark.turns))


_RUN_OWN = "import runpy; runpy.run_module('reppo.benchmark.own', run_name='__main__')"


def _command(start: list[str], settings: Settings) -> Callable[[int], list[str]]:
    return lambda seeds: [*start, json.dumps(settings.to_json(seeds))]


def _installed(peer: Peer, places: Path, offline: bool) -> Path:
    print(f"{peer.name}: {', '.join(peer.requirements)}", flush=True)
    return python_of(peer, places, offline)


if __name__ == "__main__":
    raise SystemExit(main())
