"""How many seeds a comparison needs."""

import functools
import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from reppo.analysis.paired import EXACT_PAIRS, deviation
from reppo.analysis.scores import ScoreTable
from reppo.errors import require

MOST_SEEDS = 10_000
"""Where the search for a number of seeds ends."""


@final
@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """How many seeds show an effect of one arm.

    Attributes:
        arm: the arm.
        base: what it is compared with.
        task: the task; None for the mean over tasks.
        effect: the true mean difference to be found, in units of the table's scores.
        deviation: standard deviation of the differences between paired runs, within tasks, from the runs so far.
        deviation_high: its upper 80% confidence limit: what to plan with if too few seeds would be bad.
        seeds: seeds (pairs per task) that find the effect with the wanted power; None if `MOST_SEEDS` do not.
        seeds_high: the same with the upper limit of the deviation.
        power_now: power with the seeds so far; 0 where so few can show nothing.
        tasks: tasks in the comparison.
        pairs: pairs so far.
        power: the wanted power.
        level: of the two-sided test.
    """

    arm: str
    base: str
    task: str | None
    effect: float
    deviation: float
    deviation_high: float
    seeds: int | None
    seeds_high: int | None
    power_now: float
    tasks: int
    pairs: int
    power: float
    level: float


def plan_seeds(
    table: ScoreTable,
    effect: float | int,
    base: str | None = None,
    *,
    power: float = 0.8,
    level: float = 0.05,
    tests: int = 1,
) -> list[SeedPlan]:
    """How many seeds each comparison needs, from the variance seen so far.

    Args:
        table: scores of runs paired by seed.
        effect: the smallest difference worth finding, in units of the table's scores.
        base: what the arms are compared with; None for the first arm.
        power: the chance to find it, in (level, 1).
        level: the chance of a false positive, in (0, 1).
        tests: how many arms are tested together: the level is divided by it (Bonferroni's bound on Holm's correction).

    Returns:
        For each other arm the row over all tasks, then its tasks, where two pairs or more tell a variance.

    Raises:
        ConfigurationError: if an argument is out of range.
    """
    require(effect != 0 and math.isfinite(effect), f"The effect is a difference other than 0, not {effect}.")
    require(0 < level < power < 1, f"Need 0 < level < power < 1, not level {level} and power {power}.")
    require(tests >= 1, f"At least one test is made, not {tests}.")
    base = table.base if base is None else base
    reference = table.arm(base)
    plans = []
    for arm in table.arms:
        if arm == base:
            continue
        differences = table.arm(arm) - reference
        for j, task in enumerate((None, *table.tasks)):
            own = differences if task is None else differences[j - 1 : j]
            own = own[np.isfinite(own).any(axis=-1)]
            if not len(own) or not (np.isfinite(own).sum(axis=-1) >= 2).any():
                continue
            plans.append(_plan(arm, base, task, own, abs(float(effect)), power, level / tests, level))
    return plans


def paired_power(effect: float | int, deviation: float | int, pairs: int, tasks: int = 1, level: float = 0.05) -> float:
    """The chance that the two-sided sign-flip test finds a mean difference, for normal differences.

    Nothing is found where no p value below the level can be attained: up to 5 pairs at 0.05. Up to 12 pairs in all, and
    up to 16 where few p values are below the level, it is counted in 1000 simulations of the test (standard error at
    most 1.6%). Beyond, the test is as good as Student's at the highest level that it can attain, with
    `tasks * (pairs - 1)` degrees of freedom.

    Args:
        effect: the true mean difference, the same on each task.
        deviation: standard deviation of the differences within a task.
        pairs: pairs per task.
        tasks: tasks.
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


@functools.lru_cache(maxsize=512)
def _simulated(ratio: float, size: int, steps: int) -> float:
    """The share of simulated sets of differences with no more than so many flips whose mean is as far from 0."""
    differences = ratio + np.random.default_rng(size).standard_normal((1000, size))
    totals = differences.sum(axis=1, keepdims=True)
    limit = np.abs(totals) * (1 - 1e-12)
    flips = 2.0 * ((np.arange(2 ** (size - 1))[:, None] >> np.arange(size)) & 1) - 1
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


def seeds_needed(
    effect: float | int, deviation: float | int, tasks: int = 1, *, power: float = 0.8, level: float = 0.05
) -> int | None:
    """The fewest pairs per task with which `paired_power` reaches a power; None if `MOST_SEEDS` do not."""
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


def _plan(
    arm: str,
    base: str,
    task: str | None,
    differences: Float[np.ndarray, "tasks pairs"],
    effect: float,
    power: float,
    corrected: float,
    level: float,
) -> SeedPlan:
    from scipy import stats

    spread = deviation(differences)
    count = np.isfinite(differences).sum(axis=-1)
    freedom = int((count[count >= 2] - 1).sum())
    high = spread * math.sqrt(freedom / float(stats.chi2.ppf(0.2, freedom)))
    tasks = len(differences)
    return SeedPlan(
        arm=arm,
        base=base,
        task=task,
        effect=effect,
        deviation=spread,
        deviation_high=high,
        seeds=seeds_needed(effect, spread, tasks, power=power, level=corrected),
        seeds_high=seeds_needed(effect, high, tasks, power=power, level=corrected),
        power_now=paired_power(effect, spread, int(count.min()), tasks, corrected),
        tasks=tasks,
        pairs=int(count.sum()),
        power=power,
        level=level,
    )
