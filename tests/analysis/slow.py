"""Slow references that share no code with what they check."""

import itertools
import math
from collections.abc import Sequence
from statistics import fmean, variance

from scipy import special

Scores = dict[tuple[str, str, int], float]


def slow_sign_flip(parts: dict[str, list[float]]) -> float:
    """The p value by trying all signs, one after another."""
    weighted = [v / len(own) / len(parts) for own in parts.values() for v in own]
    observed = abs(sum(weighted))
    slack = 1e-9 * observed + 1e-12 * sum(map(abs, weighted))
    signs = itertools.product((1, -1), repeat=len(weighted) - 1)
    hits = [
        abs(weighted[0] + sum(s * w for s, w in zip(one, weighted[1:], strict=True))) >= observed - slack
        for one in signs
    ]
    return sum(hits) / len(hits)


def slow_holm(values: Sequence[float]) -> list[float]:
    """Holm's correction, step by step."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    out, highest = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, values[i] * (len(values) - rank)))
        out[i] = highest
    return out


def slow_iqm(values: Sequence[float]) -> float:
    """The mean of the middle half."""
    ordered = sorted(values)
    cut = len(ordered) // 4
    return fmean(ordered[cut : len(ordered) - cut])


def slow_student(groups: Sequence[tuple[float, Sequence[float]]]) -> float:
    """Half of Student's 95% interval of a weighted sum of means."""
    if any(len(values) < 2 for _, values in groups):
        return math.nan
    parts = [(weight**2 * variance(values) / len(values), len(values) - 1) for weight, values in groups]
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0
    return float(special.stdtrit(total**2 / sum(part**2 / free for part, free in parts), 0.975)) * math.sqrt(total)


def slow_contrast(scores: Scores, weights: dict[str, float]) -> tuple[float, float]:
    """A weighted sum of arms' means over the tasks that all of them have, and half of its interval; NaN without any."""
    cells = {task: {arm: of(scores, arm, task) for arm in weights} for task in {key[1] for key in scores}}
    cells = {task: own for task, own in cells.items() if all(own.values())}
    groups: list[tuple[float, Sequence[float]]] = []
    for own in cells.values():
        seeds = [set(values) for values in own.values()]
        if all(one == seeds[0] for one in seeds):
            sums = [sum(weights[arm] * values[k] for arm, values in own.items()) for k in sorted(seeds[0])]
            groups.append((1 / len(cells), sums))
        else:
            groups += [(weights[arm] / len(cells), list(values.values())) for arm, values in own.items()]
    return sum(weight * fmean(values) for weight, values in groups) if groups else math.nan, slow_student(groups)


def of(scores: Scores, arm: str, task: str) -> dict[int, float]:
    """The scores of an arm on a task by seed."""
    return {k: value for (a, t, k), value in scores.items() if (a, t) == (arm, task)}
