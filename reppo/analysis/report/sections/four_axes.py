"""The four axes on which algorithms are compared: sample efficiency, wall-clock, memory, robustness."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reppo.analysis import figures
from reppo.analysis.comparisons.axes import Axes, at_equal_seconds, axes
from reppo.analysis.comparisons.searches import SearchScores, TunedScores, even_counts, search_scores, tuned_scores
from reppo.analysis.curves.learning import TimeToThreshold
from reppo.analysis.figures.style import PAGE, Picture
from reppo.analysis.report.content import Section
from reppo.analysis.report.sections.learning import thresholds_in_words
from reppo.analysis.report.study import Study
from reppo.analysis.scores.arms import searches_of
from reppo.analysis.scores.from_runs import cut_offs, score_table, worst_returns
from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.intervals import Interval
from reppo.analysis.tables.table import Table
from reppo.results.formatting import human_count
from reppo.text import counted


def section(study: Study) -> Section | None:
    """The axes, where the experiment has rivals, or searches over hyperparameters."""
    if not study.searched and not any(run.record.rival for run in study.results):
        return None
    rows = axes(study.results, study.curves, study.cuts, study.thresholds)
    pictures = _pictures(rows, study)
    tables = [table for table in (_efficiency(rows, study), _equal_seconds(study), _costs(rows)) if len(table)]
    text = "Sample efficiency, wall-clock and memory of each arm on each task."
    if study.searched:
        drawn, made, words = _robustness(study)
        pictures += drawn
        tables += made
        text += words
    return Section(key="four_axes", title="Four axes", text=text, pictures=tuple(pictures), tables=tuple(tables))


def _pictures(rows: Sequence[Axes], study: Study) -> list[tuple[str, Picture]]:
    pictures = []
    if any(row.steps is not None for row in rows):
        pictures.append(("reached", figures.plot_reached(rows, study.base, highlight=study.highlight, width=PAGE)))
    if any(row.seconds is not None for row in rows):
        pictures.append(
            (
                "reached_seconds",
                figures.plot_reached(rows, study.base, x="seconds", highlight=study.highlight, width=PAGE),
            )
        )
    return pictures


def _efficiency(rows: Sequence[Axes], study: Study) -> Table:
    records = []
    for row in rows:
        steps, seconds = (_time(time) for time in (row.steps, row.seconds))
        records.append(
            {
                "task": row.task,
                "arm": row.arm,
                "area": row.area.estimate,
                "area_low": row.area.low,
                "area_high": row.area.high,
                "threshold": study.thresholds.get(row.task, math.nan),
                "reached": None if row.steps is None else int(row.steps.reached.sum()),
                "runs": None if row.steps is None else len(row.steps.reached),
                "mean_steps_to_it": steps[0],
                "steps_low": steps[1],
                "steps_high": steps[2],
                "mean_seconds_to_it": seconds[0],
                "seconds_low": seconds[1],
                "seconds_high": seconds[2],
            }
        )
    return Table.of(
        "axes",
        "Sample efficiency and wall-clock",
        records,
        tuple(records[0]) if records else (),
        kinds={"mean_steps_to_it": "steps", "reached": "count", "runs": "count"},
        intervals={
            "area": ("area_low", "area_high"),
            "mean_steps_to_it": ("steps_low", "steps_high"),
            "mean_seconds_to_it": ("seconds_low", "seconds_high"),
        },
        notes=(
            "Up to the last step at which all runs of the task were evaluated. Area: return averaged over training, "
            f"interquartile mean over seeds with its 95% interval. {thresholds_in_words(study)} Reached: runs that "
            "came to it. Mean steps and seconds, with Student's 95% intervals: a run that has not come to it counts "
            "with all of its steps or seconds, so that where some have not, the mean is too low, and a difference of "
            "means may be larger or smaller. Seconds: a run's share of its batch, training and evaluation, without "
            "compilation. Times are known up to the interval between evaluations.",
        ),
    )


def _equal_seconds(study: Study) -> Table:
    records = [
        {
            "task": row.task,
            "arm": row.arm,
            "seconds": row.seconds,
            "steps": row.steps,
            "score": row.score.estimate,
            "score_low": row.score.low,
            "score_high": row.score.high,
        }
        for row in at_equal_seconds(study.curves)
    ]
    return Table.of(
        "equal_seconds",
        "Returns at equal seconds",
        records,
        tuple(records[0]) if records else (),
        kinds={"steps": "steps"},
        intervals={"score": ("score_low", "score_high")},
        notes=(
            "After as many seconds as the run had that ended first, a run's share of its batch, training and "
            "evaluation without compilation: interquartile mean over seeds with its 95% interval, interpolated between "
            "evaluations; no score where a run was not evaluated yet since it began. Arms are here at unequal steps, "
            "those that go fast at more: to compare at more seconds, give them more.",
        ),
    )


def _time(time: TimeToThreshold | None) -> tuple[float, float, float]:
    """The restricted mean and the ends of its interval, which equal times do not tell."""
    if time is None:
        return math.nan, math.nan, math.nan
    estimate, low, high = time.restricted_mean
    return (estimate, math.nan, math.nan) if high - low <= 1e-9 * estimate else (estimate, low, high)


def _costs(rows: Sequence[Axes]) -> Table:
    records = [
        {
            "task": row.task,
            "arm": row.arm,
            "steps_per_second": row.steps_per_second,
            "compile_seconds": row.compile_seconds,
            "program_mebibytes": row.program_bytes / 2**20,
            "lanes": row.lanes or None,
        }
        for row in rows
        if not all(map(math.isnan, (row.steps_per_second, row.compile_seconds, row.program_bytes)))
    ]
    return Table.of(
        "axes_costs",
        "Speed and memory",
        records,
        tuple(records[0]) if records else (),
        kinds={"lanes": "count"},
        notes=(
            "Medians over runs. Speed: steps of all runs of a batch together, over its seconds of training and "
            "evaluation; on a GPU all lanes train together, and arms compare that have as many. Compilation: of all "
            "steps of the program, less where the cache held them. Program: arrays of the lanes that train at the "
            "same time, on a CPU one for each core, on a GPU all of them.",
        ),
    )


def _robustness(study: Study) -> tuple[list[tuple[str, Picture]], list[Table], str]:
    """How scores are distributed over the settings of searches: figures, tables, and how to read them."""
    results = [*study.results, *study.searched]
    searches = searches_of(results, study.base)
    table = score_table(results, base=study.base)
    found = search_scores(table, searches, worst_returns(results, study.base))
    if not found:
        return [], [], " No setting of a search has been evaluated yet."
    pictures = [
        ("searches", figures.plot_searches(found, study.thresholds, study.base, highlight=study.highlight, width=PAGE)),
        ("tuning", figures.plot_tuning(found, study.base, highlight=study.highlight, width=PAGE)),
    ]
    tables = [_distribution(found, study.thresholds)]
    words = " Robustness: " + "; ".join(
        f"{start} with {_numbers([len(one.scores) for one in found if one.start == start])} settings"
        for start in dict.fromkeys(one.start for one in found)
    )
    words += (
        ", each drawn from ranges of its own, which the experiment's file declares: shares are of those ranges, and "
    )
    at = {task: steps for task, steps in cut_offs(results).items() if task in {one.task for one in found}}
    places = [
        f"{human_count(steps) if steps else 'the first evaluation, before training,'} on {task}"
        for task, steps in at.items()
    ]
    words += f"of no others. All settings and defaults are compared at the same steps: {', '.join(places)}."
    scaled = _scaled(table, found, study)
    tuned = [] if scaled is None else tuned_scores(scaled, searches)
    if tuned:
        pictures.append(("tuned", figures.plot_sensitivity({one.start: one.sensitivity for one in tuned})))
        tables.append(_over_tasks(tuned))
    tables.append(_best(found))
    return pictures, tables, words


def _numbers(sizes: Sequence[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"{low}" if low == high else f"{low} to {high}"


def _distribution(found: Sequence[SearchScores], thresholds: Mapping[str, float]) -> Table:
    records, counts = [], even_counts(found)
    for one in found:
        count, threshold = counts[one.task], thresholds.get(one.task)
        above = Interval(math.nan, math.nan, math.nan) if threshold is None else one.above(threshold)
        quarters = np.quantile(one.scores, [0.25, 0.5, 0.75])
        default = float(one.default.mean()) if one.default.size else math.nan
        records.append(
            {
                "task": one.task,
                "algorithm": one.start,
                "settings": len(one.scores),
                "threshold": math.nan if threshold is None else threshold,
                "above": above.estimate,
                "above_low": above.low,
                "above_high": above.high,
                "lower_quarter": float(quarters[0]),
                "median": float(quarters[1]),
                "upper_quarter": float(quarters[2]),
                "default": default,
                "best": one.best(count),
                "best_of": count,
                "gain": one.best(count) - default,
                "luck": one.luck(count) - default,
                "diverged": one.diverged,
            }
        )
    seeds = _numbers([one.seeds for one in found])
    notes = [
        f"A setting's score is that of its {'one run' if seeds == '1' else f'{seeds} runs, on average'}; a run that "
        "diverged counts as the worst return. Above: the share of settings that score at least the threshold "
        "(Wilson's 95% interval, settings being the sample). Default: the mean of its runs. Best: of so many "
        "settings, on average over which are drawn, and as many for every algorithm of the task, so that budgets "
        "are equal. Gain: that minus the default. The best is chosen by the score it is given, so the gain is too "
        "high; luck is what it would be on average if all settings were as good as the default and scores were normal, "
        "by how the default's seeds differ: where the gain is no more, tuning is not shown to help, and half of all "
        "studies of equal settings gain more."
    ]
    broken, missing = sum(one.broken for one in found), sum(one.missing for one in found)
    if broken:
        notes.append(
            f"The simulation broke in every evaluation of {counted(broken, 'setting')}: they count as the worst return."
        )
    if missing:
        notes.append(f"Left out: {counted(missing, 'setting')} without an evaluation yet.")
    return Table.of(
        "searches",
        "Scores over settings of hyperparameters",
        records,
        tuple(records[0]),
        kinds={"above": "share", "gain": "difference", "luck": "difference"},
        intervals={"above": ("above_low", "above_high")},
        notes=notes,
    )


def _scaled(table: ScoreTable, found: Sequence[SearchScores], study: Study) -> ScoreTable | None:
    """The scores on the scale of the tasks that were searched, if there are at least two of those."""
    searched = {one.task for one in found}
    tasks = [task for task in table.tasks if task in study.of_tasks.bounds and task in searched]
    return table.normalized(study.of_tasks).select(tasks=tasks) if len(tasks) > 1 else None


def _over_tasks(tuned: Sequence[TunedScores]) -> Table:
    records = [
        {
            "algorithm": one.start,
            "settings": one.settings,
            "tasks": len(one.tasks),
            "default": one.default,
            "one_for_all": one.sensitivity.cross.estimate,
            "one_low": one.sensitivity.cross.low,
            "one_high": one.sensitivity.cross.high,
            "per_task": one.sensitivity.tuned.estimate,
            "per_task_low": one.sensitivity.tuned.low,
            "per_task_high": one.sensitivity.tuned.high,
            "sensitivity": one.sensitivity.sensitivity.estimate,
            "sensitivity_low": one.sensitivity.sensitivity.low,
            "sensitivity_high": one.sensitivity.sensitivity.high,
            "gain": one.sensitivity.tuned.estimate - one.default,
        }
        for one in tuned
    ]
    note = "Normalized scores, averaged over tasks, of settings that have one on each. One for all: the best single "
    note += "setting; per task: the best on each; sensitivity: their difference (Adkins et al. 2024). Gain: per task "
    note += "minus the default. Choosing by the score itself makes all of these too high, per task most."
    if len({one.settings for one in tuned}) > 1:
        note += " Numbers of settings differ, and the more there are the higher is the best: these do not compare."
    return Table.of(
        "tuned",
        "What tuning gains over tasks",
        records,
        tuple(records[0]),
        kinds={"gain": "difference"},
        intervals={
            "one_for_all": ("one_low", "one_high"),
            "per_task": ("per_task_low", "per_task_high"),
            "sensitivity": ("sensitivity_low", "sensitivity_high"),
        },
        notes=(note,),
    )


def _best(found: Sequence[SearchScores]) -> Table:
    records = []
    for one in found:
        place = int(one.scores.argmax())
        records.append(
            {
                "task": one.task,
                "algorithm": one.start,
                "score": float(one.scores[place]),
                "setting": one.settings[place].removeprefix(f"{one.start}+").replace("+", ", "),
            }
        )
    return Table.of("best_settings", "Best setting of each search", records, tuple(records[0]))
