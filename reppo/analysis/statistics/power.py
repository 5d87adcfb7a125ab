"""The chance that a comparison finds a difference, and the seeds that it takes."""

import functools
import math

import numpy as np

from reppo.analysis.statistics.sign_flips import EXACT_PAIRS, every_flip

MOST_SEEDS = 10_000
"""Where the search for a number of seeds ends."""


def paired_power(effect: float | int, deviation: float | int, pairs: int, tasks: int = 1, level: float = 0.05) -> float:
    """The chance that the two-sided sign-flip test finds a mean difference, for normal differences.

    Nothing is found where no p value below the level can be attained: up to 5 pairs at 0.05. Up to 12 pairs in all, and
    up to 16 where few p values are below the level, it is counted in 1000 simulations of the test (standard error at
    most 1.6%). Beyond, the test is as good as Student's at the highest level that it can attain, with
    `tasks * (pairs - 1)` degrees of freedom.

    Args:
        effect: the true mean difference, the same on each task, any number.
        deviation: standard deviation of the differences within a task, at least 0.
        pairs: pairs per task, at least 1.
        tasks: tasks, at least 1.
        level: p values below it are found.

    Source: Cohen 1988, Statistical Power Analysis for the Behavioral Sciences.
    """
    size = pairs * tasks
    # p values are multiples of the smallest one; so many of them are below the level.
    steps = math.ceil(level * 2.0 ** (size - 1)) - 1 if size <= 1000 else math.inf
    if size == 0 or steps < 1 or effect == 0:
        return 0.0 if effect or steps < 1 else level
    if deviation == 0:
        return 1.0
    ratio = abs(effect) / deviation
    if size <= EXACT_PAIRS and (size <= 12 or steps < 64):
        return _simulated(ratio, size, int(steps))
    attained = min(level, steps * 2.0 ** (1 - size)) if steps < math.inf else level
    return _student(ratio * math.sqrt(size), max(tasks * (pairs - 1), 1), attained)


def seeds_needed(
    effect: float | int, deviation: float | int, tasks: int = 1, *, power: float = 0.8, level: float = 0.05
) -> int | None:
    """The fewest pairs per task with which `paired_power` reaches a power; None if `MOST_SEEDS` do not.

    Args:
        effect: the true mean difference, the same on each task, any number.
        deviation: standard deviation of the differences within a task, at least 0.
        tasks: how many, at least 1.
        power: the chance to find the effect, in (0, 1).
        level: of the two-sided test, in (0, 1).
    """
    low = high = 1
    while paired_power(effect, deviation, high, tasks, level) < power:
        low, high = high + 1, high * 2
        if high > MOST_SEEDS:
            return None
    while low < high:
        middle = (low + high) // 2
        if paired_power(effect, deviation, middle, tasks, level) < power:
            low = middle + 1
        else:
            high = middle
    return high


@functools.lru_cache(maxsize=512)
def _simulated(ratio: float, size: int, steps: int) -> float:
    """The share of simulated sets of differences with no more than so many flips whose mean is as far from 0."""
    differences = ratio + np.random.default_rng(size).standard_normal((1000, size))
    totals = differences.sum(axis=1, keepdims=True)
    limit = np.abs(totals) * (1 - 1e-12)
    flips = 2.0 * every_flip(size) - 1
    extreme = np.zeros(len(differences), np.int64)
    for block in np.array_split(flips, max(1, len(flips) // 4096)):
        extreme += (np.abs(differences @ block.T) >= limit).sum(axis=1)
    return float((extreme <= steps).mean())


def _student(shift: float, freedom: int, level: float) -> float:
    from scipy import special

    limit = float(special.stdtrit(freedom, 1 - level / 2))
    # The mean over evenly spaced quantiles of the sample deviation, which loses no digits where the noncentral t does.
    levels = (np.arange(512) + 0.5) / 512
    spread = limit * np.sqrt(2 * special.gammaincinv(freedom / 2, levels) / freedom)
    return float(np.mean(special.ndtr(shift - spread) + special.ndtr(-shift - spread)))
