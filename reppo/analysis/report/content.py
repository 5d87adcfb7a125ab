"""Everything that a report says, before it is laid out: findings, caveats, figures, tables, runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, final

import numpy as np

from reppo.analysis.comparisons.factorial import (
    agreement,
    design_of,
    factorial_effects,
    interacting_pairs,
    shapley_values,
)
from reppo.analysis.comparisons.paired import PairedEffect, compare
from reppo.analysis.comparisons.sensitivity import effective_dimension, grid_settings, sensitivity
from reppo.analysis.comparisons.summaries import (
    aggregate,
    aggregate_tasks,
    performance_profiles,
    probability_of_improvement,
)
from reppo.analysis.curves.diagnostics import WATCHED, training_diagnostics
from reppo.analysis.curves.learning import reliable_improvement, time_to_threshold
from reppo.analysis.curves.learning_curves import LearningCurve, learning_curves
from reppo.analysis.curves.published import SOURCE, PublishedCurve, made_by, published, published_caveats
from reppo.analysis.figures import (
    Picture,
    plot_aggregates,
    plot_costs,
    plot_diagnostics,
    plot_differences,
    plot_effects,
    plot_interactions,
    plot_learning_curves,
    plot_profiles,
    plot_sensitivity,
)
from reppo.analysis.figures.curves import drawn_beside
from reppo.analysis.figures.style import HIGHLIGHTED, arm_order
from reppo.analysis.report.sentences import LEVEL, Finding, base_sentence, findings, seeds_in_reach
from reppo.analysis.scores.bounds import Bounds
from reppo.analysis.scores.caveats import caveats_of, shortened
from reppo.analysis.scores.from_runs import cut_offs, score_table
from reppo.analysis.scores.scales import one_scale, scale_of
from reppo.analysis.scores.scores import Normalization, ScoreTable
from reppo.analysis.statistics.aggregates import trimmed_mean
from reppo.analysis.statistics.corrections import corrected
from reppo.analysis.statistics.intervals import interval
from reppo.analysis.statistics.over_time import area_under_curve
from reppo.analysis.tables.specs import arm_changes, circumstances, task_differences
from reppo.analysis.tables.table import Table
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results import Metrics, RunData
from reppo.results.formatting import arm_parts, human_count, natural_order

T = TypeVar("T")
Scale = Literal["auto", "none"]

SATURATED = 0.01
"""Share of value targets outside the support from which a report warns."""

LEARNED = 0.9
"""Share of the base's improvement that makes the threshold of the table of learning."""

_INTERVAL = {"estimate": ("low", "high")}

_EACH = "Intervals: Student's, 95%, each by itself, over the tasks that all arms in it have."


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Section:
    """A part of a report: words, figures and tables on one matter.

    Attributes:
        key: a word that names it in addresses and files.
        title: its heading.
        text: a paragraph on how to read it; may be empty.
        pictures: figures, each with the stem of its file name.
        tables: tables.
    """

    key: str
    title: str
    text: str = ""
    pictures: tuple[tuple[str, Picture], ...] = ()
    tables: tuple[Table, ...] = ()


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """A report, ready to be written in any format.

    Attributes:
        title: name of the experiment.
        question: what it asks.
        summary: how well the base does.
        findings: what the runs say about each arm, ranked.
        score: how the scores came about.
        caveats: what should not be read into it, the gravest first.
        sections: the rest.
        runs: every run.
        curves: for each row of `runs` its evaluations, as shares of what occurs on its task; None where there is none.
        base_spec: the resolved spec of the base on the first task, as JSON data.
    """

    title: str
    question: str
    summary: str
    findings: tuple[Finding, ...]
    score: str
    caveats: tuple[str, ...]
    sections: tuple[Section, ...]
    runs: Table
    curves: tuple[tuple[float | None, ...], ...]
    base_spec: Any

    def section(self, key: str) -> Section:
        """A part by its key.

        Raises:
            ConfigurationError: if this report has no such part.
        """
        known = {section.key: section for section in self.sections}
        if key not in known:
            raise unknown_name("section", key, known)
        return known[key]

    def table(self, name: str) -> Table:
        """A table by its name.

        Raises:
            ConfigurationError: if this report has no such table.
        """
        known = {table.name: table for section in self.sections for table in section.tables} | {"runs": self.runs}
        if name not in known:
            raise unknown_name("table", name, known)
        return known[name]

    def _repr_html_(self) -> str:
        from reppo.analysis.report.page import notebook_html

        return notebook_html(self)


