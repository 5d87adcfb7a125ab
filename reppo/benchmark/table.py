"""The table of a benchmark, in Markdown. Imports no JAX."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, final

import scipy.stats

from reppo.benchmark.peers import OWN
from reppo.benchmark.settings import SETTINGS
from reppo.results.formatting import human_bytes, human_count
from reppo.text import counted, markdown_rows

FASTEST = "faster peer"
"""The name of whichever peer was the fastest in a round, among those that compile."""

CONFIDENCE = 0.95
"""Of the interval of a difference between means over seeds."""


@final
class Ratio(NamedTuple):
    """Ratios of one implementation to another over rounds: their median, least and greatest, and their number."""

    median: float
    least: float
    greatest: float
    rounds: int


@final
class Difference(NamedTuple):
    """A difference between means over seeds, and Welch's interval of it; NaN ends where one has a single seed."""

    estimate: float
    low: float
    high: float


def ratios(
    turns: Sequence[Mapping[str, Any]], name: str, other: str, seeds: int, of: Callable[[Mapping[str, Any]], float]
) -> Ratio | None:
    """Ratios within rounds, so that what slows a round slows both; None if they share no round.

    Args:
        turns: as `benchmark.json` holds them.
        name: above the line.
        other: below it; `FASTEST` for the peer with the greatest number in each round.
        seeds: how many both trained.
        of: the number, from what a script told; positive.
    """
    above = _by_round(turns, name, seeds, of)
    below = _fastest(turns, seeds, of) if other == FASTEST else _by_round(turns, other, seeds, of)
    found = [above[number] / below[number] for number in sorted(above.keys() & below.keys()) if below[number] > 0]
    return Ratio(statistics.median(found), min(found), max(found), len(found)) if found else None


def speed(found: Mapping[str, Any]) -> float:
    """Environment steps per second, of all seeds together, compilation apart."""
    return found["steps"] / found["seconds"]


def final_returns(found: Mapping[str, Any]) -> list[float]:
    """The return of each seed after training."""
    return found.get("returns", [])


def curve_means(found: Mapping[str, Any]) -> list[float]:
    """The mean of each seed's curve: the area under it, for each of its points."""
    return [statistics.mean(curve) for curve in found.get("curves", [])]


def difference(
    turns: Sequence[Mapping[str, Any]],
    name: str,
    other: str,
    seeds: int,
    of: Callable[[Mapping[str, Any]], list[float]] = final_returns,
) -> Difference | None:
    """Mean of one less that of the other, over the seeds of their first turns; None if either has none.

    Args:
        turns: as `benchmark.json` holds them.
        name: whose mean counts as positive.
        other: whose is taken away.
        seeds: how many both trained.
        of: a number of each seed, from what a script told.
    """
    own, others = (of(_first_told(turns, one, seeds)) for one in (name, other))
    if not own or not others:
        return None
    estimate = statistics.mean(own) - statistics.mean(others)
    if min(len(own), len(others)) < 2:
        return Difference(estimate, float("nan"), float("nan"))
    interval = scipy.stats.ttest_ind(own, others, equal_var=False).confidence_interval(CONFIDENCE)
    return Difference(estimate, float(interval.low), float(interval.high))


def format_benchmark(data: Mapping[str, Any]) -> str:
    """The table of what `benchmark.json` holds: numbers of each, ratios of this library to each, and what failed."""
    turns = data["turns"]
    lines = [f"# {data['algorithm'].upper()} here and elsewhere", "", _settings(data)]
    differences = {"difference of returns": final_returns}
    if any("curves" in turn["found"] for turn in turns):
        differences["difference of curve means"] = curve_means
    for seeds in sorted({turn["seeds"] for turn in turns if turn["found"]}):
        names = list(dict.fromkeys(turn["name"] for turn in turns if turn["seeds"] == seeds and turn["found"]))
        lines += [
            "",
            f"## {counted(seeds, 'seed')}",
            "",
            *markdown_rows(_NUMBERS, (_numbers(turns, n, seeds) for n in names)),
        ]
        others = [name for name in names if name != OWN]
        if OWN in names and others:
            fastest = [FASTEST] if len(_compiled(turns, seeds)) > 1 else []
            rows = (_ratios(turns, name, seeds, list(differences.values())) for name in [*others, *fastest])
            lines += ["", *markdown_rows((*_RATIOS, *differences), rows)]
    faults = {(turn["name"], turn["seeds"]): turn["fault"] for turn in turns if turn["fault"]}
    if faults:
        rows = [[name, str(seeds) if seeds else "", fault] for (name, seeds), fault in faults.items()]
        lines += ["", "## Failed", "", *markdown_rows(("", "seeds", "why"), rows)]
    return "\n".join(lines) + "\n"


