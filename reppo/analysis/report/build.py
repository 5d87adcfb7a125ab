"""From runs to a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reppo.analysis.curves.published import parse_against
from reppo.analysis.report import answer
from reppo.analysis.report.caveats import caveats
from reppo.analysis.report.content import Report
from reppo.analysis.report.findings import findings
from reppo.analysis.report.sections import SECTIONS
from reppo.analysis.report.sections.runs import runs_with_curves
from reppo.analysis.report.study import Scale, study_of
from reppo.analysis.scores.bounds import Bounds
from reppo.results import Metrics, ResultsFolder, RunData, load_results


def build_report(
    results: Sequence[RunData],
    *,
    title: str = "results",
    base: str = "base",
    against: Sequence[str] = (),
    scale: Scale = "auto",
    bounds: Mapping[str, Bounds] | None = None,
    questions: Mapping[str, str] | None = None,
    thresholds: Mapping[str, float] | None = None,
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
        thresholds: by task the return that counts as learned, as it was declared; others follow from the base's curve.
        metrics: training metrics of each run; None to read those of runs that have any.

    Raises:
        ConfigurationError: if there are no runs, none has an evaluation, or the base is not among the arms.
    """
    study = study_of(results, metrics, base=base, against=against, scale=scale, bounds=bounds, thresholds=thresholds)
    ablations, asked = study.table.ablations, questions or {}
    runs, curves = runs_with_curves(study)
    return Report(
        title=title,
        question=answer.question(study),
        summary=answer.summary(study),
        findings=tuple(
            replace(
                one, question=" ".join(asked[name] for name in (ablations.get(one.arm) or (one.arm,)) if name in asked)
            )
            for one in findings(study.effects, study.positive, study.unit)
        ),
        score=answer.score(study),
        caveats=tuple(caveats(study, scale)),
        sections=tuple(section for make in SECTIONS if (section := make(study)) is not None),
        runs=runs,
        curves=curves,
        base_spec=next(run.record for run in study.results if run.record.arm == base).spec,
    )


def load_report(
    path: str | Path,
    *,
    base: str = "base",
    against: Sequence[str] = (),
    scale: Scale = "auto",
    bounds: Mapping[str, Bounds] | None = None,
) -> Report:
    """Reads the folder of an experiment and builds its report.

    Args:
        path: the folder of an experiment.
        base: the arm with which the others are compared.
        against: what to set beside the base, as `published:VARIANT`.
        scale: of scores; see `build_report`.
        bounds: of tasks; see `build_report`.

    Raises:
        ConfigurationError: if the folder cannot be read or holds nothing to report on.
    """
    variants = [parse_against(text) for text in against]
    described = ResultsFolder.open(path).read_experiment()
    return build_report(
        load_results(path),
        title=described["name"],
        base=base,
        against=variants,
        scale=scale,
        bounds=bounds,
        questions=described.get("questions"),
        thresholds=described.get("thresholds"),
    )
