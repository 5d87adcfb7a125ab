"""Findings in words: one sentence for each arm, and no more than its numbers carry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from reppo.analysis.figures.style import decimals, signed
from reppo.analysis.paired import PairedEffect
from reppo.analysis.summaries import AggregateRow

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


def findings(effects: Sequence[PairedEffect], base_value: float, unit: str) -> list[Finding]:
    """A finding for each arm, the largest difference first, what is unclear after what is not.

    Args:
        effects: of `compare`.
        base_value: mean score of the base, to tell how large a difference is; NaN where a share of it says nothing.
        unit: what scores are called.
    """
    order = {"worse": 0, "better": 0, "unclear": 1, "unknown": 2}
    whole = [effect for effect in effects if effect.task is None]
    parts = {arm: [e for e in effects if e.arm == arm and e.task is not None] for arm in {e.arm for e in whole}}
    found = [(effect, finding(effect, parts[effect.arm], base_value, unit)) for effect in whole]

    def place(item: tuple[PairedEffect, Finding]) -> tuple[int, float]:
        size = abs(item[0].estimate)
        return order[item[1].verdict], -size if math.isfinite(size) else 0.0

    return [one for _, one in sorted(found, key=place)]


def finding(effect: PairedEffect, parts: Sequence[PairedEffect], base_value: float, unit: str) -> Finding:
    """What one arm's difference says."""
    if not effect.pairs:
        text = f"shares no task and seed with {effect.base}, so nothing can be said about it."
        return Finding(arm=effect.arm, verdict="unknown", sentence=text)
    digits = decimals([effect.estimate])
    size = signed(effect.estimate, digits)
    if math.isfinite(effect.low):
        size += f" [{signed(effect.low, digits)}, {signed(effect.high, digits)}]"
    if math.isfinite(base_value) and base_value > 0:
        size += f", {signed(100 * effect.estimate / base_value, 0)}% of {effect.base}'s"
    pairs = f"{effect.fewest_pairs} seed{'' if effect.fewest_pairs == 1 else 's'}"
    pairs += " per task" if effect.tasks > 1 else ""
    over = f"over {effect.tasks} tasks" if effect.tasks > 1 else f"on {parts[0].task}" if parts else ""
    p = "p < 0.001" if effect.p_holm < 0.001 else f"p = {effect.p_holm:.2g}"
    if effect.p_holm < LEVEL:
        verdict: Verdict = "better" if effect.estimate > 0 else "worse"
        verb = "raises" if verdict == "better" else "lowers"
        text = f"{verb} the {unit} {over} ({size}; {p}, {pairs})"
    else:
        verdict = "unclear"
        reason = (
            f"{effect.pairs} pair{'' if effect.pairs == 1 else 's'} cannot show any: no p value below "
            f"{effect.smallest_p:.2g} is possible"
            if effect.smallest_p >= LEVEL
            else f"{p}, {pairs}"
        )
        text = f"shows no difference in {unit} {over} ({size}; {reason})"
    return Finding(arm=effect.arm, verdict=verdict, sentence=text + _where(effect, parts) + ".")


def _where(effect: PairedEffect, parts: Sequence[PairedEffect]) -> str:
    """On how many tasks, and on which most."""
    known = [part for part in parts if math.isfinite(part.estimate)]
    if len(known) < 2:
        return ""
    worse = sum(part.estimate < 0 for part in known)
    better = sum(part.estimate > 0 for part in known)
    extreme = min(known, key=lambda e: e.estimate) if effect.estimate < 0 else max(known, key=lambda e: e.estimate)
    size = signed(extreme.estimate, decimals([extreme.estimate]))
    return f"; worse on {worse} and better on {better} of {len(known)} tasks, most on {extreme.task} ({size})"


def base_sentence(rows: Sequence[AggregateRow], base: str, unit: str) -> str:
    """How well the base does."""
    row = next((row for row in rows if row.arm == base and math.isfinite(row.estimate)), None)
    if row is None:
        return f"{base} has no score yet."
    digits = decimals([row.estimate])
    text = f"{base} reaches {_minus(row.estimate, digits)}"
    if math.isfinite(row.low):
        text += f" [{_minus(row.low, digits)}, {_minus(row.high, digits)}]"
    runs = f"{row.runs} run{'' if row.runs == 1 else 's'}"
    over = f"over {row.tasks} tasks" if row.tasks > 1 else "over its seeds"
    return f"{text}: interquartile mean of the {unit} of all runs {over} ({runs})."


def _minus(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\u2212")
