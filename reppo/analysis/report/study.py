"""What all parts of a report start from: the runs, their scores, curves and differences, made once."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, final

import numpy as np

from reppo.analysis.comparisons.paired import PairedEffect, compare
from reppo.analysis.curves.learning import learned_threshold
from reppo.analysis.curves.learning_curves import LearningCurve, learning_curves
from reppo.analysis.curves.published import PublishedCurve, published
from reppo.analysis.figures.style import HIGHLIGHTED
from reppo.analysis.scores.arms import apart
from reppo.analysis.scores.bounds import Bounds
from reppo.analysis.scores.from_runs import cut_offs, score_table
from reppo.analysis.scores.scales import one_scale, scale_of
from reppo.analysis.scores.scores import Normalization, ScoreTable
from reppo.analysis.statistics.corrections import corrected
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results import Metrics, RunData

T = TypeVar("T")
Scale = Literal["auto", "none"]
Unequal = Literal["", "iterations", "progress"]


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """Runs of one experiment, and what the parts of its report share.

    Attributes:
        results: the runs.
        metrics: training metrics of each of them.
        base: the arm with which the others are compared.
        unequal: why runs of a task that have not diverged have come unequally far, if they have: `"iterations"`, by
            less than one of the longest iterations, which differ in length; `"progress"`, by more.
        raw: the scores as returns.
        of_tasks: the scale of each task.
        table: the scores on the scale that numbers over tasks are on.
        unit: what such a score is called.
        curves: learning curves.
        effects: differences from the base on that scale.
        raw_effects: the same, with those of single tasks in returns.
        beside: for each published variant asked for, its curves on these tasks.
        searched: the runs of settings of searches, which are in nothing of the above.
        searched_metrics: training metrics of each of them.
        declared: thresholds by task, as far as some were declared.
    """

    results: Sequence[RunData]
    metrics: Sequence[Metrics]
    base: str
    unequal: Unequal
    raw: ScoreTable
    of_tasks: Normalization
    table: ScoreTable
    unit: str
    curves: Sequence[LearningCurve]
    effects: Sequence[PairedEffect]
    raw_effects: Sequence[PairedEffect]
    beside: Mapping[str, Sequence[PublishedCurve]]
    searched: Sequence[RunData] = ()
    searched_metrics: Sequence[Metrics] = ()
    declared: Mapping[str, float] = field(default_factory=dict)

    @functools.cached_property
    def cuts(self) -> dict[str, int]:
        """For each task the last step at which all runs of arms were evaluated."""
        return cut_offs(self.results)

    @functools.cached_property
    def thresholds(self) -> dict[str, float]:
        """For each task the return that counts as learned: the declared one, or one that follows from the base."""
        found = {}
        for task, steps in self.cuts.items():
            base = next((curve for curve in self.curves if (curve.environment, curve.arm) == (task, self.base)), None)
            short = None if base is None else base.until(steps)
            known = short is not None and np.isfinite(short.returns).any()
            value = self.declared.get(task, learned_threshold(short) if short is not None and known else None)
            if value is not None:
                found[task] = value
        return found

    @property
    def several(self) -> bool:
        """Whether there is an arm besides the base."""
        return len(self.table.arms) > 1

    @property
    def positive(self) -> bool:
        """Whether scores are returns, and the base's above 0, so that a difference can be a share of them."""
        own = self.table.arm(self.base)
        return self.table.normalization.identity and bool((own[np.isfinite(own)] > 0).all())

    @functools.cached_property
    def highlight(self) -> list[str]:
        """The arms that are drawn in color: all, or where there are more than seven, those that differ most."""
        others = [arm for arm in self.table.arms if arm != self.base]
        if len(others) <= HIGHLIGHTED:
            return others
        whole = [e for e in self.effects if e.task is None and math.isfinite(e.estimate)]
        return [e.arm for e in sorted(whole, key=lambda e: -abs(e.estimate))][:HIGHLIGHTED]

    @property
    def published(self) -> list[PublishedCurve]:
        """The published curves of all variants."""
        return [curve for found in self.beside.values() for curve in found]


def study_of(
    results: Sequence[RunData],
    metrics: Sequence[Metrics] | None,
    *,
    base: str,
    against: Sequence[str],
    scale: Scale,
    bounds: Mapping[str, Bounds] | None,
    thresholds: Mapping[str, float] | None = None,
) -> Study:
    """Collects what the parts of a report start from; see `build_report` for the arguments.

    Raises:
        ConfigurationError: if there are no runs, none has an evaluation, or the base is not among the arms.
    """
    if metrics is None:
        metrics = [run.folder.read_metrics() for run in results]
    of_run = {id(run): own for run, own in zip(results, metrics, strict=True)}
    results, searched = apart(results)
    require(len(results) > 0, "There are no runs to report on. Run the experiment first.")
    arms = {run.record.arm for run in results}
    if base not in arms:
        raise unknown_name("arm", base, arms, "Name the arm to compare with by --base.")
    unequal = _unequal(results)
    raw = score_table(results, base=base, at_steps="common" if unequal else None)
    require(bool(np.isfinite(raw.scores).any()), "No run has a finite evaluation yet, so there is nothing to report.")
    of_tasks = scale_of(results, raw, bounds)
    table, unit = _scaled(raw, of_tasks, scale)
    effects = compare(table)
    raw_effects = effects
    if table is not raw:  # an arm's tasks are tested after the arm over all of them, which is on the common scale
        whole = [effect for effect in effects if effect.task is None]
        raw_effects = corrected([*whole, *(effect for effect in compare(raw) if effect.task is not None)])
    return Study(
        results=results,
        metrics=[of_run[id(run)] for run in results],
        base=base,
        unequal=unequal,
        raw=raw,
        of_tasks=of_tasks,
        table=table,
        unit=unit,
        curves=learning_curves(results, base),
        effects=effects,
        raw_effects=raw_effects,
        beside={variant: published(variant, table.tasks) for variant in against},
        searched=searched,
        searched_metrics=[of_run[id(run)] for run in searched],
        declared=dict(thresholds or {}),
    )


def attempt(make: Callable[[], T]) -> T | None:
    """What an analysis gives that not every experiment can support."""
    try:
        return make()
    except ConfigurationError:
        return None


def _unequal(results: Sequence[RunData]) -> Unequal:
    """Why runs of a task that have not diverged have come unequally far, if they have.

    `"iterations"`: by less than one of the longest iterations, which differ in length; `"progress"`: by more.
    """
    ends: dict[str, set[int]] = {}
    longest: dict[str, int] = {}
    for run in results:
        task, length = run.record.environment, run.record.steps_per_iteration or 0
        longest[task] = max(longest.get(task, 0), length)
        if run.record.status != "diverged" and len(run.evaluations.environment_steps):
            ends.setdefault(task, set()).add(int(run.evaluations.environment_steps[-1]))
    apart = [(max(steps) - min(steps), longest[task]) for task, steps in ends.items() if len(steps) > 1]
    if not apart:
        return ""
    return "iterations" if all(steps < length for steps, length in apart) else "progress"


def _scaled(raw: ScoreTable, found: Normalization, scale: Scale) -> tuple[ScoreTable, str]:
    """The scores on the scale that numbers over tasks are on, and what such a score is called."""
    allowed = ("auto", "none")
    require(scale in allowed, f"scale={scale!r} is not one of {', '.join(map(repr, allowed))}.")
    if scale == "none" or len(raw.tasks) == 1 or one_scale(found, raw.tasks) or not found.bounds:
        return raw, "return"
    return raw.normalized(found), "normalized score"
