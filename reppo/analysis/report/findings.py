"""Findings in words: one sentence for each arm, and no more than its numbers carry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from reppo.analysis.comparisons.paired import PairedEffect
from reppo.analysis.figures.style import decimals, signed

LEVEL = 0.05
"""Below it a corrected p value is called a difference."""

Verdict = Literal["better", "worse", "unclear", "unknown"]


@final
@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the runs say about one arm.

    Attributes:
        arm: the arm.
        verdict: `"better"` or `"worse"` than the base, `"unclear"`, or `"unknown"` for lack of pairs.
        sentence: the finding in words; starts after the name of the arm.
        question: what its ablations ask; empty if that was not written down.
    """

    arm: str
    verdict: Verdict
    sentence: str
    question: str = ""


def findings(effects: Sequence[PairedEffect], shares: bool, unit: str) -> list[Finding]:
    """A finding for each arm, the largest difference first, what is not shown after what is.

    Args:
        effects: of `compare`.
        shares: whether a difference is told as a share of the base's score, too: scores have a zero that means it.
        unit: what scores are called.
    """
    order = {"worse": 0, "better": 0, "unclear": 1, "unknown": 2}
    whole = [effect for effect in effects if effect.task is None]
    parts = {arm: [e for e in effects if e.arm == arm and e.task is not None] for arm in {e.arm for e in whole}}
    tests = sum(math.isfinite(effect.p) for effect in whole)
    found = [(effect, finding(effect, parts[effect.arm], shares, unit, tests)) for effect in whole]

    def place(item: tuple[PairedEffect, Finding]) -> tuple[int, float]:
        size = abs(item[0].estimate)
        return order[item[1].verdict], -size if math.isfinite(size) else 0.0

    return [one for _, one in sorted(found, key=place)]


def finding(effect: PairedEffect, parts: Sequence[PairedEffect], shares: bool, unit: str, tests: int = 1) -> Finding:
    """What one arm's difference says, where so many arms are tested together."""
    if not effect.pairs:
        text = f"shares no task and seed with {effect.base}, so nothing can be said about it."
        return Finding(arm=effect.arm, verdict="unknown", sentence=text)
    shown = effect.p_holm < LEVEL
    digits = decimals([effect.estimate])
    size = signed(effect.estimate, digits)
    if math.isfinite(effect.low) and math.isfinite(effect.high):
        size += f" [{signed(effect.low, digits)}, {signed(effect.high, digits)}]"
        size += " by itself" if not shown and effect.p < LEVEL else ""
    if shares and effect.base_mean > 0:
        size += f", {signed(100 * effect.estimate / effect.base_mean, 0)}% of {effect.base}'s"
    known = [part.task for part in parts if part.pairs]
    over = f"over {effect.tasks} tasks" if effect.tasks > 1 else f"on {known[0]}" if known else ""
    detail = f"{size}; {_chance(effect)}, {_seeds(effect)}"
    if shown:
        verdict: Verdict = "better" if effect.estimate > 0 else "worse"
        text = f"{'raises' if verdict == 'better' else 'lowers'} the {unit} {over} ({detail})"
    else:
        verdict = "unclear"
        if effect.smallest_p_holm >= LEVEL:
            detail = f"{size}; {_out_of_reach(effect, tests)}"
        text = f"is not shown to change the {unit} {over} ({detail})"
    return Finding(arm=effect.arm, verdict=verdict, sentence=text + _where(effect, parts) + ".")


def _chance(effect: PairedEffect) -> str:
    text = "p < 0.001" if effect.p_holm < 0.001 else f"p = {effect.p_holm:.2g}"
    if effect.p < LEVEL <= effect.p_holm:
        text += f" after correction over the arms, {effect.p:.2g} before"
    return text


def _seeds(effect: PairedEffect) -> str:
    text = f"{effect.fewest_pairs} seed{'' if effect.fewest_pairs == 1 else 's'}"
    if effect.tasks > 1:
        text = f"{'' if effect.pairs == effect.tasks * effect.fewest_pairs else 'at least '}{text} per task"
    return text + (f", {effect.differing} of {effect.pairs} pairs differ" if effect.differing < effect.pairs else "")


def _out_of_reach(effect: PairedEffect, tests: int) -> str:
    """Why no p value could have been below the level, and how many seeds could show anything."""
    pairs = f"{effect.pairs} pair{'' if effect.pairs == 1 else 's'}"
    if not effect.differing:
        return f"{pairs} without any difference cannot show any"
    if effect.differing < effect.pairs:
        pairs = f"{effect.differing} pair{'' if effect.differing == 1 else 's'} that differ (of {effect.pairs})"
    text = f"{pairs} cannot show any: no p value below {effect.smallest_p_holm:.2g} is possible"
    if effect.smallest_p_holm > effect.smallest_p + 1e-9:
        text += " after correction over the arms"
    needed = seeds_in_reach(tests, effect.tasks)
    ties = " if all pairs differ" if effect.differing < effect.pairs else ""
    return f"{text}; {needed} seeds{' per task' if effect.tasks > 1 else ''} could{ties}"


def seeds_in_reach(tests: int, tasks: int) -> int:
    """The fewest seeds per task whose smallest p value stays below the level beside so many tests, whatever these say.

    Each pair must differ.
    """
    pairs = 1
    while 2.0 ** (1 - pairs) * tests >= LEVEL:
        pairs += 1
    return math.ceil(pairs / tasks)


def _where(effect: PairedEffect, parts: Sequence[PairedEffect]) -> str:
    """On how many tasks, and on which most."""
    known = [part for part in parts if math.isfinite(part.estimate)]
    if len(known) < 2 or not effect.differing:
        return ""
    worse = sum(part.estimate < 0 for part in known)
    better = sum(part.estimate > 0 for part in known)
    extreme = min(known, key=lambda e: e.estimate) if effect.estimate < 0 else max(known, key=lambda e: e.estimate)
    size = signed(extreme.estimate, decimals([extreme.estimate]))
    return f"; lower on {worse} and higher on {better} of {len(known)} tasks, most on {extreme.task} ({size})"
