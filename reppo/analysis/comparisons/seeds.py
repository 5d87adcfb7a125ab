"""How many seeds each comparison needs."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.power import paired_power, seeds_needed
from reppo.analysis.statistics.spread import deviation
from reppo.errors import require


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
        effect: the smallest difference worth finding, in units of the table's scores, not 0.
        base: what the arms are compared with; None for the first arm.
        power: the chance to find it, in (level, 1).
        level: the chance of a false positive, in (0, 1).
        tests: how many arms are tested together, at least 1: the level is divided by it (Bonferroni's bound on Holm's
            correction).

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
