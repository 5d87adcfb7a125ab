"""Arms compared without pairing, for runs that share nothing by seed: other code, other machines, other budgets."""

from dataclasses import dataclass
from typing import final

import numpy as np

from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.aggregates import mean
from reppo.analysis.statistics.corrections import corrected
from reppo.analysis.statistics.spread import deviation, satterthwaite, standard_error, student_quantile
from reppo.errors import require


@final
@dataclass(frozen=True, kw_only=True)
class UnpairedEffect:
    """The difference between the mean scores of an arm and the base: the arm minus the base.

    Attributes:
        arm: the arm.
        base: what it is compared with.
        task: the task; None for the mean over the tasks that both have.
        estimate: the difference; NaN if they share no task.
        low: lower end of Welch's interval; NaN if either has a single run of each task.
        high: upper end.
        confidence: of the interval.
        tasks: tasks that both have.
        runs: runs of the arm there.
        base_runs: runs of the base there.
        p: p value of the permutation test.
        p_holm: the same after correction, see `corrected`.
        smallest_p: the smallest p value that so many runs can attain.
        smallest_p_holm: the smallest that they can attain after correction, beside the other arms' p values.
        standardized: difference over the root of the mean variance of runs within arms and tasks (Cohen's d).
    """

    arm: str
    base: str
    task: str | None
    estimate: float
    low: float
    high: float
    confidence: float
    tasks: int
    runs: int
    base_runs: int
    p: float
    p_holm: float
    smallest_p: float
    smallest_p_holm: float
    standardized: float


def compare_unpaired(
    table: ScoreTable, base: str | None = None, *, confidence: float = 0.95, flips: int = 10_000, seed: int = 0
) -> list[UnpairedEffect]:
    """Compares the mean score of every arm with that of the base, whatever their seeds.

    The test asks how often a random split of both arms' runs, within each task, would differ as much. It
    assumes that without a difference the runs are alike in spread, too.

    Args:
        table: scores.
        base: what the arms are compared with; None for the first arm.
        confidence: in (0, 1).
        flips: random splits, at least 1.
        seed: of the splits, at least 0.

    Returns:
        For each other arm the row over all tasks, then the tasks that both have.

    Raises:
        ConfigurationError: if the base is unknown, or an argument is out of range.

    Source: Welch 1947, The Generalization of Student's Problem; Fisher 1935; Holm 1979.
    """
    require(0 < confidence < 1, f"The confidence is between 0 and 1, not {confidence}.")
    require(flips >= 1, f"The test draws at least one split, not {flips}.")
    base = table.base if base is None else base
    reference = table.arm(base)
    rows: list[UnpairedEffect] = []
    for arm in table.arms:
        if arm == base:
            continue
        own = table.arm(arm)
        shared = np.isfinite(own).any(axis=-1) & np.isfinite(reference).any(axis=-1)
        settings = (confidence, flips, seed)
        rows.append(_effect(arm, base, None, own[shared], reference[shared], *settings))
        for j in np.flatnonzero(shared):
            rows.append(_effect(arm, base, table.tasks[j], own[j : j + 1], reference[j : j + 1], *settings))
    return corrected(rows)


def _effect(
    arm: str,
    base: str,
    task: str | None,
    first: np.ndarray,
    second: np.ndarray,
    confidence: float,
    flips: int,
    seed: int,
) -> UnpairedEffect:
    nan = float("nan")
    counts = [np.isfinite(scores).sum(axis=-1) for scores in (first, second)]
    estimate = low = high = p = smallest = standardized = nan
    if len(first):
        estimate = float(mean(first) - mean(second))
        errors, freedoms = zip(*(standard_error(scores, mean) for scores in (first, second)), strict=True)
        if all((count >= 2).any() for count in counts):
            error, freedom = satterthwaite(np.array(errors, np.float64) ** 2, np.array(freedoms, np.float64))
            half = float(student_quantile((1 + confidence) / 2, freedom) * error)
            low, high = estimate - half, estimate + half
        p, smallest = _permutation_test(first, second, flips, seed)
        spread = deviation(np.concatenate([first, second]))
        standardized = estimate / spread if spread > 0 else nan
    return UnpairedEffect(
        arm=arm,
        base=base,
        task=task,
        estimate=estimate,
        low=low,
        high=high,
        confidence=confidence,
        tasks=len(first),
        runs=int(counts[0].sum()),
        base_runs=int(counts[1].sum()),
        p=p,
        p_holm=nan,
        smallest_p=smallest,
        smallest_p_holm=nan,
        standardized=standardized,
    )


def _permutation_test(first: np.ndarray, second: np.ndarray, flips: int, seed: int) -> tuple[float, float]:
    """The p value of the difference of means among random splits, and the smallest that can be attained."""
    from scipy import special

    generator = np.random.default_rng(seed)
    observed, drawn, splits, mirrored = 0.0, np.zeros(flips), 1.0, True
    for own, other in zip(first, second, strict=True):
        a, b = np.sort(own[np.isfinite(own)]), np.sort(other[np.isfinite(other)])
        observed += a.mean() - b.mean()
        order = np.argsort(generator.random((flips, a.size + b.size)), axis=1)
        shuffled = np.concatenate([a, b])[order]
        drawn += shuffled[:, : a.size].mean(axis=1) - shuffled[:, a.size :].mean(axis=1)
        splits *= float(special.comb(a.size + b.size, a.size))
        mirrored &= a.size == b.size  # then the opposite split differs as much
    slack = 1e-9 * max(float(np.abs(drawn).max()), abs(observed))
    extreme = int((np.abs(drawn) >= abs(observed) - slack).sum())
    return (extreme + 1) / (flips + 1), max((1 + mirrored) / splits, 1 / (flips + 1))
