"""Arms compared seed by seed: differences, intervals, permutation tests, effect sizes."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.aggregates import AGGREGATES, mean
from reppo.analysis.statistics.bootstrap import Method
from reppo.analysis.statistics.corrections import corrected
from reppo.analysis.statistics.intervals import default_method, interval
from reppo.analysis.statistics.sign_flips import SignFlip, flipped, sign_test
from reppo.analysis.statistics.spread import deviation
from reppo.errors import require, unknown_name


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
        resamples: of bootstrap intervals, at least 1.
        flips: sign flips that are drawn where there are too many pairs to enumerate them, at least 1.
        seed: of resamples and flips, at least 0.

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
        test, ends = flipped(used, flips, seed, 1 - confidence)
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
