"""How often intervals hold what they should, and tests reject what they should not: by simulation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final, get_args

import numpy as np
from jaxtyping import Float

from reppo.analysis.statistics.aggregates import AGGREGATES
from reppo.analysis.statistics.bootstrap import Method, ends, resampled
from reppo.analysis.statistics.corrections import holm
from reppo.analysis.statistics.intervals import student_ends
from reppo.analysis.statistics.sign_flips import sign_flip_test
from reppo.analysis.statistics.spread import standard_error

DISTRIBUTIONS = ("normal", "student3", "bimodal", "failing", "lognormal")
"""Populations that `population` knows: normal; Student's t with 3 degrees; two equal modes 4 deviations apart; one run
in five fails (modes 10 deviations apart); lognormal."""

_BLOCK = 4_000_000
_WITH_ERROR = ("pooled_iqm", "task_iqm", "mean")


@final
@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often an interval held the truth.

    Attributes:
        distribution: of the scores of a task.
        paired: whether it was of differences between two runs with the same seed, or of scores.
        tasks: tasks.
        runs: runs of each task.
        aggregate: what was estimated.
        method: of the interval.
        covered: share of simulations whose interval held the aggregate of the population.
        width: mean width of the interval, in standard deviations of the scores of a task.
        simulations: how many.
        resamples: of the bootstrap.
    """

    distribution: str
    paired: bool
    tasks: int
    runs: int
    aggregate: str
    method: str
    covered: float
    width: float
    simulations: int
    resamples: int


def population(distribution: str, size: int = 40_001) -> Float[np.ndarray, " values"]:
    """Equally likely values with mean 0 and standard deviation 1, evenly spaced quantiles of a distribution.

    Args:
        distribution: one of `DISTRIBUTIONS`.
        size: how many values.
    """
    from scipy import stats

    levels = (np.arange(size) + 0.5) / size
    modes = {"bimodal": ((0.5, -2.0, 1.0), (0.5, 2.0, 1.0)), "failing": ((0.2, 0.0, 0.1), (0.8, 1.0, 0.1))}
    if distribution in modes:
        grid = np.linspace(-8, 8, 200_001)
        values = np.interp(levels, sum(w * stats.norm.cdf(grid, m, s) for w, m, s in modes[distribution]), grid)
    else:
        plain = {"normal": stats.norm(), "student3": stats.t(3), "lognormal": stats.lognorm(1)}
        values = plain[distribution].ppf(levels)
    return (values - values.mean()) / values.std()


def measure_coverage(
    distribution: str,
    *,
    tasks: int,
    runs: int,
    paired: bool = False,
    aggregates: Sequence[str] = ("pooled_iqm", "task_iqm", "mean", "median", "run_median"),
    spread: float = 2.0,
    confidence: float = 0.95,
    simulations: int = 4000,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Coverage]:
    """Draws scores many times, and counts how often each interval holds the aggregate of the population.

    Args:
        distribution: of the scores of every task, one of `DISTRIBUTIONS`.
        tasks: how many; their means are evenly spaced.
        runs: of each task.
        paired: whether scores are differences of two draws. Only of the mean is the truth known then, 0.
        aggregates: names from `AGGREGATES`.
        spread: the lowest and the highest task lie so many standard deviations from the middle.
        confidence: of the intervals.
        simulations: how often.
        resamples: of the bootstrap.
        seed: of everything.

    Returns:
        One row per aggregate and method that knows it.
    """
    generator = np.random.default_rng(seed)
    values = population(distribution)
    shifts = (np.linspace(-spread, spread, tasks) if tasks > 1 else np.zeros(1))[:, None]
    if paired:
        aggregates, truths = ("mean",), {"mean": 0.0}
    else:
        truths = {name: float(AGGREGATES[name](values[None] + shifts)) for name in aggregates}
    counts: dict[tuple[str, Method], list[float]] = {}
    block = max(1, _BLOCK // (resamples * tasks * runs))
    for start in range(0, simulations, block):
        shape = (min(block, simulations - start), tasks, runs)
        scores = values[generator.integers(0, len(values), shape)] + shifts
        if paired:
            scores -= values[generator.integers(0, len(values), shape)]
        scores = np.sort(scores, axis=-1)
        drawn = resampled(scores, resamples, generator)
        for name in aggregates:
            function = AGGREGATES[name]
            estimate, copies = np.asarray(function(scores)), np.asarray(function(drawn))
            errors = np.asarray(standard_error(drawn, function)[0]) if name in _WITH_ERROR else None
            for method in get_args(Method):
                if method in ("student", "studentized") and errors is None:
                    continue
                if method == "student":
                    low, high = student_ends(scores, estimate, function, (1 - confidence) / 2)
                else:
                    low, high = ends(copies, errors, scores, estimate, function, method, (1 - confidence) / 2)
                total = counts.setdefault((name, method), [0.0, 0.0])
                with np.errstate(invalid="ignore"):
                    total[0] += float(((low <= truths[name] + 1e-9) & (high >= truths[name] - 1e-9)).sum())
                    total[1] += float((high - low).sum())
    return [
        Coverage(
            distribution=distribution,
            paired=paired,
            tasks=tasks,
            runs=runs,
            aggregate=name,
            method=method,
            covered=covered / simulations,
            width=width / simulations,
            simulations=simulations,
            resamples=resamples,
        )
        for (name, method), (covered, width) in counts.items()
    ]


def measure_false_positives(
    distribution: str,
    *,
    tasks: int,
    runs: int,
    arms: int = 3,
    level: float = 0.05,
    flips: int = 1000,
    simulations: int = 4000,
    seed: int = 0,
) -> tuple[float, float]:
    """How often a sign-flip test rejects between arms that do not differ.

    Args:
        distribution: of the scores, one of `DISTRIBUTIONS`.
        tasks: tasks.
        runs: pairs of each task.
        arms: arms compared with the same base.
        level: of the tests.
        flips: of the sampled test.
        simulations: how often.
        seed: of everything.

    Returns:
        The share of simulations in which the first arm's test rejects, and the share in which any test does after
        Holm's correction.
    """
    generator = np.random.default_rng(seed)
    values = population(distribution)
    single = several = 0
    for i in range(simulations):
        scores = values[generator.integers(0, len(values), (arms + 1, tasks, runs))]
        p = np.array([sign_flip_test(own - scores[0], flips, seed + i).p for own in scores[1:]])
        single += bool(p[0] <= level)
        several += bool((holm(p) <= level).any())
    return single / simulations, several / simulations
