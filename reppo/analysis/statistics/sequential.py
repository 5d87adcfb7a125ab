"""One level for several looks at the same differences, while seeds are added."""

import math
from collections.abc import Sequence

import numpy as np

from reppo.analysis.statistics.aggregates import Scores, as_scores
from reppo.analysis.statistics.sign_flips import EXACT_PAIRS, turned
from reppo.errors import require


def found_at(
    differences: Scores,
    looks: Sequence[Sequence[bool]],
    planned: int,
    level: float | int = 0.05,
    flips: int = 10_000,
    seed: int = 0,
) -> int | None:
    """The first look at which a sign-flip test finds a mean difference, all looks together at one level.

    Each look may spend `level / planned`, and what earlier ones have left. All looks are flipped together: of the flips
    that no earlier look has counted as a difference, a look counts those with the largest means, as many as its level
    allows, and it has found one if the observed signs are among them. Exact like `sign_flip_test`, for any number of
    pairs at each look; it costs less power than a level divided by the number of looks, since looks share pairs.

    Args:
        differences: `[tasks, seeds]`, or flat for one task; NaN where there is none.
        looks: for each look so far which seeds it has, at most `planned` of them.
        planned: how many looks there are at most.
        level: of all looks together, in (0, 1).
        flips: drawn where there are more than 16 pairs.
        seed: of the draws, at least 0.

    Returns:
        The number of the look, from 1; None if none has found a difference.

    Raises:
        ConfigurationError: if there are no looks, or more than planned.

    Source: Mathieu et al. 2023, AdaStop, arXiv:2306.10882, which tests several agents in this way; Lan and DeMets 1983,
        Discrete Sequential Boundaries for Clinical Trials (spending a level).
    """
    differences = as_scores(differences, batched=False)
    require(1 <= len(looks) <= planned, f"{len(looks)} looks were taken of {planned} planned ones.")
    parts = []
    for used in looks:
        own = np.where(np.asarray(used, np.bool_), differences, np.nan)
        count = np.isfinite(own).sum(axis=-1, keepdims=True)
        parts.append(np.nan_to_num(own / np.maximum(count, 1) / max(int((count > 0).sum()), 1)).reshape(-1))
    columns = np.stack(parts, axis=1)
    columns = columns[(columns != 0).any(axis=1)]
    if not len(columns):
        return None
    exact = len(columns) <= EXACT_PAIRS
    sums = turned(columns, flips, seed, exact)
    sums = sums if exact else np.concatenate([np.zeros((1, len(looks))), sums])  # the observed signs come first
    totals = np.abs(columns.sum(axis=0) - 2 * sums)
    slack = 1e-9 * totals[0] + 1e-12 * np.abs(columns).sum(axis=0)
    left = np.ones(len(totals), np.bool_)
    for i in range(len(looks)):
        allowed = math.floor(level * (i + 1) / planned * len(totals) + 1e-9) - int((~left).sum())
        ordered = np.sort(totals[left, i])[::-1]
        far = left & (totals[:, i] > (ordered[allowed] + slack[i] if allowed < len(ordered) else -1.0))
        if far[0]:
            return i + 1
        left &= ~far
    return None
