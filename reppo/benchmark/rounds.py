"""Rounds in which all take turns, each in a process of its own. Imports no JAX."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from reppo.benchmark.places import own_environment
from reppo.results.files import write_atomically, write_json
from reppo.runtime.measuring import MEMORY_UNIT
from reppo.runtime.processes import told
from reppo.text import counted

NUMBERS = ("compile_seconds", "seconds", "cpu_seconds", "steps", "memory")
"""What every script tells as a number; its peak memory in the unit of `resource.getrusage`.

Beside them it tells the `returns` of its seeds and, if it evaluates them along the way, their `curves`.
"""


@final
@dataclasses.dataclass(frozen=True)
class Turn:
    """What became of one implementation in one round.

    Attributes:
        name: of the implementation.
        seeds: how many it trained.
        round: from 0.
        found: what its script told; empty where it failed.
        fault: why it failed; empty where it did not.
    """

    name: str
    seeds: int
    round: int
    found: Mapping[str, Any]
    fault: str = ""


@final
class Benchmark:
    """Turns, on disk after each: `benchmark.json` and `benchmark.md` in a folder."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], table: Callable[[dict[str, Any]], str]):
        """Begins with no turns.

        Args:
            folder: where it writes; logs of the turns come into it too.
            facts: settings and machine, plain data.
            table: makes the table from what is written as JSON.
        """
        self.folder = folder
        self.turns: list[Turn] = []
        self._facts = dict(facts)
        self._table = table
        (folder / "logs").mkdir(parents=True, exist_ok=True)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self._facts, "turns": [dataclasses.asdict(turn) for turn in self.turns]}

    def note(self, turn: Turn) -> None:
        """Keeps a turn and writes both files."""
        self.turns.append(turn)
        data = self.to_json()
        write_json(self.folder / "benchmark.json", data)
        write_atomically(self.folder / "benchmark.md", self._table(data).encode())

    def run(
        self,
        commands: Mapping[str, Callable[[int], list[str]]],
        seeds: Sequence[int],
        rounds: int,
        limit: float,
        say: Callable[[str], None] = print,
    ) -> None:
        """All rounds. In each, every implementation has a turn with every number of seeds; the first moves on by one.

        One that failed with a number of seeds has no further turn with it.

        Args:
            commands: by name, from a number of seeds to a command whose last line of output is a JSON object.
            seeds: numbers of seeds.
            rounds: how many.
            limit: seconds after which a turn is stopped.
            say: is given a line for each turn.
        """
        names, failed = list(commands), set()
        for number in range(rounds):
            for lanes in seeds:
                for name in names[number % len(names) :] + names[: number % len(names)]:
                    if (name, lanes) in failed:
                        continue
                    log = self.folder / "logs" / f"{name}-{lanes}-{number}.log"
                    found, fault = {}, ""
                    try:
                        found = told(commands[name](lanes), log, _environment(), _turn, limit)
                    except RuntimeError as error:
                        fault = str(error)
                        failed.add((name, lanes))
                    self.note(Turn(name, lanes, number, found, fault))
                    speed = f"{found['steps'] / found['seconds']:.0f} steps/s" if found else f"failed: {fault}"
                    say(f"round {number + 1}, {counted(lanes, 'seed')}, {name}: {speed}")


def _turn(line: str) -> dict[str, Any]:
    """What a script told of its turn, in the line that it ended with."""
    found = json.loads(line)
    told = {name: float(found[name]) for name in NUMBERS}
    lists: dict[str, Any] = {"returns": [float(one) for one in found["returns"]]}
    if not (told["seconds"] > 0 and told["steps"] > 0):
        raise ValueError(f"{told['steps']:.0f} steps in {told['seconds']} s")
    if "curves" in found:
        lists["curves"] = [[float(one) for one in curve] for curve in found["curves"]]
    return {**found, **told, **lists, "memory": told["memory"] * MEMORY_UNIT}


def _environment() -> dict[str, str]:
    """On the CPU, and everything compiled anew."""
    return own_environment() | {"JAX_ENABLE_COMPILATION_CACHE": "false", "JAX_PLATFORMS": "cpu"}
