"""Robustness to hyperparameters: how scores are distributed over the settings of each algorithm's own search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from reppo.analysis.comparisons.sensitivity import Sensitivity, sensitivity
from reppo.analysis.scores.bounds import NOT_KNOWN
from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.best_of import best_of, best_of_equals
from reppo.analysis.statistics.intervals import Interval, share_interval


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class SearchScores:
    """The scores of the settings of one algorithm on one task.

    Attributes:
        task: the task.
        start: the arm whose hyperparameters were searched: the default.
        settings: the arms of the settings that have a score.
        scores: of each of them, the mean over its seeds.
        seeds: most seeds of a setting.
        diverged: settings with a run that diverged, which counts as the worst return.
        broken: settings in whose evaluations the simulation broke each time, which count as the worst return too.
        missing: settings without a score.
        default: the scores of the default's runs; empty where it has none.
        highest: the greatest score that is possible, as far as that is known.
    """

    task: str
    start: str
    settings: tuple[str, ...]
    scores: Float[np.ndarray, " settings"]
    seeds: int
    diverged: int
    missing: int
    default: Float[np.ndarray, " seeds"]
    broken: int = 0
    highest: float = float("inf")

    def above(self, threshold: float | int) -> Interval:
        """The share of the settings that score at least so much, with Wilson's 95% interval: settings are the sample.

        Args:
            threshold: any finite score.

        Raises:
            ConfigurationError: if no setting has a score.
        """
        return share_interval(int((self.scores >= threshold).sum()), len(self.scores))

    def best(self, count: int) -> float:
        """The highest score of so many settings, on average over which; see `best_of`.

        Args:
            count: of settings, at least 1 and at most as many as there are.
        """
        return float(best_of(self.scores, [count])[0])

    def luck(self, count: int) -> float:
        """What the best of so many settings would score if all were as good as the default, by how its seeds differ.

        On average over studies, and no more than is possible on the task; see `best_of_equals`. NaN where the default
        has fewer than two runs, whose spread nothing tells.

        Args:
            count: of settings, at least 1.
        """
        if len(self.default) < 2:
            return float("nan")
        return min(best_of_equals(self.default, count, self.seeds), self.highest)


def search_scores(
    table: ScoreTable,
    searches: Mapping[str, Sequence[str]],
    worst: Mapping[tuple[str, str], float] | None = None,
) -> list[SearchScores]:
    """The scores of searches, by task and algorithm.

    Args:
        table: scores of settings and defaults, at the same steps.
        searches: for each default the arms of its settings.
        worst: for each arm and task what a setting counts as in all of whose evaluations the simulation broke; where
            that is not given it has no score. See `worst_returns`.

    Returns:
        Those with at least one score.
    """
    found, worst = [], worst or {}
    for j, task in enumerate(table.tasks):
        for start, arms in searches.items():
            rows = [table.arm_index(arm) for arm in arms if table.present[table.arm_index(arm), j].any()]
            scores = {i: float(np.nanmean(own)) for i in rows if np.isfinite(own := table.scores[i, j]).any()}
            lost = [i for i in rows if table.broken is not None and table.broken[i, j].any()]
            broken = [i for i in lost if i not in scores and (table.arms[i], task) in worst]
            scores |= {i: worst[table.arms[i], task] for i in broken}
            known = [i for i in rows if np.isfinite(scores.get(i, np.nan))]
            if not known:
                continue
            default = table.scores[table.arm_index(start), j] if start in table.arms else np.zeros(0)
            found.append(
                SearchScores(
                    task=task,
                    start=start,
                    settings=tuple(table.arms[i] for i in known),
                    scores=np.array([scores[i] for i in known]),
                    seeds=max(max(1, int(np.isfinite(table.scores[i, j]).sum())) for i in known),
                    diverged=sum(bool(table.diverged[i, j].any()) for i in known),
                    missing=len(rows) - len(known),
                    default=default[np.isfinite(default)],
                    broken=len(broken),
                    highest=table.limits.get(task, NOT_KNOWN)[1],
                )
            )
    return found


def even_counts(found: Sequence[SearchScores]) -> dict[str, int]:
    """For each task the settings of the smallest search: of so many each is compared, so that budgets are equal."""
    counts: dict[str, int] = {}
    for one in found:
        counts[one.task] = min(counts.get(one.task, len(one.scores)), len(one.scores))
    return counts


@final
@dataclass(frozen=True, kw_only=True)
class TunedScores:
    """What tuning gains an algorithm over several tasks.

    Attributes:
        start: the arm whose hyperparameters were searched.
        settings: how many settings have a score on every task.
        tasks: the tasks.
        default: mean over the tasks of the mean score of the default; NaN where it lacks one of them.
        sensitivity: performance tuned per task, that of the best setting for all, and their difference.
    """

    start: str
    settings: int
    tasks: tuple[str, ...]
    default: float
    sensitivity: Sensitivity


def tuned_scores(table: ScoreTable, searches: Mapping[str, Sequence[str]]) -> list[TunedScores]:
    """What tuning gains each algorithm over tasks on a common scale.

    Args:
        table: normalized scores of settings and defaults, at the same steps.
        searches: for each default the arms of its settings.

    Returns:
        Those with two settings or more that have a score on every task. Intervals are over the seeds of settings, and
        NaN where a setting has a single one.
    """
    found = []
    known = np.isfinite(table.scores)
    for start, arms in searches.items():
        whole = [arm for arm in arms if known[table.arm_index(arm)].any(axis=1).all()]
        if len(whole) < 2:
            continue
        chosen = table.select(arms=whole)
        one = sensitivity(chosen)
        if (np.isfinite(chosen.scores).sum(axis=2) < 2).any():
            nothing = float("nan")
            bare = {
                name: Interval(getattr(one, name).estimate, nothing, nothing)
                for name in ("tuned", "cross", "sensitivity")
            }
            one = Sensitivity(setting=one.setting, setting_per_task=one.setting_per_task, **bare)
        own = table.arm(start) if start in table.arms else np.full((len(table.tasks), 1), np.nan)
        has = np.isfinite(own).any(axis=1).all()
        found.append(
            TunedScores(
                start=start,
                settings=len(whole),
                tasks=table.tasks,
                default=float(np.nanmean(own, axis=1).mean()) if has else float("nan"),
                sensitivity=one,
            )
        )
    return found