def build_report(
    results: Sequence[RunData],
    *,
    title: str = "results",
    base: str = "base",
    against: Sequence[str] = (),
    scale: Scale = "auto",
    bounds: Mapping[str, Bounds] | None = None,
    questions: Mapping[str, str] | None = None,
    metrics: Sequence[Metrics] | None = None,
) -> Report:
    """Turns runs into a report.

    Args:
        results: runs of one experiment.
        title: its name.
        base: the arm with which the others are compared.
        against: variants from `published_variants()` to set beside the base.
        scale: of scores that are averaged over tasks: returns as they are (`"none"`), or `"auto"`: as they are if
            there is one task, or all have the same scale, as in the control suite; else by `scale_of`.
        bounds: the lowest and the highest return of tasks, in place of what is known of them.
        questions: what ablations ask, by their names, to be shown with the findings.
        metrics: training metrics of each run; None to read those of runs that have any.

    Raises:
        ConfigurationError: if there are no runs, none has an evaluation, or the base is not among the arms.
    """
    require(len(results) > 0, "There are no runs to report on. Run the experiment first.")
    arms = {run.record.arm for run in results}
    if base not in arms:
        raise unknown_name("arm", base, arms, "Name the arm to compare with by --base.")
    asked = questions or {}
    unequal = _unequal(results)
    raw = score_table(results, base=base, at_steps="common" if unequal else None)
    require(bool(np.isfinite(raw.scores).any()), "No run has a finite evaluation yet, so there is nothing to report.")
    of_tasks = scale_of(results, raw, bounds)
    table, unit = _scaled(raw, of_tasks, scale)
    if metrics is None:
        metrics = [run.folder.read_metrics() for run in results]
    curves = learning_curves(results, base)
    effects = compare(table)
    raw_effects = effects
    if table is not raw:  # an arm's tasks are tested after the arm over all of them, which is on the common scale
        whole = [effect for effect in effects if effect.task is None]
        raw_effects = corrected([*whole, *(effect for effect in compare(raw) if effect.task is not None)])
    several = len(table.arms) > 1
    highlight = _highlight(effects)
    base_scores = table.arm(base)
    positive = table.normalization.identity and bool((base_scores[np.isfinite(base_scores)] > 0).all())
    names = ("task_iqm", "pooled_iqm", "mean", "median")
    names += () if table.normalization.identity else ("optimality_gap",)
    shared = table.common_tasks()
    rows = aggregate(table, names) if shared else []
    by_variant = {variant: published(variant, table.tasks) for variant in against}
    with_published = [curve for found in by_variant.values() for curve in found]
    shown = [variant for variant, found in by_variant.items() if found]
    sections = [
        _effects_section(effects, table, unit) if several else None,
        _aggregates_section(rows, table, unit, base, highlight) if shared else None,
        _curves_section(curves, base, highlight, with_published),
        _published_section(curves, base, with_published, shown) if shown else None,
        _tasks_section(raw, raw_effects),
        _learning_section(curves, base, cut_offs(results)),
        _design_section(table, unit) if several else None,
        _grid_section(raw.normalized(of_tasks), base) if several else None,
        _diagnostics_section(results, metrics, base, highlight),
        _costs_section(results, base),
        _specs_section(results, base),
    ]
    runs, shapes = _runs(results, metrics, curves, base)
    where = f"{len(table.tasks)} tasks" if len(table.tasks) > 1 else "".join(table.tasks)
    if several:
        others = f"{len(table.arms) - 1} arms" if len(table.arms) > 2 else "".join(table.arms[1:])
        question = f"What do {others} change on {where}, compared with {base} seed by seed?"
        question = question if len(table.arms) > 2 else question.replace("What do", "What does", 1)
    else:
        question = f"How well does {base} learn {where}?"
    own = table.select(arms=(base,))
    lead = aggregate(own, ("pooled_iqm",)) if own.common_tasks() else []
    first = next(run.record for run in results if run.record.arm == base)
    return Report(
        title=title,
        question=question,
        summary=base_sentence(lead, base, unit, own.common_tasks()),
        findings=tuple(
            replace(one, question=" ".join(asked[name] for name in table.ablations.get(one.arm, ()) if name in asked))
            for one in findings(effects, positive, unit)
        ),
        score=f"{table.describe()}{_budget(raw, unequal)} {_repeatability(results, several)}",
        caveats=tuple(
            [
                *(_no_scale(of_tasks) if table is raw and scale == "auto" and len(raw.tasks) > 1 else ()),
                *_untrained(raw),
                *_caveats(table, results, metrics, by_variant),
                *_swamped(effects),
                *_interpolated(curves),
            ]
        ),
        sections=tuple(section for section in sections if section is not None),
        runs=runs,
        curves=shapes,
        base_spec=first.spec,
    )


def _repeatability(results: Sequence[RunData], several: bool) -> str:
    """Whether the same seed gives the same numbers on the devices in use, and what a pair then shares."""
    devices = {
        run.record.device or run.record.backend or "a device that was not recorded"
        for run in results
        if run.record.backend != "cpu"
    }
    if not devices:
        text = "On a CPU the same seed gives the same numbers, with the same versions, width and kind of machine"
        return f"{text}, so a pair shares everything that the arm does not change." if several else f"{text}."
    text = f"Whether the same seed gives the same numbers is not established on {', '.join(sorted(devices))}"
    if several:
        text += (
            "; where it does not, a pair shares starts, initial weights and episodes, but not the noise of the device, "
            "and pairing is worth less"
        )
    return f"{text}."


def _unequal(results: Sequence[RunData]) -> bool:
    """Whether runs of a task that have not diverged have come unequally far."""
    ends: dict[str, set[int]] = {}
    for run in results:
        if run.record.status != "diverged" and len(run.evaluations.environment_steps):
            ends.setdefault(run.record.environment, set()).add(int(run.evaluations.environment_steps[-1]))
    return any(len(steps) > 1 for steps in ends.values())


