"""From runs to scores."""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int

from reppo.analysis.scores.arms import arms_in_order, settings_of
from reppo.analysis.scores.bounds import Bounds, solved_scale, task_limits
from reppo.analysis.scores.scores import DivergedPolicy, Measure, Normalization, ScoreTable
from reppo.analysis.statistics.over_time import area_under_curve
from reppo.errors import require
from reppo.results import RunData
from reppo.results.formatting import natural_order


def score_table(
    results: Sequence[RunData],
    *,
    base: str = "base",
    measure: Measure = "final",
    at_steps: int | Literal["common"] | None = "common",
    diverged: DivergedPolicy = "worst",
    normalization: Normalization | None = None,
) -> ScoreTable:
    """Turns runs into scores.

    Args:
        results: runs, in any order; arms may differ in tasks and seeds.
        base: the arm that comes first.
        measure: `"final"`, the mean return of the last evaluation, or `"area"`, the return averaged over training.
        at_steps: where runs are cut off: at the last step at which every run of the task was evaluated that did not
            diverge (`"common"`), after so many training steps, or nowhere (None), so that runs of unequal length do not
            compare.
        diverged: what a run that diverged counts as; see `ScoreTable.diverged_policy`. The worst score is that of all
            arms together, and is never better than the run's own last evaluation.
        normalization: the scale; None keeps returns as they are.

    Returns:
        The table: the base first, then arms and tasks by name.

    Raises:
        ConfigurationError: if there are no runs, two are the same run, or an argument is unknown.
    """
    require(len(results) > 0, "There are no runs to score. Run the experiment first.")
    for name, value, allowed in (("diverged", diverged, DivergedPolicy), ("measure", measure, Measure)):
        require(
            value in get_args(allowed), f"{name}={value!r} is not one of {', '.join(map(repr, get_args(allowed)))}."
        )
    records = [run.record for run in results]
    arms = tuple(arms_in_order(results, base))
    tasks = tuple(sorted({r.environment for r in records}, key=natural_order))
    seeds = np.unique([r.seed for r in records])
    shape = (len(arms), len(tasks), len(seeds))
    scores, present = np.full(shape, np.nan), np.zeros(shape, np.bool_)
    lost, steps, broken = np.zeros(shape, np.bool_), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    limits, longest = cut_offs(results, at_steps), dict.fromkeys(tasks, 0)
    start = next((r.rival for r in records if r.arm == base), None)
    rows, columns = ({name: i for i, name in enumerate(names)} for names in (arms, tasks))
    for run in results:
        record = run.record
        cell = rows[record.arm], columns[record.environment], int(np.searchsorted(seeds, record.seed))
        require(
            not present[cell],
            f"Arm {record.arm!r} on {record.environment!r} has two runs with seed {record.seed}: give each its own.",
        )
        present[cell], lost[cell] = True, record.status == "diverged"
        scores[cell], steps[cell] = _score(run, measure, limits.get(record.environment))
        longest[record.environment] = max(longest[record.environment], record.steps_per_iteration or 0)
        broken[cell] = broken_episodes(run, int(steps[cell]))
    if diverged == "exclude":
        scores[lost] = np.nan
    elif diverged == "worst":
        floors = worst_returns(results, base)
        for i, j in zip(*np.nonzero(lost.any(axis=2)), strict=True):
            scores[i, j, lost[i, j]] = floors[arms[i], tasks[j]]
    table = ScoreTable(
        arms=arms,
        tasks=tasks,
        seeds=seeds.astype(np.int64),
        scores=scores,
        present=present,
        diverged=lost,
        environment_steps=steps,
        ablations={r.arm: tuple(r.ablations) if r.rival == start else () for r in records},
        settings=settings_of([run for run in results if run.record.rival == start]),
        measure=measure,
        at_steps=at_steps,
        diverged_policy=diverged,
        limits=task_limits(results),
        broken=broken,
        longest_iteration=longest,
    )
    return table if normalization is None else table.normalized(normalization)


