"""Sensitivity to hyperparameters over a grid of settings and tasks."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

from reppo.analysis.scores.arms import named_settings, short_paths
from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.bootstrap import resampled
from reppo.analysis.statistics.intervals import Interval
from reppo.errors import require


@final
@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """How much an algorithm needs its hyperparameters tuned per task.

    Attributes:
        tuned: mean over tasks of the best score of any setting on that task: performance tuned per task.
        cross: highest mean over tasks of any one setting.
        sensitivity: the first minus the second, 0 or more.
        setting: the setting that is best over all tasks.
        setting_per_task: the setting that is best on each task.
    """

    tuned: Interval
    cross: Interval
    sensitivity: Interval
    setting: str
    setting_per_task: Mapping[str, str]


@final
@dataclass(frozen=True, kw_only=True)
class EffectiveDimension:
    """How many hyperparameters must be tuned per task for most of the gain of tuning all.

    Attributes:
        dimension: the smallest number that suffices.
        hyperparameters: which ones do, of all sets of that size the best.
        share: score tuned per task in the best set of each size (from none to all), over that with all tuned.
        target: the share that was asked for.
    """

    dimension: int
    hyperparameters: tuple[str, ...]
    share: Float[np.ndarray, " sizes"]
    target: float


def sensitivity(table: ScoreTable, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Sensitivity:
    """Performance tuned per task minus that of the best single setting, with the arms of a table as settings.

    Choosing the best by looking favors settings that were lucky, on each task more than over all: with few runs, both
    numbers and their difference are too high, the more so the more settings. The bootstrap repeats the choice.

    Args:
        table: normalized scores, each arm one setting, every arm on every task.
        confidence: of the percentile bootstrap intervals over runs within settings and tasks, in (0, 1).
        resamples: of the bootstrap, at least 1.
        seed: of the bootstrap, at least 0.

    Raises:
        ConfigurationError: if a setting lacks a task.

    Source: Adkins, Bowling and White 2024, A Method for Evaluating Hyperparameter Sensitivity in Reinforcement
        Learning, NeurIPS 2024, arXiv:2412.07165.
    """
    means = _task_means(table)
    ordered = np.sort(table.scores, axis=-1)
    drawn = np.nanmean(resampled(ordered, resamples, np.random.default_rng(seed)), axis=-1)
    levels = [(1 - confidence) / 2, (1 + confidence) / 2]

    def both(scores: np.ndarray) -> tuple[Any, Any]:
        return scores.max(axis=-2).mean(axis=-1), scores.mean(axis=-1).max(axis=-1)

    tuned, cross = both(means)
    many_tuned, many_cross = both(drawn)
    found = [
        Interval(float(value), *map(float, np.quantile(values, levels)))
        for value, values in ((tuned, many_tuned), (cross, many_cross), (tuned - cross, many_tuned - many_cross))
    ]
    return Sensitivity(
        tuned=found[0],
        cross=found[1],
        sensitivity=found[2],
        setting=table.arms[int(means.mean(axis=1).argmax())],
        setting_per_task={task: table.arms[i] for task, i in zip(table.tasks, means.argmax(axis=0), strict=True)},
    )


def effective_dimension(
    table: ScoreTable, settings: Mapping[str, Mapping[str, object]] | None = None, *, target: float = 0.95
) -> EffectiveDimension:
    """How many hyperparameters must be tuned per task to reach a share of the score with all tuned per task.

    Hyperparameters that are not tuned stay at the setting that is best over all tasks.

    Args:
        table: normalized scores, 0 or higher on average, each arm one setting, every arm on every task.
        settings: for each arm the value of every hyperparameter; together a full grid. None for `grid_settings`.
        target: the share, in (0, 1].

    Raises:
        ConfigurationError: if the grid has holes, or the scores are not positive.

    Source: Adkins, Bowling and White 2024, arXiv:2412.07165.
    """
    require(0 < target <= 1, f"The target is a share in (0, 1], not {target}.")
    means = _task_means(table)
    settings = grid_settings(table) if settings is None else settings
    names = tuple(settings[table.arms[0]])
    settings = {arm: {name: _key(own[name]) for name in names} for arm, own in settings.items()}
    values = {name: list(dict.fromkeys(settings[arm][name] for arm in table.arms)) for name in names}
    size = int(np.prod([len(values[name]) for name in names]))
    cells = {tuple(settings[arm][name] for name in names): i for i, arm in enumerate(table.arms)}
    require(
        len(cells) == size == len(table.arms),
        f"{len(table.arms)} settings ({len(cells)} of them different) are not a full grid of {size}: add the missing.",
    )
    best = table.arms[int(means.mean(axis=1).argmax())]
    full = float(means.max(axis=0).mean())
    require(full > 0, f"The score tuned per task is {full:g}; a share of it needs scores above 0. Normalize them.")
    share, chosen = [], []
    for count in range(len(names) + 1):
        options = {}
        for free in itertools.combinations(names, count):
            held = [name for name in names if name not in free]
            rows = [i for i, arm in enumerate(table.arms) if all(settings[arm][n] == settings[best][n] for n in held)]
            options[free] = float(means[rows].max(axis=0).mean()) / full
        chosen.append(max(options, key=lambda free: options[free]))
        share.append(options[chosen[-1]])
    dimension = next(i for i, value in enumerate(share) if value >= target - 1e-12)
    return EffectiveDimension(
        dimension=dimension, hyperparameters=chosen[dimension], share=np.array(share), target=target
    )


def grid_settings(table: ScoreTable) -> dict[str, dict[str, Any]]:
    """What each arm of a table sets, by the shortest names that tell the hyperparameters apart.

    From the records of runs; of scores that come from elsewhere, from the names of arms: `a=1+b=2` is
    `{"a": "1", "b": "2"}`.

    Raises:
        ConfigurationError: if an arm is no setting, or arms differ in their paths.
    """
    settings: dict[str, Mapping[str, Any]] = {}
    for arm in table.arms:
        own = table.settings.get(arm) if table.settings else named_settings(arm)
        require(
            own is not None,
            f"Arm {arm!r} does not tell its settings. Arms of `grid` record them; otherwise names like "
            "'gamma=0.9+kl_bound=0.1' do.",
        )
        assert own is not None
        settings[arm] = own
    paths = {tuple(sorted(own)) for own in settings.values()}
    require(len(paths) <= 1, f"Arms set different hyperparameters: {' and '.join(map(str, sorted(paths)[:2]))}.")
    short = short_paths([path for own in paths for path in own])
    return {arm: {short[path]: value for path, value in own.items()} for arm, own in settings.items()}


def _key(value: object) -> str:
    """What equal values share, also components."""
    return json.dumps(value, sort_keys=True, default=str)


def _task_means(table: ScoreTable) -> np.ndarray:
    known = np.isfinite(table.scores).any(axis=-1)
    for i, j in np.argwhere(~known)[:1]:
        require(False, f"Setting {table.arms[i]!r} has no score on {table.tasks[j]!r}: run it, or select tasks.")
    return np.nanmean(table.scores, axis=-1)
