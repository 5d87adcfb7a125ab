"""Arms compared seed by seed: differences, intervals, permutation tests, effect sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar, final

import numpy as np
from jaxtyping import Float

from reppo.analysis.aggregates import AGGREGATES, Numbers, Scores, as_numbers, as_scores, mean
from reppo.analysis.confidence import Method, default_method, interval
from reppo.analysis.scores import ScoreTable
from reppo.errors import require, unknown_name

EXACT_PAIRS = 16
"""Up to so many pairs, all sign flips are enumerated."""

Row = TypeVar("Row", bound=Any)


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
        low: lower end of the interval; infinite where so few pairs bound nothing at this confidence.
        high: upper end.
        confidence: of the interval.
        method: how the interval was made; `"sign-flip"` is that of the test: it leaves out 0 where `p` is below
            1 - confidence, and nowhere else.
        aggregate: what of the differences is estimated, `"mean"` unless asked otherwise.
        tasks: tasks with a pair.
        pairs: pairs of runs.
        fewest_pairs: pairs of the task that has the fewest.
        unpaired: runs of either arm left out for lack of a partner.
        differing: pairs that differ; equal ones tell nothing.
        base_mean: mean score of the base in these pairs, each task with the same weight.
        p: p value of the sign-flip test of the mean difference.
        p_holm: the same after correction, see `corrected`.
        smallest_p: the smallest p value that so many differing pairs can attain.
        smallest_p_holm: the smallest that they can attain after correction, beside the other arms' p values.
        p_signs: p value of the sign test: whether the arm is better in as many pairs as it is worse.
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
    differing: int
    base_mean: float
    p: float
    p_holm: float
    smallest_p: float
    smallest_p_holm: float
    p_signs: float
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
    method: Method | Literal["sign-flip"] | None = None,
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
        method: of the intervals; None for that of the test (`"sign-flip"`) for the mean, else for the default of the
            aggregate.
        confidence: in (0, 1).
        resamples: of bootstrap intervals.
        flips: sign flips that are drawn where there are too many pairs to enumerate them.
        seed: of resamples and flips.

    Returns:
        For each other arm the row over all tasks, then its tasks.

    Raises:
        ConfigurationError: if the base or the aggregate is unknown.

    Source: Fisher 1935, The Design of Experiments (permutation test); Hartigan 1969 (its interval); Holm 1979, A Simple
        Sequentially Rejective Multiple Test Procedure.
    """
    base = table.base if base is None else base
    if aggregate not in AGGREGATES:
        raise unknown_name("aggregate", aggregate, AGGREGATES)
    reference = table.arm(base)
    found: list[PairedEffect] = []
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
            found.append(
                _effect(arm, base, task, differences[rows], reference[rows], int(alone[rows].sum()), *settings)
            )
    return corrected(found)


def sign_flip_test(differences: Scores, flips: int = 10_000, seed: int = 0) -> SignFlip:
    """Tests whether differences are symmetric around 0: how often would random signs give a mean as far from 0?

    The statistic is the mean over tasks of the mean over pairs. Up to 16 pairs, all signs are tried, and the p value is
    exact; beyond, signs are drawn, and the observed ones count as one of the draws, so that the test keeps its level.
    With m pairs that differ no p value is below `2 / 2**m`: 5 pairs cannot reach 0.05, 6 can.

    Exact where arm and base could be exchanged without a difference in anything. Of means alone it is not: an arm that
    fails one run in ten, and gains elsewhere what it loses there, is often called better (see `docs/statistics.md`).

    Args:
        differences: `[tasks, pairs]`, or flat for one task; NaN where a task has fewer pairs than others.
        flips: how many sign flips are drawn where they are not enumerated.
        seed: of the draws.

    Returns:
        The two-sided p value, 1 if nothing differs.

    Source: Fisher 1935, The Design of Experiments; Phipson and Smyth 2010, Permutation P-values Should Never Be Zero.
    """
    return _flipped(differences, flips, seed, 0.05)[0]