def broken_episodes(run: RunData, environment_steps: int) -> int:
    """Episodes without a return because the simulation broke, from the evaluation behind a score to the last one."""
    evaluations = run.evaluations
    return int(evaluations.broken[evaluations.environment_steps >= environment_steps].sum())


def worst_returns(results: Sequence[RunData], base: str) -> dict[tuple[str, str], float]:
    """What a run that diverged counts as, for each arm and task.

    The return of failing, where it is known of the task (0 in the control suite); else the lowest mean return of any
    evaluation there, before training or later, of the arm's own runs and the base's. NaN if there is none.
    """
    lowest: dict[tuple[str, str], float] = {}
    solved: dict[str, set[Bounds | None]] = {}
    for run in results:
        cell = run.record.arm, run.record.environment
        _, means = run.evaluations.curve()
        lowest[cell] = min([lowest.get(cell, np.inf), *means[np.isfinite(means)].tolist()])
        solved.setdefault(cell[1], set()).add(solved_scale(run.record.spec))
    floors = {}
    for (arm, task), own in lowest.items():
        known = next(iter(solved[task])) if len(solved[task]) == 1 else None
        seen = min(own, lowest.get((base, task), np.inf))
        floors[arm, task] = known[0] if known is not None else seen if np.isfinite(seen) else float("nan")
    return floors


def cut_offs(results: Sequence[RunData], at_steps: int | Literal["common"] | None = "common") -> dict[str, int]:
    """The training steps at which runs of each task are cut off: by default the last at which all were evaluated.

    Runs that end elsewhere have an evaluation there that others lack, even if those went on for longer. Runs that
    diverged and those without any evaluation do not hold the others back. 0 where nothing later is common to all.
    """
    if at_steps is None:
        return {}
    tasks = {run.record.environment for run in results}
    if at_steps != "common":
        return dict.fromkeys(tasks, at_steps)
    evaluated: dict[str, set[tuple[int, tuple[int, ...]]]] = {}
    for run in results:
        steps, means = run.evaluations.curve()
        known = tuple(steps[np.isfinite(means)].tolist())
        if known and run.record.status != "diverged":
            evaluated.setdefault(run.record.environment, set()).add((run.record.steps_per_iteration or 1, known))
    return {task: _last_common(own) for task, own in evaluated.items()}


def _last_common(evaluated: Iterable[tuple[int, tuple[int, ...]]]) -> int:
    """The last step at which all runs were evaluated, or less than one of their own iterations later; 0 if none is.

    Args:
        evaluated: for each run the length of its iterations, and the steps of its evaluations, ascending.
    """
    own = [(length, np.array(steps)) for length, steps in evaluated]
    for step in np.unique(np.concatenate([steps for _, steps in own]))[::-1]:
        if all(((steps >= step) & (steps < step + length)).any() for length, steps in own):
            return int(step)
    return 0


def last_counted(steps: Int[np.ndarray, " evaluations"], limit: int, iteration: int) -> int:
    """The last evaluation that counts where runs are cut off, in steps.

    That is the last up to the limit, or the first after it where that is nearer and less than an iteration away: no run
    can be evaluated at the very steps of another whose iterations are of another length.

    Args:
        steps: of the evaluations.
        limit: where runs are cut off.
        iteration: steps of an iteration; 0 where that is unknown.
    """
    before = steps[steps <= limit].max(initial=0)
    after = steps[steps > limit].min(initial=np.iinfo(np.int64).max)
    nearer = after - limit < min(iteration, limit - before)
    return int(after if nearer else before)


def _score(run: RunData, measure: Measure, limit: int | None) -> tuple[float, int]:
    """The score of a run and the training steps behind it."""
    steps, means = run.evaluations.curve()
    iteration = run.record.steps_per_iteration or 0
    used = np.isfinite(means) & (steps <= last_counted(steps, limit, iteration) if limit is not None else True)
    if not used.any():
        return float("nan"), 0
    steps, means = steps[used], means[used]
    if measure == "area":
        return float(area_under_curve(steps.astype(np.float64), means)), int(steps[-1])
    return float(means[-1]), int(steps[-1])
