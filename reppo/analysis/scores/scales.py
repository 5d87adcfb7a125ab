"""Scales that stand still: known bounds of a task, those of a user, or the way from the untrained policy to the base.

None of them moves because of an arm that it does not speak of.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from reppo.analysis.scores.bounds import Bounds, solved_scale
from reppo.analysis.scores.scores import Normalization, ScoreTable
from reppo.errors import require, unknown_name
from reppo.results import RunData


def scale_of(results: Sequence[RunData], raw: ScoreTable, given: Mapping[str, Bounds] | None = None) -> Normalization:
    """The scale of each task: the bounds given; else the known ones; else from the untrained policy to the base.

    Args:
        results: the runs of the table.
        raw: their scores, not normalized, the base first.
        given: bounds by task.

    Returns:
        The scale. A task has none where the base gained nothing over its untrained policy, or less than its seeds
        differ, so that a scale would be one of noise: see `missing`.

    Raises:
        ConfigurationError: if bounds are given for a task that is not in the table, or cannot be used.
    """
    given = dict(given or {})
    for task in given:
        if task not in raw.tasks:
            raise unknown_name("task", task, raw.tasks, "Bounds are given as TASK=LOW:HIGH.")
    bounds: dict[str, Bounds] = {}
    sources: dict[str, str] = {}
    missing: dict[str, str] = {}
    for j, task in enumerate(raw.tasks):
        if task in given:
            bounds[task], sources[task] = given[task], "given"
            continue
        known = {solved_scale(run.record.spec) for run in results if run.record.environment == task}
        own = known.pop() if len(known) == 1 else None
        if own is not None:
            bounds[task], sources[task] = own, "known"
            continue
        found, words = _learned(results, raw, j)
        if found is None:
            missing[task] = words
        else:
            bounds[task], sources[task] = found, words
    return Normalization("by task", bounds, sources=sources, missing=missing)


def one_scale(scale: Normalization, tasks: Sequence[str]) -> bool:
    """Whether all tasks have the same scale, so that their returns can be averaged as they are."""
    return not scale.missing and len({scale.bounds[task] for task in tasks}) == 1


def required_scale(
    results: Sequence[RunData], raw: ScoreTable, given: Mapping[str, Bounds] | None = None
) -> Normalization:
    """`scale_of`, for what cannot do without.

    Raises:
        ConfigurationError: if no task has a scale; see also `scale_of`.
    """
    scale = scale_of(results, raw, given)
    require(
        scale.bounds,
        "No task has a scale of which an effect could be a share: "
        + "; ".join(f"{task}: {reason}" for task, reason in scale.missing.items())
        + ". Give one with --bounds TASK=LOW:HIGH.",
    )
    return scale


def _learned(results: Sequence[RunData], raw: ScoreTable, task: int) -> tuple[Bounds | None, str]:
    """From the untrained policy's return to the base's score, and on what that rests, or why there is none."""
    before = {}
    for run in results:
        if run.record.environment == raw.tasks[task] and run.record.arm == raw.base:
            steps, means = run.evaluations.curve()
            if len(steps) and steps[0] == 0 and np.isfinite(means[0]):
                before[run.record.seed] = float(means[0])
    pairs = [
        (before[int(seed)], raw.scores[0, task, k])
        for k, seed in enumerate(raw.seeds)
        if int(seed) in before and raw.environment_steps[0, task, k] > 0 and not raw.diverged[0, task, k]
    ]
    if not pairs:
        return None, f"no run of {raw.base} has an evaluation before training and one after it"
    first, last = np.array(pairs).T
    gain = float((last - first).mean())
    if gain <= 0:
        return None, f"{raw.base} did not improve on the untrained policy"
    if len(pairs) > 1 and gain < float(last.std(ddof=1)):
        return None, f"{raw.base} gained less than its seeds differ"
    return (float(first.mean()), float(last.mean())), f"learned by {len(pairs)}"
