"""Final scores in a table, and whether a run learned at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import final

import numpy as np
from jaxtyping import Float, Int

from reppo.analysis.comparisons.summaries import aggregate_tasks
from reppo.analysis.curves.learning_curves import grouped
from reppo.analysis.scores.from_runs import cut_offs, score_table
from reppo.analysis.statistics.intervals import Interval, student_interval
from reppo.results import RunData
from reppo.results.formatting import human_count
from reppo.text import display_width, fitting_columns, padded, plain, wrapped

FEW_SEEDS = 5
"""Below so many seeds the closing table warns; see `docs/statistics.md` for how often its intervals then cover."""


@final
@dataclass(frozen=True, kw_only=True)
class SummaryRow:
    """One arm on one environment. A run's score is the mean return of its last evaluation, as in a report.

    Runs are compared at the last step at which all of the task were evaluated. A run that diverged counts as the lowest
    return known of the task (`worst_returns`); one without any evaluation counts in `runs` only.

    Attributes:
        environment: the environment.
        arm: the arm.
        iqm: interquartile mean of the scores over seeds; NaN if there are none.
        low: lower end of its 95% bootstrap interval; NaN for fewer than two seeds.
        high: upper end.
        mean: mean of the scores.
        best: the highest score of a run none of whose episodes behind it ended because the simulation broke; NaN if
            there is none.
        steps_per_second: median over runs; None if unknown.
        environment_steps: fewest and most training steps of a run that did not diverge (of all, if all did).
        steps_per_iteration: environment steps of an iteration, of the longest; 0 if unknown.
        at_steps: training steps at which runs are compared; 0 if none was evaluated.
        broken: evaluation episodes behind the scores that ended because the simulation broke.
        diverged: runs that diverged.
        scored: runs with a score.
        runs: all runs.
    """

    environment: str
    arm: str
    iqm: float
    low: float
    high: float
    mean: float
    best: float
    steps_per_second: float | None
    environment_steps: tuple[int, int]
    steps_per_iteration: int
    at_steps: int
    broken: int
    diverged: int
    scored: int
    runs: int


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Improvement:
    """How much an arm learned on an environment.

    Attributes:
        environment: the environment.
        arm: the arm.
        seeds: the seeds whose runs have two trained evaluations or more.
        gains: for each of them, the mean return of the last evaluation minus that of the first trained one.
        interval: mean gain with Student's 95% interval; all NaN if there are no such seeds.
    """

    environment: str
    arm: str
    seeds: Int[np.ndarray, " seeds"]
    gains: Float[np.ndarray, " seeds"]
    interval: Interval


def summary_table(
    results: Sequence[RunData], base: str = "base", resamples: int = 2000, seed: int = 0
) -> list[SummaryRow]:
    """Summarizes the final scores of every arm on every environment.

    Args:
        results: runs of one experiment.
        base: the arm that comes first.
        resamples: resamples of the bootstrap, at least 1.
        seed: seed of the bootstrap, at least 0.

    Returns:
        The rows by environment; within it the base first, then from the highest interquartile mean to the lowest.

    Source: Agarwal et al. 2021, arXiv:2108.13264, for interquartile means with bootstrap intervals over seeds.
    """
    if not results:
        return []
    rows = []
    table = score_table(results, base=base, at_steps="common")
    estimates = {(r.task, r.arm): r for r in aggregate_tasks(table, resamples=resamples, seed=seed)}
    cuts = cut_offs(results)
    for (environment, arm), runs in grouped(results, base).items():
        cell = table.arms.index(arm), table.tasks.index(environment)
        known = np.isfinite(table.scores[cell])
        scores = table.scores[cell][known]
        assert table.broken is not None
        broken = table.broken[cell][known]
        sound = scores[broken == 0]
        estimate = estimates.get((environment, arm), _NOTHING)
        speeds = [run.record.steps_per_second for run in runs if run.record.steps_per_second is not None]
        lasting = [run.record.environment_steps for run in runs if run.record.status != "diverged"]
        steps = lasting or [run.record.environment_steps for run in runs]
        rows.append(
            SummaryRow(
                environment=environment,
                arm=arm,
                iqm=estimate.estimate,
                low=estimate.low,
                high=estimate.high,
                mean=float(scores.mean()) if scores.size else float("nan"),
                best=float(sound.max()) if sound.size else float("nan"),
                steps_per_second=float(np.median(speeds)) if speeds else None,
                environment_steps=(min(steps), max(steps)),
                steps_per_iteration=max(run.record.steps_per_iteration or 0 for run in runs),
                at_steps=cuts.get(environment, 0),
                broken=int(broken.sum()),
                diverged=sum(run.record.status == "diverged" for run in runs),
                scored=len(scores),
                runs=len(runs),
            )
        )
    environments = list(dict.fromkeys(row.environment for row in rows))

    def place(row: SummaryRow) -> tuple[int, bool, float]:
        lowest = math.inf if math.isnan(row.iqm) else -row.iqm
        return environments.index(row.environment), row.arm != base, lowest

    return sorted(rows, key=place)


def improvement(results: Sequence[RunData], confidence: float = 0.95, base: str = "base") -> list[Improvement]:
    """Measures learning: last evaluation minus the first trained one (after more than 0 steps), per seed.

    The interval is Student's, wider for few seeds than the bootstrap's, so it claims learning less easily.

    Args:
        results: runs of one experiment.
        confidence: in (0, 1).
        base: the arm that comes first.

    Returns:
        One entry per environment and arm.

    Source: Student 1908, The Probable Error of a Mean.
    """
    entries = []
    for (environment, arm), runs in grouped(results, base).items():
        gains: dict[int, float] = {}
        for run in runs:
            steps, means = run.evaluations.curve()
            trained = means[(steps > 0) & np.isfinite(means)]
            if len(trained) >= 2:
                gains[run.record.seed] = float(trained[-1] - trained[0])
        values = np.array(list(gains.values()), np.float64)
        entries.append(
            Improvement(
                environment=environment,
                arm=arm,
                seeds=np.array(list(gains), np.int64),
                gains=values,
                interval=student_interval(values, confidence) if gains else _NOTHING,
            )
        )
    return entries


def format_table(rows: Sequence[SummaryRow], width: int | None = None) -> str:
    """Lays a summary out as text, one block per environment, with notes on what should not be read into it.

    Args:
        rows: rows of one environment next to each other, as `summary_table` returns them.
        width: of the terminal, in columns. A block that is wider is broken between columns of the table, the arms
            standing in each part. None for no limit.

    Returns:
        Lines of at most about 100 characters for arm names of up to 30, ending with a line break.
    """
    if not rows:
        return "No runs yet.\n"
    heads = ("arm", "IQM", "95% interval", "mean", "best", "steps/s", "runs", "diverged")
    blocks = []
    for environment, group in groupby(rows, lambda row: row.environment):
        own = list(group)
        digits = _decimals([value for row in own for value in (row.iqm, row.best, row.low, row.high)])
        blocks.append((environment, [_cells(row, digits) for row in own]))
    lines_of_cells = [heads, *(cells for _, block in blocks for cells in block)]
    widths = [max(len(cells[i]) for cells in lines_of_cells) for i in range(len(heads))]
    widths[0] = max(map(display_width, (plain(cells[0]) for cells in lines_of_cells)))
    parts = [list(range(len(heads)))]
    if width is not None:
        widths[0] = min(widths[0], max(width - 2 - max(widths[1:]), len("arm...")))
        parts = fitting_columns(widths, width)

    def line(cells: Sequence[str], shown: Sequence[int]) -> str:
        first = padded(plain(cells[0]), widths[0])
        return "  ".join([first, *(cells[i].rjust(widths[i]) for i in shown[1:])]).rstrip()

    lines = []
    for environment, block in blocks:
        lines.append(environment)
        for shown in parts:
            rule = "-" * (sum(widths[i] for i in shown) + 2 * (len(shown) - 1))
            lines += [rule, line(heads, shown), rule, *(line(cells, shown) for cells in block), rule, ""]
    notes = [part for note in _notes(rows) for part in ([note] if width is None else wrapped(note, width))]
    return "\n".join(map(plain, [*lines, *notes])).rstrip("\n") + "\n"


def _cells(row: SummaryRow, digits: int) -> tuple[str, ...]:
    def number(value: float) -> str:
        return f"{value:.{digits}f}" if np.isfinite(value) else "-"

    return (
        row.arm,
        number(row.iqm),
        f"[{number(row.low)}, {number(row.high)}]" if np.isfinite(row.low) else "-",
        number(row.mean),
        number(row.best),
        "-" if row.steps_per_second is None else human_count(row.steps_per_second),
        str(row.runs) if row.scored == row.runs else f"{row.scored} of {row.runs}",
        str(row.diverged) if row.diverged else "-",
    )


def _decimals(values: Sequence[float]) -> int:
    """Decimals that show about four significant digits of the largest value."""
    largest = max((abs(value) for value in values if np.isfinite(value)), default=0.0)
    return 0 if largest >= 10_000 else 1 if largest >= 100 else 2 if largest >= 1 else 4


def _notes(rows: Sequence[SummaryRow]) -> list[str]:
    notes = ["IQM: interquartile mean over seeds of the last evaluation's mean return; interval: bootstrap over seeds."]
    fewest = min(row.scored for row in rows)
    if fewest < FEW_SEEDS:
        seeds = f"{fewest} seed{'' if fewest == 1 else 's'}"
        notes.append(f"Few seeds (as few as {seeds}): intervals may be too narrow, and arms may differ by chance.")
    for environment, group in groupby(rows, lambda row: row.environment):
        steps = [count for row in group for count in row.environment_steps]
        longest = max(row.steps_per_iteration for row in rows if row.environment == environment)
        if 0 < max(steps) - min(steps) < longest:
            span = f"{human_count(min(steps))} to {human_count(max(steps))}"
            notes.append(
                f"{environment}: iterations of the arms differ in length; runs are compared at equal steps up to one "
                f"of them ({span})."
            )
        elif min(steps) != max(steps):
            span = f"{human_count(min(steps))} to {human_count(max(steps))}"
            at = human_count(next(row.at_steps for row in rows if row.environment == environment))
            notes.append(
                f"{environment}: runs have come unequally far ({span} steps); they are compared at the last step at "
                f"which all were evaluated ({at})."
            )
    if any(row.diverged for row in rows):
        notes.append("Runs that diverged count as the lowest return known of the task.")
    broken = sum(row.broken for row in rows)
    if broken:
        which = ", ".join(f"{row.arm} on {row.environment} {row.broken}" for row in rows if row.broken)
        notes.append(
            f"The simulation broke (a number that was not finite, or absurdly large) in {broken} evaluation episodes, "
            f"which have no return and are in no score: {which}. Such runs are never the best."
        )
    if any(row.scored < row.runs for row in rows):
        notes.append("'n of m' runs: the others have no finite evaluation and are in no score.")
    return notes


_NOTHING = Interval(float("nan"), float("nan"), float("nan"))