def _budget(table: ScoreTable, unequal: bool) -> str:
    steps = table.environment_steps[np.isfinite(table.scores) & ~table.diverged]
    if not steps.size:
        return ""
    low, high = human_count(int(steps.min())), human_count(int(steps.max()))
    span = low if low == high else f"{low} to {high}"
    if unequal:
        return f" Runs have come unequally far; each task is compared at the last step that all have reached ({span})."
    return f" Runs went on for {span} steps."


def _scaled(raw: ScoreTable, found: Normalization, scale: Scale) -> tuple[ScoreTable, str]:
    """The scores on the scale that numbers over tasks are on, and what such a score is called."""
    allowed = ("auto", "none")
    require(scale in allowed, f"scale={scale!r} is not one of {', '.join(map(repr, allowed))}.")
    if scale == "none" or len(raw.tasks) == 1 or one_scale(found, raw.tasks) or not found.bounds:
        return raw, "return"
    return raw.normalized(found), "normalized score"


def _no_scale(of_tasks: Normalization) -> list[str]:
    """Why returns are averaged as they are, where no task has a scale."""
    if of_tasks.bounds:
        return []
    reasons: dict[str, list[str]] = {}
    for task, reason in of_tasks.missing.items():
        reasons.setdefault(reason, []).append(task)
    why = "; ".join(f"{shortened(tasks)}: {reason}" for reason, tasks in reasons.items())
    return [
        f"No task has a scale ({why}), so numbers over tasks are of returns as they are. Give scales with --bounds "
        "TASK=LOW:HIGH."
    ]


def _untrained(raw: ScoreTable) -> list[str]:
    """Tasks whose scores are of the untrained policy, for lack of a later evaluation that all runs have."""
    before = np.isfinite(raw.scores) & ~raw.diverged & (raw.environment_steps == 0)
    tasks = [task for j, task in enumerate(raw.tasks) if before[:, j].any()]
    if not tasks:
        return []
    return [f"On {shortened(tasks)} scores are of the untrained policy: a run there has come no further yet."]


def _highlight(effects: Sequence[PairedEffect]) -> list[str]:
    """The arms that differ most from the base, whose curves are drawn in color."""
    whole = [e for e in effects if e.task is None and math.isfinite(e.estimate)]
    return [e.arm for e in sorted(whole, key=lambda e: -abs(e.estimate))][:HIGHLIGHTED]


def _caveats(
    table: ScoreTable,
    results: Sequence[RunData],
    metrics: Sequence[Metrics],
    by_variant: Mapping[str, Sequence[PublishedCurve]],
) -> list[str]:
    found = caveats_of(table)
    open_runs = sum(run.record.status == "running" for run in results)
    if open_runs:
        found.append(f"{open_runs} of {len(results)} runs are not finished: numbers will change.")
    found += _saturation(results, metrics)
    mixed = [row["what"] for row in circumstances(results) if row["runs"] != "all"]
    if mixed:
        found.append(
            f"Runs differ in {', '.join(dict.fromkeys(mixed))}; their last digits do not compare, and more may not."
        )
    for variant, beside in by_variant.items():
        missing = sorted({*table.tasks} - {curve.environment for curve in beside}, key=natural_order)
        if missing:
            found.append(f"No curve of {variant} was published on {', '.join(missing)}.")
        if beside:
            found += [text for text in published_caveats(variant, table.tasks) if text not in found]
    return found


def _swamped(effects: Sequence[PairedEffect]) -> list[str]:
    """Arms whose difference over all tasks is mostly that on one of them."""
    found = []
    for whole in (e for e in effects if e.task is None and e.tasks > 2):
        parts = {
            e.task: abs(e.estimate) for e in effects if e.arm == whole.arm and e.task and math.isfinite(e.estimate)
        }
        total = sum(parts.values())
        task = max(parts, key=lambda name: parts[name])
        if total > 0 and parts[task] / total > max(0.5, 2 / len(parts)):
            found.append(f"{whole.arm} on {task} {100 * parts[task] / total:.0f}%")
    if not found:
        return []
    more = f" and {len(found) - 4} more arms" if len(found) > 4 else ""
    return [f"One task makes up most of the differences over all tasks: {', '.join(found[:4])}{more}."]


def _interpolated(curves: Sequence[LearningCurve]) -> list[str]:
    uneven = list(dict.fromkeys(curve.environment for curve in curves if curve.interpolated()))
    if not uneven:
        return []
    return [
        f"Seeds were evaluated at different steps on {', '.join(uneven)}; curves interpolate each seed between its own "
        "evaluations, so that no point is of other seeds than its neighbors."
    ]


def _saturation(results: Sequence[RunData], metrics: Sequence[Metrics]) -> list[str]:
    worst: dict[str, tuple[float, str]] = {}
    for run, recorded in zip(results, metrics, strict=True):
        outside = recorded.of("targets/outside_support").mean
        outside = outside[np.isfinite(outside)]
        if outside.size and outside.mean() > max(SATURATED, worst.get(run.record.arm, (0.0, ""))[0]):
            worst[run.record.arm] = float(outside.mean()), run.record.environment
    if not worst:
        return []
    ranked = sorted(worst.items(), key=lambda item: -item[1][0])
    shown = ", ".join(f"{arm} on {task} {100 * share:.0f}%" for arm, (share, task) in ranked[:4])
    more = f" and {len(ranked) - 4} more arms" if len(ranked) > 4 else ""
    return [f"Value targets lay outside the support, where the critic cannot follow them: {shown}{more}."]


