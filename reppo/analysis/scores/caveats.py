"""What should not be read into a table of scores."""

from collections.abc import Sequence

import numpy as np

from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.intervals import FEW_RUNS
from reppo.results.formatting import human_count


def caveats_of(table: ScoreTable) -> list[str]:
    """Sentences on what is weak about a table of scores, the gravest first; empty if nothing is.

    They are on few seeds, missing tasks, unequal seeds and budgets, lost runs, scores that are all the same, tasks that
    an interquartile mean leaves out, and tasks on unlike scales or on none.
    """
    missing = table.normalization.missing
    scaled = table.select(tasks=[task for task in table.tasks if task not in missing]) if missing else table
    return [
        *_without_scale(table),
        *_broken(table),
        *_missing(scaled),
        *_unequal_budgets(table),
        *_few(scaled),
        *_unpaired(scaled),
        *_lost(table),
        *_silent(scaled),
        *_alike(scaled),
        *_left_out(scaled),
        *_scale(scaled),
    ]


def _broken(table: ScoreTable) -> list[str]:
    if table.broken is None or not table.broken.any():
        return []
    count = table.broken.sum(axis=2)
    cells = [(int(count[i, j]), i, j) for i, j in zip(*np.nonzero(count), strict=True)]
    shown = [f"{table.arms[i]} on {table.tasks[j]} {n}" for n, i, j in sorted(cells, key=lambda cell: -cell[0])]
    return [
        f"The simulation broke (a number that was not finite, or absurdly large) in {int(count.sum())} evaluation "
        f"episodes, which have no return and are in no score: {shortened(shown, 4)}."
    ]


def _few(table: ScoreTable) -> list[str]:
    count = np.isfinite(table.scores).sum(axis=2)
    count = count[table.present.any(axis=2)]
    fewest = int(count.min(initial=FEW_RUNS))
    if fewest >= FEW_RUNS:
        return []
    text = f"Few seeds: as few as {fewest} run{'' if fewest == 1 else 's'} of an arm on a task. "
    text += f"Below {FEW_RUNS}, intervals may cover less often than they say"
    if fewest < 6 and len(table.arms) > 1:
        text += ", and below 6 no difference on a single task can reach p < 0.05"
    return [text + "."]


def _missing(table: ScoreTable) -> list[str]:
    found = []
    for i, arm in enumerate(table.arms):
        lacking = [task for j, task in enumerate(table.tasks) if not np.isfinite(table.scores[i, j]).any()]
        if lacking:
            found.append(
                f"{arm} has no score on {shortened(lacking)}; aggregates are over the tasks that all arms have."
            )
    return found


def _unequal_budgets(table: ScoreTable) -> list[str]:
    found = []
    for task in table.tasks:
        fewest, most = table.steps_behind(task)
        if most - fewest >= max(table.longest_iteration.get(task, 0), 1):
            span = f"{human_count(fewest)} to {human_count(most)}"
            found.append(f"{task}: scores are of unequal numbers of steps ({span}), and do not compare.")
    return found


def _unpaired(table: ScoreTable) -> list[str]:
    known = np.isfinite(table.scores)
    found = []
    for i, arm in enumerate(table.arms[1:], 1):
        alone = int((known[i] ^ known[0])[known[i].any(axis=1) & known[0].any(axis=1)].sum())
        if alone:
            found.append(
                f"{arm} and {table.base} differ in seeds: {alone} runs have no partner and are in no difference."
            )
    return found


def _lost(table: ScoreTable) -> list[str]:
    lost = table.diverged.sum(axis=(1, 2))
    if not lost.any():
        return []
    which = ", ".join(f"{n} of {arm}" for arm, n in zip(table.arms, lost, strict=True) if n)
    policy = {
        "worst": "count as the lowest return known of the task",
        "last": "count with their last finite evaluation",
        "exclude": "are excluded, which flatters the arm",
    }[table.diverged_policy]
    return [f"Runs diverged ({which}); they {policy}."]


def _silent(table: ScoreTable) -> list[str]:
    silent = int((table.present & ~table.diverged & ~np.isfinite(table.scores)).sum())
    if not silent:
        return []
    return [f"{silent} run{'s have' if silent > 1 else ' has'} no finite evaluation, and so no score."]


def _alike(table: ScoreTable) -> list[str]:
    cells = [
        f"{arm} on {task}"
        for j, task in enumerate(table.tasks)
        for i, arm in enumerate(table.arms)
        if (own := table.scores[i, j][np.isfinite(table.scores[i, j])]).size > 1 and own.min() == own.max()
    ]
    if not cells:
        return []
    return [f"All runs score the same ({shortened(cells)}): an interval without width says nothing about other seeds."]


def _left_out(table: ScoreTable) -> list[str]:
    """Tasks of which the interquartile mean of all runs of the base holds no run."""
    own = table.scores[0]
    ordered = np.sort(own[np.isfinite(own)])
    if not ordered.size:
        return []
    low, high = ordered[[len(ordered) // 4, len(ordered) - len(ordered) // 4 - 1]]
    tasks = [
        task
        for task, scores in zip(table.tasks, own, strict=True)
        if np.isfinite(scores).any() and not ((scores >= low) & (scores <= high)).any()
    ]
    if not tasks:
        return []
    return [
        f"The interquartile mean of all runs of {table.base} holds none on {shortened(tasks)}: they are all in its "
        "lowest or highest quarter."
    ]


def shortened(names: Sequence[str], most: int = 5, what: str = "") -> str:
    """Names in a sentence, the first few of them: `a, b and 3 more`, or `a, b and 3 more arms`."""
    more = f" and {len(names) - most} more{f' {what}' if what else ''}"
    return ", ".join(names[:most]) + (more if len(names) > most else "")


def _scale(table: ScoreTable) -> list[str]:
    scale = table.normalization
    if not scale.identity:
        alone = [task for task in table.tasks if scale.sources.get(task) == "learned by 1"]
        return [f"The scale of {', '.join(alone)} rests on one run of the base."] if alone else []
    if len(table.tasks) < 2:
        return []
    middle = [np.nanmedian(np.abs(s[np.isfinite(s)])) for s in np.moveaxis(table.scores, 1, 0) if np.isfinite(s).any()]
    if len(middle) < 2 or max(middle) <= 3 * min(middle):
        return []
    return ["Scores are not normalized, and tasks differ in scale: those with large returns dominate every aggregate."]


def _without_scale(table: ScoreTable) -> list[str]:
    return [
        f"{task} has no scale ({reason}), so it is in no number over tasks. Give it one with --bounds {task}=LOW:HIGH."
        for task, reason in table.normalization.missing.items()
    ]
