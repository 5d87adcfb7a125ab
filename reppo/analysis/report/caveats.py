"""What should not be read into a report."""

import math

import numpy as np

from reppo.analysis.curves.diagnostics import has_metric, watched_metrics
from reppo.analysis.curves.published import published_caveats
from reppo.analysis.report.study import Scale, Study
from reppo.analysis.scores.caveats import caveats_of, shortened
from reppo.analysis.tables.specs import circumstances
from reppo.results.formatting import natural_order


def caveats(study: Study, scale: Scale) -> list[str]:
    """Sentences on what is weak about a study, the gravest first; empty if nothing is."""
    alone = study.table is study.raw and scale == "auto" and len(study.raw.tasks) > 1
    return [
        *(_no_scale(study) if alone else ()),
        *_untrained(study),
        *caveats_of(study.table),
        *_unfinished(study),
        *_data_lost(study),
        *_warnings(study),
        *_unwatched(study),
        *_mixed(study),
        *_published(study),
        *_swamped(study),
        *_interpolated(study),
    ]


def _no_scale(study: Study) -> list[str]:
    """Why returns are averaged as they are, where no task has a scale."""
    if study.of_tasks.bounds:
        return []
    reasons: dict[str, list[str]] = {}
    for task, reason in study.of_tasks.missing.items():
        reasons.setdefault(reason, []).append(task)
    why = "; ".join(f"{shortened(tasks)}: {reason}" for reason, tasks in reasons.items())
    return [
        f"No task has a scale ({why}), so numbers over tasks are of returns as they are. Give scales with --bounds "
        "TASK=LOW:HIGH."
    ]


def _untrained(study: Study) -> list[str]:
    """Tasks whose scores are of the untrained policy, for lack of a later evaluation that all runs have."""
    raw = study.raw
    before = np.isfinite(raw.scores) & ~raw.diverged & (raw.environment_steps == 0)
    tasks = [task for j, task in enumerate(raw.tasks) if before[:, j].any()]
    if not tasks:
        return []
    return [f"On {shortened(tasks)} scores are of the untrained policy: runs have no later evaluation in common yet."]


def _unfinished(study: Study) -> list[str]:
    results = [*study.results, *study.searched]
    count = sum(run.record.status == "running" for run in results)
    return [f"{count} of {len(results)} runs are not finished: numbers will change."] if count else []


def _mixed(study: Study) -> list[str]:
    mixed = [row["what"] for row in circumstances(study.results) if row["runs"] != "all"]
    if not mixed:
        return []
    return [
        f"Runs differ in {', '.join(dict.fromkeys(mixed))}: a pair of one seed then differs by that too, from its last "
        "digits on. It favors no arm."
    ]


def _published(study: Study) -> list[str]:
    found = []
    for variant, beside in study.beside.items():
        missing = sorted({*study.table.tasks} - {curve.environment for curve in beside}, key=natural_order)
        if missing:
            found.append(f"No curve of {variant} was published on {', '.join(missing)}.")
        if beside:
            found += [text for text in published_caveats(variant, study.table.tasks) if text not in found]
    return found


def _swamped(study: Study) -> list[str]:
    """Arms whose difference over all tasks is mostly that on one of them."""
    found, effects = [], study.effects
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
    return [f"One task makes up most of the differences over all tasks: {shortened(found, 4, 'arms')}."]


def _interpolated(study: Study) -> list[str]:
    uneven = list(dict.fromkeys(curve.environment for curve in study.curves if curve.interpolated()))
    if not uneven:
        return []
    return [
        f"Seeds were evaluated at different steps on {', '.join(uneven)}; curves interpolate each seed between its own "
        "evaluations, so that no point is of other seeds than its neighbors."
    ]


def _data_lost(study: Study) -> list[str]:
    """Runs that were continued without what they had collected, in words."""
    lost = [run.record for run in [*study.results, *study.searched] if run.record.data_lost_at]
    if not lost:
        return []
    arms = shortened(list(dict.fromkeys(record.arm for record in lost)), 4, "arms")
    return [
        f"{len(lost)} runs were stopped and went on without what they had collected, which their checkpoints do not "
        f"hold ({arms}): they collected anew before they learned on."
    ]


def _warnings(study: Study) -> list[str]:
    """What the metrics say of which an algorithm has named a share above which one should be warned."""
    found = []
    for watched in watched_metrics(study.results):
        if watched.warn_above is None:
            continue
        worst: dict[str, tuple[float, str]] = {}
        for run, recorded in zip(study.results, study.metrics, strict=True):
            shares = recorded.of(watched.metric).mean
            shares = shares[np.isfinite(shares)]
            most = max(watched.warn_above, worst.get(run.record.arm, (0.0, ""))[0])
            if shares.size and shares.mean() > most and has_metric(run.record, watched):
                worst[run.record.arm] = float(shares.mean()), run.record.environment
        if worst:
            ranked = sorted(worst.items(), key=lambda item: -item[1][0])
            shown = shortened([f"{arm} on {task} {100 * share:.0f}%" for arm, (share, task) in ranked], 4, "arms")
            found.append(f"{watched.warning}: {shown}.")
    return found


def _unwatched(study: Study) -> list[str]:
    """Runs whose records are too old to say which of their metrics to look at."""
    old = sum(
        run.record.watched is None and len(recorded.names) > 0
        for run, recorded in zip(study.results, study.metrics, strict=True)
    )
    if not old:
        return []
    return [
        f"{old} of {len(study.results)} runs are of a version whose records did not name the metrics to watch: they "
        "are in no training diagnostics, and no warning is given of them."
    ]