def _effects_section(effects: Sequence[PairedEffect], table: ScoreTable, unit: str) -> Section:
    whole = sorted(
        (effect for effect in effects if effect.task is None),
        key=lambda effect: effect.estimate if math.isfinite(effect.estimate) else math.inf,
    )
    better = {(row.arm, row.task): row for row in probability_of_improvement(table, paired=False)}
    records = []
    for effect in whole:
        row = better.get((effect.arm, None))
        chance = math.nan if row is None else row.estimate
        records.append({**_asdict(effect), "chance_to_beat_base": chance})
    columns = (
        "arm", "estimate", "low", "high", "p_holm", "smallest_p_holm", "p", "p_signs", "standardized",
        "chance_to_beat_base", "wins", "ties", "losses", "tasks", "pairs",
    )  # fmt: skip
    summary = Table.of(
        "effects",
        f"Difference in {unit} from {table.base}, over all tasks",
        records,
        columns,
        kinds={
            "estimate": "difference",
            **dict.fromkeys(("p", "p_holm", "smallest_p_holm", "p_signs"), "p"),
            "chance_to_beat_base": "share",
        },
        intervals=_INTERVAL,
        notes=(
            f"Scale: {table.normalization.describe()}. Estimate: mean over tasks and seeds of the arm minus the base "
            "of the same seed. Its 95% interval is that of the test by itself: it leaves out 0 where p is below 0.05, "
            "and is missing where so few pairs bound nothing. p: two-sided sign-flip test of the mean over pairs; p "
            "(Holm): corrected over the arms, which decides; smallest p (Holm): what so many pairs can attain there. "
            "The test is exact where an arm that changes nothing could be exchanged with the base. An arm that fails "
            "rarely and gains a little elsewhere may have the same mean and be called better all the same: in a third "
            "of cases if it fails one run in ten and there are 10 seeds. p (signs): whether it wins as many pairs as "
            "it loses, true for any shape. Standardized: over the standard deviation of differences. Chance to beat "
            "the base: that any run of the arm scores higher than any run of the base on the same task. Wins and "
            "losses: pairs.",
        ),
    )
    pictures = []
    if any(math.isfinite(effect.estimate) for effect in whole):
        pictures.append(("effects", plot_effects(effects, unit=unit)))
    return Section(
        key="effects",
        title="Effects",
        text="Each arm minus the base with the same seed. Bars are 95% intervals of each arm by itself, small strokes "
        "the tasks; marks are filled where the p value, corrected over the arms, is below 0.05. " + _pairing(table),
        pictures=tuple(pictures),
        tables=(summary,),
    )


