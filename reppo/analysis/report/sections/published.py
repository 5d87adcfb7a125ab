"""The base beside published runs."""

from typing import Any

import numpy as np

from reppo.analysis.curves.learning_curves import LearningCurve
from reppo.analysis.curves.published import SOURCE, PublishedCurve, made_by
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study
from reppo.analysis.statistics.intervals import interval
from reppo.analysis.tables.table import Table
from reppo.results.formatting import human_count, natural_order


def section(study: Study) -> Section | None:
    """The base and published runs at the last step that both have."""
    against = [variant for variant, found in study.beside.items() if found]
    if not against:
        return None
    curves, base, beside = study.curves, study.base, study.published
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