_NUMBERS = ("", "steps/s", "processor seconds a million steps", "compilation", "peak memory", "mean return", "rounds")
_RATIOS = (f"{OWN} to", "steps/s", "processor time", "compile time", "peak memory")


def _settings(data: Mapping[str, Any]) -> str:
    settings = SETTINGS[data["algorithm"]](**data["settings"])
    return (
        f"{settings.task}, {settings.sizes}, {settings.depth} layers of {settings.width} units; {data['machine']}. "
        "Medians over rounds; of ratios, which are taken within rounds, their range too."
    )


def _numbers(turns: Sequence[Mapping[str, Any]], name: str, seeds: int) -> list[str]:
    median = lambda of: statistics.median(_by_round(turns, name, seeds, of).values())
    returns = final_returns(_first_told(turns, name, seeds))
    return [
        name,
        human_count(median(speed)),
        f"{median(lambda found: found['cpu_seconds'] / found['steps']) * 1e6:.1f}",
        f"{median(lambda found: found['compile_seconds']):.1f} s",
        human_bytes(median(lambda found: found["memory"])),
        f"{statistics.mean(returns):.0f} ({min(returns):.0f} to {max(returns):.0f})",
        str(len(_by_round(turns, name, seeds, speed))),
    ]


def _ratios(
    turns: Sequence[Mapping[str, Any]],
    other: str,
    seeds: int,
    differences: Sequence[Callable[[Mapping[str, Any]], list[float]]],
) -> list[str]:
    ratio = lambda of: _ratio(ratios(turns, OWN, other, seeds, of))
    if other == FASTEST:
        return [other, ratio(speed), "", "", "", *("" for _ in differences)]
    return [
        other,
        ratio(speed),
        ratio(lambda found: found["cpu_seconds"] / found["steps"]),
        ratio(lambda found: found["compile_seconds"]),
        ratio(lambda found: found["memory"]),
        *(_difference(difference(turns, OWN, other, seeds, of)) for of in differences),
    ]


def _ratio(ratio: Ratio | None) -> str:
    return "-" if ratio is None else f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.greatest:.2f})"


def _difference(found: Difference | None) -> str:
    if found is None:
        return ""
    interval = "" if found.low != found.low else f" [{found.low:+.0f}, {found.high:+.0f}]"
    return f"{found.estimate:+.0f}{interval}"


def _by_round(
    turns: Iterable[Mapping[str, Any]], name: str, seeds: int, of: Callable[[Mapping[str, Any]], float]
) -> dict[int, float]:
    mine = [turn for turn in turns if (turn["name"], turn["seeds"]) == (name, seeds) and turn["found"]]
    return {turn["round"]: of(turn["found"]) for turn in mine}


def _compiled(turns: Iterable[Mapping[str, Any]], seeds: int) -> list[str]:
    """Peers with a program that is compiled."""
    told = [turn for turn in turns if turn["seeds"] == seeds and turn["name"] != OWN and turn["found"]]
    return list(dict.fromkeys(turn["name"] for turn in told if turn["found"]["compile_seconds"] > 0))


def _fastest(
    turns: Sequence[Mapping[str, Any]], seeds: int, of: Callable[[Mapping[str, Any]], float]
) -> dict[int, float]:
    """The greatest number of a round, where every peer that compiles has one."""
    each = [_by_round(turns, name, seeds, of) for name in _compiled(turns, seeds)]
    shared = set.intersection(*map(set, each)) if each else set()
    return {number: max(one[number] for one in each) for number in shared}


def _first_told(turns: Iterable[Mapping[str, Any]], name: str, seeds: int) -> Mapping[str, Any]:
    mine = (turn["found"] for turn in turns if (turn["name"], turn["seeds"]) == (name, seeds) and turn["found"])
    return next(mine, {})
