"""Arms compared seed by seed: differences, intervals, permutation tests, effect sizes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

from reppo.analysis.aggregates import AGGREGATES, Numbers, Scores, as_numbers, as_scores, mean
from reppo.analysis.confidence import Method, default_method, interval
from reppo.analysis.scores import ScoreTable
from reppo.errors import require, unknown_name

EXACT_PAIRS = 16
"""Up to so many pairs that differ, all sign flips are enumerated."""


@final
class SignFlip(NamedTuple):
    """The outcome of a sign-flip test.

    Attributes:
        p: two-sided p value.
        smallest: the smallest p value that so many pairs can attain.
        exact: whether all flips were enumerated, or a sample of them drawn.
    """

    p: float
    smallest: float
    exact: bool


@final
@dataclass(frozen=True, kw_only=True)
class PairedEffect:
    """The difference between an arm and the base over runs with the same seed: the arm minus the base.

    Attributes:
        arm: the arm.
        base: what it is compared with.
        task: the task; None for all tasks together, each with the same weight.
        estimate: the difference; NaN if no seed is in both.
        low: lower end of the interval.
        high: upper end.
        confidence: of the interval.
        method: how the interval was made.
        aggregate: what of the differences is estimated, `"mean"` unless asked otherwise.
        tasks: tasks with a pair.
        pairs: pairs of runs.
        fewest_pairs: pairs of the task that has the fewest.
        unpaired: runs of either arm left out for lack of a partner.
        p: p value of the sign-flip test of the mean difference.
        p_holm: the same after Holm's correction: over all arms, for rows over all tasks; over all arms and tasks, for
            rows of a task.
        smallest_p: the smallest p value that so many pairs can attain.
        exact: whether the test enumerated all flips.
        standardized: mean difference over the standard deviation of differences within tasks (Cohen's d_z).
        probability: share of pairs in which the arm is better, ties half, averaged over tasks.
        wins: pairs in which the arm is better.
        ties: pairs that are equal.
        losses: pairs in which the base is better.
    """

    arm: str
    base: str
    task: str | None
    estimate: float
    low: float
    high: float
    confidence: float
    method: str
    aggregate: str
    tasks: int
    pairs: int
    fewest_pairs: int
    unpaired: int
    p: float
    p_holm: float
    smallest_p: float
    exact: bool
    standardized: float
    probability: float
    wins: int
    ties: int
    losses: int


def compare(
    table: ScoreTable,
    base: str | None = None,
    *,
    aggregate: str = "mean",
    method: Method | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    flips: int = 10_000,
    seed: int = 0,
) -> list[PairedEffect]:
    """Compares every arm with the base over the seeds that both have, per task and over all tasks.

    Args:
        table: scores of runs that are paired by seed.
        base: what the arms are compared with; None for the first arm.
        aggregate: what of the differences is estimated: `"mean"`, or another name from `AGGREGATES`.
        method: of the intervals; None for the default of the aggregate (Student's, for the mean).
        confidence: in (0, 1).
        resamples: of bootstrap intervals.
        flips: sign flips that are drawn where there are too many pairs to enumerate them.
        seed: of resamples and flips.

    Returns:
        For each other arm the row over all tasks, then its tasks.

    Raises:
        ConfigurationError: if the base or the aggregate is unknown.

    Source: Student 1908; Fisher 1935, The Design of Experiments (permutation test); Holm 1979, A Simple Sequentially
        Rejective Multiple Test Procedure; Welch 1947 and Satterthwaite 1946 (degrees of freedom over tasks).
    """
    base = table.base if base is None else base
    if aggregate not in AGGREGATES:
        raise unknown_name("aggregate", aggregate, AGGREGATES)
    reference = table.arm(base)
    whole: list[PairedEffect] = []
    parts: list[PairedEffect] = []
    for arm in table.arms:
        if arm == base:
            continue
        own = table.arm(arm)
        differences = own - reference
        alone = np.isfinite(own) ^ np.isfinite(reference)
        settings = (aggregate, method, confidence, resamples, flips, seed)
        for j, task in enumerate((None, *table.tasks)):
            rows = slice(None) if task is None else slice(j - 1, j)
            if task is not None and not (table.present[table.arm_index(arm), j - 1].any()):
                continue
            effect = _effect(arm, base, task, differences[rows], int(alone[rows].sum()), *settings)
            (whole if task is None else parts).append(effect)
    corrected = [_corrected(effects) for effects in (whole, parts)]
    order = {arm: i for i, arm in enumerate(table.arms)}
    return sorted(corrected[0] + corrected[1], key=lambda row: order[row.arm])


def sign_flip_test(differences: Scores, flips: int = 10_000, seed: int = 0) -> SignFlip:
    """Tests whether differences are symmetric around 0: how often would random signs give a mean as far from 0?

    The statistic is the mean over tasks of the mean over pairs. Up to 16 pairs that are not 0, all signs are tried, and
    the p value is exact; beyond, signs are drawn, and the observed ones count as one of the draws, so that the
    test keeps its level. With m pairs no p value is below `2 / 2**m`: 5 pairs cannot reach 0.05, 6 can.

    Args:
        differences: `[tasks, pairs]`, or flat for one task; NaN where a task has fewer pairs than others.
        flips: how many sign flips are drawn where they are not enumerated.
        seed: of the draws.

    Returns:
        The two-sided p value, 1 if nothing differs.

    Source: Fisher 1935, The Design of Experiments; Phipson and Smyth 2010, Permutation P-values Should Never Be Zero.
    """
    require(flips >= 1, f"The test draws at least one flip, not {flips}.")
    differences = as_scores(differences, batched=False)
    count = (~np.isnan(differences)).sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        weighted = differences / count / max(int((count > 0).sum()), 1)
    parts = np.sort(np.abs(weighted[np.isfinite(weighted) & (weighted != 0)]))
    observed = abs(float(np.nansum(weighted)))
    if parts.size == 0:
        return SignFlip(1.0, 1.0, True)
    least = observed * (1 - 1e-9) - 1e-12 * float(parts.sum())
    if parts.size <= EXACT_PAIRS:
        sums = _signs(parts.size) @ parts
        return SignFlip(float(np.mean(np.abs(sums) >= least)), 2.0 ** (1 - parts.size), True)
    generator = np.random.default_rng(seed)
    extreme, block = 1, max(1, 4_000_000 // parts.size)
    for start in range(0, flips, block):
        rows = min(block, flips - start)
        bits = np.unpackbits(generator.integers(0, 256, (rows, -(-parts.size // 8)), np.uint8), axis=1)
        sums = (2.0 * bits[:, : parts.size] - 1.0) @ parts
        extreme += int((np.abs(sums) >= least).sum())
    return SignFlip(extreme / (flips + 1), 1 / (flips + 1), False)


def holm(p: Numbers) -> Float[np.ndarray, " tests"]:
    """Holm's correction: p values that keep the chance of any false positive among all tests at its level.

    Args:
        p: p values in [0, 1]; NaN for tests that could not be made, which do not count.

    Returns:
        The corrected p values, in the same order, at most 1.

    Source: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    p = as_numbers(p, "The p values")
    require(p.ndim == 1, f"The p values of the tests are a flat array; the shape is {[*p.shape]}.")
    corrected = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return corrected


def _effect(
    arm: str,
    base: str,
    task: str | None,
    differences: np.ndarray,
    unpaired: int,
    aggregate: str,
    method: Method | None,
    confidence: float,
    resamples: int,
    flips: int,
    seed: int,
) -> PairedEffect:
    count = np.isfinite(differences).sum(axis=-1)
    used = differences[count > 0]
    pairs = int(count.sum())
    function = AGGREGATES[aggregate]
    nothing = float("nan")
    if pairs:
        found = interval(used, function, method=method, confidence=confidence, resamples=resamples, seed=seed)
        test = sign_flip_test(used, flips, seed)
    else:
        found, test = (nothing, nothing, nothing), SignFlip(nothing, nothing, True)
    won = np.where(np.isnan(used), np.nan, (np.sign(used) + 1) / 2)
    return PairedEffect(
        arm=arm,
        base=base,
        task=task,
        estimate=found[0],
        low=found[1],
        high=found[2],
        confidence=confidence,
        method=method or default_method(function, len(used)),
        aggregate=aggregate,
        tasks=len(used),
        pairs=pairs,
        fewest_pairs=int(count[count > 0].min()) if pairs else 0,
        unpaired=unpaired,
        p=test.p,
        p_holm=nothing,
        smallest_p=test.smallest,
        exact=test.exact,
        standardized=_standardized(used),
        probability=float(mean(won)) if pairs else nothing,
        wins=int((used > 0).sum()),
        ties=int((used == 0).sum()),
        losses=int((used < 0).sum()),
    )


def _standardized(differences: np.ndarray) -> float:
    """The mean difference over the root of the mean variance within tasks."""
    spread = deviation(differences)
    return float(mean(differences)) / spread if spread > 0 else float("nan")


def deviation(differences: Scores) -> float:
    """The standard deviation within tasks, pooled: each task weighs as it has pairs. NaN if no task has two."""
    differences = as_scores(differences, batched=False)
    count = np.isfinite(differences).sum(axis=-1)
    rows = differences[count >= 2]
    if not len(rows):
        return float("nan")
    squares = np.nansum((rows - np.nanmean(rows, axis=-1, keepdims=True)) ** 2)
    return float(np.sqrt(squares / (count[count >= 2] - 1).sum()))


def _corrected(effects: Sequence[PairedEffect]) -> list[PairedEffect]:
    values = holm(np.array([effect.p for effect in effects], np.float64))
    return [replace(effect, p_holm=float(value)) for effect, value in zip(effects, values, strict=True)]


def _signs(size: int) -> np.ndarray:
    """Half of all sign vectors of a size, the other half being their opposites."""
    bits = (np.arange(2 ** (size - 1))[:, None] >> np.arange(size)) & 1
    return 2.0 * bits - 1.0
