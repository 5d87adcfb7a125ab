"""Sensitivity, where arms are settings of hyperparameters."""

from reppo.analysis import figures
from reppo.analysis.comparisons.sensitivity import effective_dimension, sensitivity
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study, attempt
from reppo.analysis.tables.table import Table


def section(study: Study) -> Section | None:
    """Sensitivity, where arms are settings of hyperparameters, from scores on the scale of the tasks."""
    if not study.several:
        return None
    base, scaled = study.base, study.raw.normalized(study.of_tasks)
    settings = [arm for arm in scaled.arms if arm != base and arm in scaled.settings]
    if len(settings) < 2 or len(scaled.normalization.bounds) < 2:
        return None
    chosen = scaled.select(arms=settings, tasks=[task for task in scaled.tasks if task in scaled.normalization.bounds])
    found = attempt(lambda: sensitivity(chosen))
    if found is None:
        return None
    text = (
        f"Tuned per task, these {len(settings)} settings reach {found.tuned.estimate:.3f} (normalized score); the best "
        f"one for all, {found.setting}, {found.cross.estimate:.3f}."
    )
    dimension = attempt(lambda: effective_dimension(chosen))
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
        pictures=(("sensitivity", figures.plot_sensitivity({base: found})),),
        tables=(best,),
    )
