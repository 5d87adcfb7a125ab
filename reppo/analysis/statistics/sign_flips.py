"""Tests of paired differences that flip signs: is their mean far from 0, and are wins as many as losses?"""

import math
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Int

from reppo.analysis.statistics.aggregates import Scores, as_scores
from reppo.errors import require

EXACT_PAIRS = 16
"""Up to so many pairs, all sign flips are enumerated."""


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


def sign_flip_test(differences: Scores, flips: int = 10_000, seed: int = 0) -> SignFlip:
    """Tests whether differences are symmetric around 0: how often would random signs give a mean as far from 0?

    The statistic is the mean over tasks of the mean over pairs. Up to 16 pairs, all signs are tried, and the p value is
    exact; beyond, signs are drawn, and the observed ones count as one of the draws, so that the test keeps its level.
    With m pairs that differ no p value is below `2 / 2**m`: 5 pairs cannot reach 0.05, 6 can.

    Exact where arm and base could be exchanged without a difference in anything. Of means alone it is not: an arm that
    fails one run in ten, and gains elsewhere what it loses there, is often called better (see `docs/statistics.md`).

    Args:
        differences: `[tasks, pairs]`, or flat for one task; NaN where a task has fewer pairs than others.
        flips: how many sign flips are drawn where they are not enumerated, at least 1.
        seed: of the draws, at least 0.

    Returns:
        The two-sided p value, 1 if nothing differs.

    Source: Fisher 1935, The Design of Experiments; Phipson and Smyth 2010, Permutation P-values Should Never Be Zero.
    """
    return flipped(differences, flips, seed, 0.05)[0]


def sign_flip_interval(
    differences: Scores, confidence: float = 0.95, flips: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """The mean differences that `sign_flip_test` would not reject, so that test and interval never disagree.

    Args:
        differences: see `sign_flip_test`.
        confidence: 1 minus the level of the test.
        flips: see `sign_flip_test`, at least 1.
        seed: see `sign_flip_test`, at least 0.

    Returns:
        The ends; infinite where so few pairs can reject nothing at this level.

    Raises:
        ConfigurationError: if the confidence is not in (0, 1).

    Source: Hartigan 1969, Using Subsample Values as Typical Values (means of subsets of the differences).
    """
    require(0 < confidence < 1, f"The confidence is between 0 and 1, not {confidence}.")
    return flipped(differences, flips, seed, 1 - confidence)[1]


def flipped(differences: Scores, flips: int, seed: int, level: float) -> tuple[SignFlip, tuple[float, float]]:
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
        return every_flip(size) @ columns
    generator = np.random.default_rng(seed)
    block, blocks = max(1, 4_000_000 // size), []
    for start in range(0, flips, block):
        rows = min(block, flips - start)
        bits = np.unpackbits(generator.integers(0, 256, (rows, -(-size // 8)), np.uint8), axis=1)[:, :size]
        blocks.append(bits @ columns)
    return np.concatenate(blocks)


def every_flip(pairs: int) -> Int[np.ndarray, "flips pairs"]:
    """Which pairs are turned (1) in each way to turn some of them, every way but for its opposite; none first."""
    return (np.arange(2 ** (pairs - 1))[:, None] >> np.arange(pairs)) & 1


def sign_test(wins: int, losses: int) -> float:
    """The chance of so uneven a number of wins and losses if each pair could as well go either way; ties do not count.

    Holds whatever the shape of the scores; but it is of how often one is better, not of by how much.

    Args:
        wins: pairs in which one arm is better, at least 0.
        losses: pairs in which the other one is, at least 0.

    Source: Arbuthnott 1710; Dixon and Mood 1946, The Statistical Sign Test.
    """
    from scipy import stats

    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