def _asdict(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _aggregates_section(
    rows: Sequence[Any], table: ScoreTable, unit: str, base: str, highlight: Sequence[str]
) -> Section:
    profiles = performance_profiles(table, resamples=500)
    methods = ", ".join(dict.fromkeys(f"{row.method}" for row in rows))
    own = Table.of(
        "aggregates",
        f"Aggregates of the {unit} over tasks",
        rows,
        ("arm", "aggregate", "estimate", "low", "high", "tasks", "runs", "fewest_runs", "method"),
        intervals=_INTERVAL,
        notes=(
            "task_iqm: interquartile mean over tasks of that over runs; pooled_iqm: interquartile mean of all runs. "
            f"Intervals: 95%, over runs within tasks ({methods}); missing where a task has a single run, or where two "
            "runs of a task are all that task_iqm keeps.",
        ),
    )
    return Section(
        key="aggregates",
        title="Aggregates",
        text="Over the tasks that all arms have. The profile shows for each score how many runs are above it.",
        pictures=(
            ("aggregates", plot_aggregates(rows, base, unit)),
            ("profiles", plot_profiles(profiles, base, highlight=highlight, unit=unit)),
        ),
        tables=(own,),
    )


def _curves_section(
    curves: Sequence[LearningCurve],
    base: str,
    highlight: Sequence[str],
    beside: Sequence[PublishedCurve],
) -> Section:
    pictures = [("learning_curves", plot_learning_curves(curves, base, against=beside, highlight=highlight))]
    clocks = [curve.seconds for curve in curves if np.isfinite(curve.seconds).any()]
    if any(np.nanmax(clock) > 0 for clock in clocks):
        pictures.append(
            ("learning_curves_seconds", plot_learning_curves(curves, base, x="seconds", highlight=highlight))
        )
    text = "Interquartile mean over seeds with its 95% interval. Lines are faint beyond the point that every seed has "
    text += "reached; where more than eight arms share a panel, bands are left out, and the arms that differ most are "
    text += "colored."
    drawn = list(dict.fromkeys(curve.variant for curve in drawn_beside(beside, curves)))
    if drawn:
        text += f" Dashed gray: {', '.join(drawn)}, as published; not paired with these runs."
    return Section(key="curves", title="Learning curves", text=text, pictures=tuple(pictures))


def _published_section(
    curves: Sequence[LearningCurve], base: str, beside: Sequence[PublishedCurve], against: Sequence[str]
) -> Section:
    own = {curve.environment: curve for curve in curves if curve.arm == base}
    notes = [f"{variant}: {made_by(variant)}; {SOURCE}." for variant in against]
    records = []
    for other in beside:
        row = compare_with_published(own.get(other.environment), other)
        if isinstance(row, str):
            notes.append(f"{other.variant}, not comparable: {other.environment} {row}.")
        else:
            records.append(row)
    for variant in against:
        published_on = {curve.environment for curve in beside if curve.variant == variant}
        left = sorted(set(own) - published_on, key=natural_order)
        if left:
            notes.append(f"{variant}, not comparable: nothing was published on {', '.join(left)}.")
    table = Table.of(
        "published",
        f"{base} and published runs at equal environment steps (unpaired)",
        records,
        (
            "task", "variant", "environment_steps", "estimate", "low", "high", "published", "published_low",
            "published_high", "difference", "runs", "published_runs",
        ),
        kinds={"difference": "difference", "environment_steps": "steps"},
        intervals={"estimate": ("low", "high"), "published": ("published_low", "published_high")},
        notes=notes,
    )  # fmt: skip
    if not records:
        return Section(key="published", title="Beside published runs", text=" ".join(notes))
    text = (
        "Interquartile means of the return at the last step that both have. The published runs are unpaired, so there "
        "is no test of the difference. What diverged counts as in every other number here."
    )
    return Section(key="published", title="Beside published runs", text=text, tables=(table,))


def compare_with_published(own: LearningCurve | None, other: PublishedCurve) -> dict[str, Any] | str:
    """One's own curve and a published one at the last step that both have, or why there is none.

    Args:
        own: the curve of an arm. Runs without any evaluation are left out; one that diverged counts as the worst
            return.
        other: the published one.

    Returns:
        Interquartile means with 95% intervals of both, their difference, and the numbers of runs; or a reason in words.
    """
    if own is None:
        return "was not run"
    if not len(other.environment_steps):
        return "has a published curve without evaluations"
    returns, common = own.completed(), own.common_steps()
    if not common.size:
        return "has no step yet at which every run has an evaluation"
    clock = own.environment_steps[common].astype(np.float64)
    steps = float(min(clock[-1], other.environment_steps[-1]))
    found = other.at(steps)
    if found is None:
        first = human_count(int(other.environment_steps[0]))
        return f"has come to {human_count(int(clock[-1]))} steps, and its first published evaluation is at {first}"
    if steps < clock[0]:
        return f"has its first evaluation at {human_count(int(clock[0]))} steps, after the last published one"
    evaluated = returns[np.isfinite(returns).any(axis=1)][:, common]
    value = np.array([np.interp(steps, clock, row) for row in evaluated])
    found_own = interval(value[None])
    low, high = np.clip((found_own.low, found_own.high), *own.limits)
    return {
        "task": other.environment,
        "variant": other.variant,
        "environment_steps": int(steps),
        "estimate": found_own.estimate,
        "low": float(low),
        "high": float(high),
        "published": found[0],
        "published_low": found[1],
        "published_high": found[2],
        "difference": found_own.estimate - found[0],
        "runs": len(value),
        "published_runs": other.runs,
    }


def _tasks_section(raw: ScoreTable, effects: Sequence[PairedEffect]) -> Section:
    scores = {(row.arm, row.task): row for row in aggregate_tasks(raw)}
    paired = {(effect.arm, effect.task): effect for effect in effects}
    records = []
    for task in raw.tasks:
        for arm in raw.arms:
            row, effect = scores.get((arm, task)), paired.get((arm, task))
            if row is None:
                continue
            records.append(
                {
                    "task": task,
                    "arm": arm,
                    "iqm": row.estimate,
                    "low": row.low,
                    "high": row.high,
                    "difference": math.nan if effect is None else effect.estimate,
                    "difference_low": math.nan if effect is None else effect.low,
                    "difference_high": math.nan if effect is None else effect.high,
                    "p_holm": math.nan if effect is None else effect.p_holm,
                    "runs": row.runs,
                    "diverged": int(raw.diverged[raw.arm_index(arm), raw.tasks.index(task)].sum()),
                }
            )
    table = Table.of(
        "tasks",
        "Return on each task, and the difference from the base",
        records,
        (
            "task", "arm", "iqm", "low", "high", "difference", "difference_low", "difference_high", "p_holm", "runs",
            "diverged",
        ),
        kinds={"difference": "difference", "p_holm": "p"},
        intervals={"iqm": ("low", "high"), "difference": ("difference_low", "difference_high")},
        notes=(
            "IQM: interquartile mean over seeds. Difference: mean over seeds of the arm minus the base, with the "
            "interval of its test by itself. Arms are tested first: p is corrected over the tasks of an arm, and is at "
            "least that of the arm over all tasks." + _tasks_out_of_reach(effects),
        ),
    )  # fmt: skip
    known = any(e.task is not None and math.isfinite(e.estimate) for e in effects)
    pictures = (("differences", plot_differences(effects, unit="return")),) if known else ()
    return Section(
        key="tasks",
        title="Task by task",
        text="Color: the difference as a share of the largest on the task. Bold: corrected p below 0.05."
        if known
        else "",
        pictures=pictures,
        tables=(table,),
    )


def _tasks_out_of_reach(effects: Sequence[PairedEffect]) -> str:
    """Says so where no difference on a single task can be shown, and with how many seeds it could."""
    parts = [effect for effect in effects if effect.task is not None and effect.pairs]
    if not parts or min(effect.smallest_p_holm for effect in parts) < LEVEL:
        return ""
    most = max(parts, key=lambda effect: effect.differing)
    arms = [effect for effect in effects if effect.task is None and effect.pairs]
    tasks = next((effect.tasks for effect in arms if effect.arm == most.arm), 0)
    needed = seeds_in_reach(sum(effect.arm == most.arm for effect in parts), 1)
    if tasks:  # the arm over all tasks is tested first
        needed = max(needed, seeds_in_reach(len(arms), tasks))
    differing = f"{most.differing} pair{' that differs' if most.differing == 1 else 's that differ'}"
    return (
        f" On no single task can a difference be shown: at most {differing} give no p value below "
        f"{min(effect.smallest_p_holm for effect in parts):.2g} there; {needed} seeds could, if all pairs differ."
    )


def _pairing(table: ScoreTable) -> str:
    """What pairing by seed was worth in these runs: how much less differences of the same seed vary."""
    base = table.scores[0]
    paired = apart = 0.0
    pairs = 0
    for own in table.scores[1:]:
        both = np.isfinite(own) & np.isfinite(base)
        for j in np.flatnonzero(both.sum(axis=1) >= 2):
            a, b = own[j, both[j]], base[j, both[j]]
            paired += float(np.var(a - b, ddof=1))
            apart += float(np.var(a, ddof=1) + np.var(b, ddof=1))
            pairs += int(both[j].sum())
    if apart == 0:
        return ""
    share = 100 * (1 - paired / apart)
    return (
        f"In these {pairs} pairs, the variance of differences between runs of the same seed is {abs(share):.0f}% "
        f"{'lower' if share >= 0 else 'higher'} than of different seeds."
    )


def _learning_section(curves: Sequence[LearningCurve], base: str, cuts: Mapping[str, int]) -> Section | None:
    records = []
    for environment, steps in cuts.items():
        own = [curve.until(steps) for curve in curves if curve.environment == environment]
        own = [curve for curve in own if np.isfinite(curve.returns).any()]
        reference = next((curve for curve in own if curve.arm == base), None)
        threshold = None if reference is None else _threshold(reference)
        if threshold is None:
            continue
        for curve in own:
            speed = time_to_threshold(curve, threshold, horizon=float(steps))
            reliable = reliable_improvement(curve, threshold)
            ends = speed.restricted_mean.low, speed.restricted_mean.high
            if ends[0] == ends[1]:  # equal times, as where no run has reached it, tell nothing of their spread
                ends = (math.nan, math.nan)
            records.append(
                {
                    "task": environment,
                    "arm": curve.arm,
                    "threshold": threshold,
                    "mean_steps_to_it": speed.restricted_mean.estimate,
                    "low": ends[0],
                    "high": ends[1],
                    "reached": int(speed.reached.sum()),
                    "runs": len(speed.reached),
                    "reliable": reliable.final.estimate,
                    "reliable_low": reliable.final.low,
                    "reliable_high": reliable.final.high,
                    "falls": int(reliable.falls.sum()),
                    "area": _area(curve),
                }
            )
    if not records:
        return None
    table = Table.of(
        "learning",
        "How fast and how reliably arms learn",
        records,
        (
            "task", "arm", "threshold", "mean_steps_to_it", "low", "high", "reached", "runs", "reliable",
            "reliable_low", "reliable_high", "falls", "area",
        ),
        kinds={"reliable": "share", "mean_steps_to_it": "steps"},
        intervals={"mean_steps_to_it": ("low", "high"), "reliable": ("reliable_low", "reliable_high")},
        notes=(
            f"Up to the last step that all runs of the task have reached. Threshold: {LEARNED:.0%} of the way from the "
            "base's first evaluation to its last; a task on which the base gained no more than its seeds differ is "
            "left out. Mean steps: with Student's 95% interval, missing where all times are equal. A run that never "
            "reaches the threshold counts with the last step: where some did not, the mean is too low, and a "
            "difference of means may be larger or smaller. Reliable: the share of runs that reach it and never fall "
            "below it after that (Wilson's interval); falls: how often runs fell, all together. Area: return averaged "
            "over training, interquartile mean over seeds.",
        ),
    )  # fmt: skip
    return Section(key="learning", title="Speed and reliability", tables=(table,))


def _threshold(curve: LearningCurve) -> float | None:
    common = curve.common_steps()
    returns = curve.completed()
    known = returns[np.isfinite(returns).any(axis=1)][:, common]
    line = np.asarray(trimmed_mean(known.T))
    if len(line) < 2 or line[-1] <= line[0]:
        return None
    if len(known) > 1 and line[-1] - line[0] < known[:, -1].std(ddof=1):
        return None  # as for a scale: a threshold of noise
    return float(line[0] + LEARNED * (line[-1] - line[0]))


def _area(curve: LearningCurve) -> float:
    values = []
    for row in curve.completed():
        known = np.isfinite(row)
        if known.any():
            values.append(float(area_under_curve(curve.environment_steps[known].astype(np.float64), row[known])))
    return float(trimmed_mean(np.array(values))) if values else math.nan


def _design_section(table: ScoreTable, unit: str) -> Section | None:
    """Main effects, interactions and Shapley values, where the arms make a design of more than one component each."""
    pairs = interacting_pairs(table)
    components = sorted({name for pair in pairs for name in pair}, key=natural_order)
    design = design_of(table, components)
    table = table.select(arms=design.arms)
    if not pairs or not table.common_tasks():
        return None
    pictures = (("interactions", plot_interactions(table, pairs[:12], unit=unit)),)
    tables = []
    made = _attempt(lambda: factorial_effects(table, design))
    if made:
        records = [
            {**_asdict(effect), "term": " x ".join(effect.term), "aliases": ", ".join(effect.aliases) or "none"}
            for effect in made
        ]
        tables.append(
            Table.of(
                "factorial",
                f"Main effects and interactions ({unit})",
                records,
                ("term", "estimate", "low", "high", "aliases"),
                kinds={"estimate": "difference"},
                intervals=_INTERVAL,
                notes=(
                    "Estimate: mean score with the component minus without; of an interaction, half of what one's "
                    f"effect is larger with the other. Aliases cannot be told apart from it. {_EACH}",
                ),
            )
        )
    values = _attempt(lambda: shapley_values(table, design)) if design.complete else None
    if values:
        tables.append(
            Table.of(
                "shapley",
                f"Shares of the components in the difference between all and none ({unit})",
                values,
                ("component", "estimate", "low", "high"),
                kinds={"estimate": "difference"},
                intervals=_INTERVAL,
                notes=(f"Shapley values: mean contribution over all orders of adding components. {_EACH}",),
            )
        )
    agreed = _attempt(lambda: agreement(table, design))
    if agreed and agreed.components:
        records = [
            {
                "component": name,
                **{
                    key: value
                    for column, found in (("left_out", out), ("added_in", into), ("difference", gap))
                    for key, value in zip((column, f"{column}_low", f"{column}_high"), found, strict=True)
                },
            }
            for name, out, into, gap in zip(
                agreed.components, agreed.leave_one_out, agreed.add_one_in, agreed.difference, strict=True
            )
        ]
        kinds: Any = dict.fromkeys(("left_out", "added_in", "difference"), "difference")
        tables.append(
            Table.of(
                "agreement",
                "Leaving a component out of the full algorithm, and adding it to the bare one",
                records,
                ("component", *(f"{name}{end}" for name in kinds for end in ("", "_low", "_high"))),
                kinds=kinds,
                intervals={name: (f"{name}_low", f"{name}_high") for name in kinds},
                notes=(
                    f"Above 0: the score is higher with the component. The signs of both estimates agree for "
                    f"{agreed.same_sign:.0%} of the components; without interactions both are equal but for the "
                    f"seeds. {_EACH}",
                ),
            )
        )
    text = (
        "Means with 95% intervals of each arm by itself. Lines that are parallel do not interact: what one ablation "
        "does is then the same with the other; lines of few seeds are never quite parallel."
    )
    return Section(key="design", title="Interactions", text=text, pictures=pictures, tables=tuple(tables))


def _grid_section(scaled: ScoreTable, base: str) -> Section | None:
    """Sensitivity, where arms are settings of hyperparameters, from scores on the scale of the tasks."""
    settings = [arm for arm in scaled.arms if arm != base and all("=" in part for part in arm_parts(arm))]
    if len(settings) < 2 or len(scaled.normalization.bounds) < 2:
        return None
    chosen = scaled.select(arms=settings, tasks=[task for task in scaled.tasks if task in scaled.normalization.bounds])
    found = _attempt(lambda: sensitivity(chosen))
    if found is None:
        return None
    text = (
        f"Tuned per task, these {len(settings)} settings reach {found.tuned.estimate:.3f} (normalized score); the best "
        f"one for all, {found.setting}, {found.cross.estimate:.3f}."
    )
    dimension = _attempt(lambda: effective_dimension(chosen, grid_settings(settings)))
    if dimension is not None:
        which = ", ".join(dimension.hyperparameters) or "none of them"
        text += f" Tuning {which} per task is enough for {dimension.target:.0%} of it."
    best = Table.of(
        "settings",
        "Best setting of each task",
        [{"task": task, "setting": setting} for task, setting in found.setting_per_task.items()],
        ("task", "setting"),
    )
    return Section(
        key="sensitivity",
        title="Sensitivity to hyperparameters",
        text=text,
        pictures=(("sensitivity", plot_sensitivity({base: found})),),
        tables=(best,),
    )


def _attempt(make: Callable[[], T]) -> T | None:
    """What an analysis gives that not every experiment can support."""
    try:
        return make()
    except ConfigurationError:
        return None


def _diagnostics_section(
    results: Sequence[RunData], metrics: Sequence[Metrics], base: str, highlight: Sequence[str]
) -> Section | None:
    found = training_diagnostics(results, metrics, base)
    if not found:
        return None
    records = [
        {
            "arm": arm,
            "metric": one.metric,
            "median": float(one.median[-1]),
            "low": float(one.low[-1]),
            "high": float(one.high[-1]),
        }
        for arm, own in found.items()
        for one in own
    ]
    table = Table.of(
        "diagnostics",
        "Diagnostics at the end of training",
        records,
        ("arm", "metric", "median", "low", "high"),
        intervals={"median": ("low", "high")},
        notes=("Median over runs, and the middle 80% of them.",),
    )
    return Section(
        key="diagnostics",
        title="Training diagnostics",
        text="Median over all runs of an arm, with the middle 80%. Dotted red: the bound, where the spec has one.",
        pictures=(("diagnostics", plot_diagnostics(found, base, highlight=highlight)),),
        tables=(table,),
    )


def _costs_section(results: Sequence[RunData], base: str) -> Section | None:
    records = []
    for arm in dict.fromkeys(run.record.arm for run in results):
        own = [run.record for run in results if run.record.arm == arm]

        def middle(name: str, own: Sequence[Any] = own) -> float:
            values = [value for record in own if (value := getattr(record, name)) is not None]
            return float(np.median(values)) if values else math.nan

        records.append(
            {
                "arm": arm,
                "steps_per_second": middle("steps_per_second"),
                "train_seconds": middle("train_seconds"),
                "compile_seconds": middle("compile_seconds"),
                "program_mebibytes": middle("program_bytes") / 2**20,
                "runs": len(own),
            }
        )
    records.sort(key=lambda row: (row["arm"] != base, natural_order(row["arm"])))
    if all(math.isnan(row["steps_per_second"]) for row in records):
        return None
    table = Table.of(
        "costs",
        "What runs cost",
        records,
        tuple(records[0]),
        notes=(
            "Medians over runs on all tasks. Speed and time are those of a batch: all of its runs together, training "
            "and evaluation. Program: memory of the arrays of the runs that train at the same time, on all devices.",
        ),
    )
    return Section(
        key="costs", title="Time and memory", pictures=(("costs", plot_costs(results, base)),), tables=(table,)
    )


def _specs_section(results: Sequence[RunData], base: str) -> Section:
    tables = []
    changed, varying, around = arm_changes(results, base), task_differences(results, base), circumstances(results)
    if changed:
        tables.append(
            Table.of("changes", "What the arms change in the base", changed, ("arm", "path", "base", "arm's", "on"))
        )
    if varying:
        tables.append(
            Table.of("base_by_task", "Where the base differs between tasks", varying, ("path", "value", "on"))
        )
    if around:
        tables.append(Table.of("versions", "Versions and machines", around, ("what", "value", "runs")))
    lost = [run for run in results if run.record.status != "finished"]
    if lost:
        records = [
            {
                "arm": run.record.arm,
                "task": run.record.environment,
                "seed": run.record.seed,
                "status": run.record.status,
                "at_steps": run.record.diverged_at if run.record.status == "diverged" else run.record.environment_steps,
                "last_return": run.evaluations.final_return(),
                "first_not_finite": run.record.diverged_by or "",
            }
            for run in lost
        ]
        tables.insert(0, Table.of("failures", "Runs that diverged or are not finished", records, tuple(records[0])))
    return Section(key="specs", title="What was run", tables=tuple(tables))


def _runs(
    results: Sequence[RunData], metrics: Sequence[Metrics], curves: Sequence[LearningCurve], base: str
) -> tuple[Table, tuple[tuple[float | None, ...], ...]]:
    """Every run with its outcome, and the shape of its curve."""
    spans: dict[str, tuple[float, float]] = {}
    for curve in curves:
        values = curve.returns[np.isfinite(curve.returns)]
        if values.size:
            low, high = spans.get(curve.environment, (math.inf, -math.inf))
            spans[curve.environment] = min(low, float(values.min())), max(high, float(values.max()))
    records, shapes = [], []
    order = {arm: i for i, arm in enumerate(arm_order([curve.arm for curve in curves], base))}
    paired = sorted(
        zip(results, metrics, strict=True),
        key=lambda pair: (order[pair[0].record.arm], natural_order(pair[0].record.environment), pair[0].record.seed),
    )
    for run, recorded in paired:
        record = run.record
        steps, means = run.evaluations.curve()
        finite = means[np.isfinite(means)]
        last = {name: value for name, value in zip(recorded.names, recorded.mean, strict=True)}
        records.append(
            {
                "arm": record.arm,
                "task": record.environment,
                "seed": record.seed,
                "status": record.status,
                "environment_steps": record.environment_steps,
                "final_return": float(finite[-1]) if finite.size else math.nan,
                "best_return": float(finite.max()) if finite.size else math.nan,
                "train_seconds": record.train_seconds,
                "steps_per_second": record.steps_per_second,
                "run_id": record.run_id,
                **{watched.metric: float(last.get(watched.metric, math.nan)) for watched in WATCHED},
            }
        )
        low, high = spans.get(record.environment, (0.0, 1.0))
        width = high - low if high > low else 1.0
        shapes.append(tuple(float((v - low) / width) if math.isfinite(v) else None for v in means))
    table = Table.of("runs", "Runs", records, tuple(records[0]), kinds={"seed": "count"})
    return replace(table, notes=("Metrics are those of the last report.",)), tuple(shapes)
