"""The command: `python -m reppo.benchmark [ppo|sac]`."""

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
from reppo.benchmark.settings import SETTINGS, AbstractSettings
from reppo.benchmark.table import format_benchmark
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results.files import check_folder
from reppo.runtime.cache import user_folder
from reppo.runtime.machine import usable_cores

SOURCE = Path(__file__).parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns 0 if no turn failed, 1 if some did, 2 if the arguments cannot be used."""
    words = list(sys.argv[1:] if argv is None else argv)
    named = bool(words) and not words[0].startswith("-")
    try:
        algorithm = _algorithm(words.pop(0) if named else next(iter(SETTINGS)))
        return _run(algorithm, _parser(algorithm).parse_args(words))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _algorithm(name: str) -> str:
    if name not in SETTINGS:
        raise unknown_name("algorithm", name, SETTINGS)
    return name


def _parser(algorithm: str) -> argparse.ArgumentParser:
    """The options, which depend on the algorithm; its name, which comes before them, was taken away."""
    usual, *others = SETTINGS
    parser = argparse.ArgumentParser(
        prog=f"python -m reppo.benchmark {algorithm}",
        description=f"{algorithm.upper()} here against other implementations, taking turns. The first argument is the "
        f"algorithm: {usual}, which may be left out, or {', '.join(others)}; each has settings of its own.",
    )
    peers = PEERS[algorithm].values()
    notes = "; ".join(f"{peer.name}: {peer.note}" for peer in peers if peer.note)
    names, default = (", ".join(peer.name for peer in some) for some in (peers, find_peers(algorithm, [])))
    known = f"of {names} ({notes}); default: {default}"
    out = Path("results", "benchmark" if algorithm == usual else f"benchmark-{algorithm}")
    parser.add_argument("--peers", nargs="*", default=[], metavar="PEER", help=known)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 4], metavar="N", help="numbers of seeds; 1 and 4")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each; default: 5")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"where to write; default: {out}")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="where peers are installed; default: cache")
    parser.add_argument("--offline", action="store_true", help="install nothing")
    parser.add_argument(
        "--turn-seconds", type=float, default=1800.0, metavar="S", help="limit of a turn; default: 1800"
    )
    for field in dataclasses.fields(SETTINGS[algorithm]):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=type(field.default), default=field.default, help=f"default: {field.default}")
    return parser


def _run(algorithm: str, arguments: argparse.Namespace) -> int:
    peers, of = find_peers(algorithm, arguments.peers), SETTINGS[algorithm]
    settings = of(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(of)})
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
        "algorithm": algorithm,
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


def _command(start: list[str], settings: AbstractSettings) -> Callable[[int], list[str]]:
    return lambda seeds: [*start, json.dumps(settings.to_json(seeds))]


def _installed(peer: Peer, places: Path, offline: bool) -> Path:
    print(f"{peer.name}: {', '.join(peer.requirements)}", flush=True)
    return python_of(peer, places, offline)


if __name__ == "__main__":
    raise SystemExit(main())