def sign_flip_interval(
    differences: Scores, confidence: float = 0.95, flips: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """The mean differences that `sign_flip_test` would not reject, so that test and interval never disagree.

    Args:
        differences: see `sign_flip_test`.
        confidence: 1 minus the level of the test.
        flips: see `sign_flip_test`.
        seed: see `sign_flip_test`.

    Returns:
        The ends; infinite where so few pairs can reject nothing at this level.

    Source: Hartigan 1969, Using Subsample Values as Typical Values (means of subsets of the differences).
    """
    require(0 < confidence < 1, f"The confidence is between 0 and 1, not {confidence}.")
    return _flipped(differences, flips, seed, 1 - confidence)[1]


def _flipped(differences: Scores, flips: int, seed: int, level: float) -> tuple[SignFlip, tuple[float, float]]:
    """The sign-flip test and its interval, from the same flips.

    A flip turns the signs of some pairs. Around a center below the mean, it gives a mean as far from the center as the
    observed one if and only if the turned pairs, or the others, have a mean of their own that is not above the center.
    """
    require(flips >= 1, f"The test draws at least one flip, not {flips}.")
    differences = as_scores(differences, batched=False)
    finite = np.isfinite(differences)
    count = finite.sum(axis=-1, keepdims=True)
    weights = np.where(finite, 1 / np.maximum(count, 1) / max(int((count > 0).sum()), 1), 0.0)[finite]
    parts = weights * differences[finite]
    if not len(parts):
        return SignFlip(1.0, 1.0, True), (math.nan, math.nan)
    order = np.lexsort((weights, parts))  # so that no order of seeds or tasks matters
    parts, weights = parts[order], weights[order]
    exact, total = len(parts) <= EXACT_PAIRS, float(parts.sum())
    sums, masses = turned(np.stack([parts, weights], axis=1), flips, seed, exact).T
    slack = 0.5e-9 * abs(total) + 0.5e-12 * float(np.abs(parts).sum())
    sums = np.where(np.abs(sums) <= slack, 0.0, sums)
    others = total - sums
    others = np.where(np.abs(others) <= slack, 0.0, others)
    up = 1.0 if total >= 0 else -1.0
    far = (up * sums <= 0) | (up * others <= 0)  # also where none or all are turned
    draws = len(sums) + (not exact)  # the observed signs are one of the draws
    smallest = min(1.0, max(2.0 ** (1 - int((parts != 0).sum())), 0.0 if exact else 1 / draws))
    test = SignFlip(max((int(far.sum()) + (not exact)) / draws, smallest), smallest, exact)
    empty = np.concatenate([masses < 1e-12, masses > 1 - 1e-12])
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.concatenate([sums / masses, others / (1 - masses)])
    place = math.ceil(level * draws) - (int(empty.sum()) + (not exact))  # so many means are outside the interval
    if place < 1:
        return test, (-math.inf, math.inf)
    low, high = (np.partition(np.where(empty, np.inf, sign * means), place - 1)[place - 1] * sign for sign in (1, -1))
    return test, (float(low), float(high))


def turned(
    columns: Float[np.ndarray, "pairs columns"], flips: int, seed: int, exact: bool
) -> Float[np.ndarray, "flips columns"]:
    """Sums of columns over the pairs that are turned: in every way but for its opposite, none first, or in ways drawn.

    Args:
        columns: what is summed.
        flips: how many are drawn where not all are tried.
        seed: of the draws.
        exact: whether all are tried.
    """
    size = len(columns)
    if exact:
        return ((np.arange(2 ** (size - 1))[:, None] >> np.arange(size)) & 1) @ columns
    generator = np.random.default_rng(seed)
    block, blocks = max(1, 4_000_000 // size), []
    for start in range(0, flips, block):
        rows = min(block, flips - start)
        bits = np.unpackbits(generator.integers(0, 256, (rows, -(-size // 8)), np.uint8), axis=1)[:, :size]
        blocks.append(bits @ columns)
    return np.concatenate(blocks)


def sign_test(wins: int, losses: int) -> float:
    """The chance of so uneven a number of wins and losses if each pair could as well go either way; ties do not count.

    Holds whatever the shape of the scores; but it is of how often one is better, not of by how much.

    Source: Arbuthnott 1710; Dixon and Mood 1946, The Statistical Sign Test.
    """
    from scipy import stats

    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


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
    reference: np.ndarray,
    unpaired: int,
    aggregate: str,
    method: Method | Literal["sign-flip"] | None,
    confidence: float,
    resamples: int,
    flips: int,
    seed: int,
) -> PairedEffect:
    count = np.isfinite(differences).sum(axis=-1)
    used = differences[count > 0]
    pairs = int(count.sum())
    function = AGGREGATES[aggregate]
    if method is None:
        method = "sign-flip" if function is mean else default_method(function, len(used))
    require(
        method != "sign-flip" or function is mean, f"The interval of the test is of the mean, not of {aggregate!r}."
    )
    nothing = float("nan")
    found, test = (nothing, nothing, nothing), SignFlip(nothing, nothing, True)
    if pairs:
        test, ends = _flipped(used, flips, seed, 1 - confidence)
        if method == "sign-flip":
            found = (float(mean(used)), *ends)
        else:
            found = interval(used, function, method=method, confidence=confidence, resamples=resamples, seed=seed)
    won = np.where(np.isnan(used), np.nan, (np.sign(used) + 1) / 2)
    return PairedEffect(
        arm=arm,
        base=base,
        task=task,
        estimate=found[0],
        low=found[1],
        high=found[2],
        confidence=confidence,
        method=method,
        aggregate=aggregate,
        tasks=len(used),
        pairs=pairs,
        fewest_pairs=int(count[count > 0].min()) if pairs else 0,
        unpaired=unpaired,
        differing=int((np.nan_to_num(used) != 0).sum()),
        base_mean=float(mean(np.where(np.isfinite(used), reference[count > 0], np.nan))) if pairs else nothing,
        p=test.p,
        p_holm=nothing,
        smallest_p=test.smallest,
        smallest_p_holm=nothing,
        p_signs=sign_test(int((used > 0).sum()), int((used < 0).sum())) if pairs else nothing,
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


def corrected(effects: Sequence[Row]) -> list[Row]:
    """Corrects p values for their number, arms first: over all tasks by Holm's method over the arms, then within arms.

    A task of an arm is corrected over that arm's tasks, and counts for no more than the arm over all tasks: its p value
    is at least as large. So no arm that does nothing is called different on any task in more than 5% of pages, and a
    page of many arms and tasks is not tested as one family, in which no p value could ever be small.

    Args:
        effects: rows with `arm`, `task`, `p` and `smallest_p`; each arm has a row over all tasks.

    Returns:
        The rows with `p_holm` and `smallest_p_holm`, in the order of their arms.

    Source: Holm 1979; Marcus, Peritz and Gabriel 1976, On Closed Testing Procedures (testing in order).
    """
    arms = list(dict.fromkeys(effect.arm for effect in effects))
    whole = {effect.arm: effect for effect in effects if effect.task is None}
    over = dict(zip(whole, _holm_and_reach(list(whole.values())), strict=True))
    found = []
    for arm in arms:
        found.append(replace(whole[arm], p_holm=over[arm][0], smallest_p_holm=over[arm][1]))
        parts = [effect for effect in effects if effect.arm == arm and effect.task is not None]
        gate = over[arm] if math.isfinite(over[arm][0]) else (0.0, 0.0)  # no pairs over all tasks: on no scale
        for part, (p, smallest) in zip(parts, _holm_and_reach(parts), strict=True):
            p_holm, smallest_p_holm = np.maximum((p, smallest), gate).tolist()
            found.append(replace(part, p_holm=p_holm, smallest_p_holm=smallest_p_holm))
    return found


def _holm_and_reach(rows: Sequence[Any]) -> list[tuple[float, float]]:
    """Holm's p value of each row, and the smallest it could have had beside the others."""
    values = np.array([row.p for row in rows], np.float64)
    reach = []
    for i, row in enumerate(rows):
        best = values.copy()
        best[i] = row.smallest_p
        reach.append(float(holm(best)[i]))
    return list(zip(holm(values).tolist(), reach, strict=True))
