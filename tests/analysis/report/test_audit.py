"""The audit of reports: it passes, and it fails for each of many mistakes that are planted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from reppo.analysis import Normalization, ScoreTable, mean, share_interval
from reppo.analysis.curves.learning_curves import LearningCurve
from reppo.analysis.figures import curves
from reppo.analysis.report import build, findings
from reppo.analysis.report.sections import costs
from tests.analysis.audit import curve_faults, faults
from tests.analysis.planting import draw_nothing, original, plant
from tests.analysis.studies import SHAPES, as_results, draw_null, draw_study, report_of


@pytest.fixture(autouse=True)
def without_drawing(monkeypatch: pytest.MonkeyPatch):
    draw_nothing(monkeypatch)


def audit(seeds: range) -> list[str]:
    return [
        f"{seed}: {text}" for seed in seeds for study in [draw_study(seed)] for text in faults(study, report_of(study))
    ]


def test_reports_of_random_studies_are_true():
    assert audit(range(12)) == []


@pytest.mark.slow
def test_reports_of_many_random_studies_are_true():
    assert audit(range(2000)) == []


@pytest.mark.slow
def test_reports_of_large_random_studies_are_true():
    for seed in range(60):
        study = draw_study(10_000 + seed, most_arms=30, most_tasks=25, most_seeds=20)
        assert faults(study, report_of(study)) == [], seed


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [4, 10, 20])
@pytest.mark.parametrize("shape", SHAPES)
def test_pages_without_a_difference_seldom_claim_one(shape: str, seeds: int):
    """Any false verdict on at most 5% of pages; 14 of 120 or more would be seen in fewer than 3 of 1000 tests."""
    pages = [report_of(draw_null(i, shape, seeds, known=bool(i % 2))) for i in range(120)]
    assert sum(any(one.verdict in ("better", "worse") for one in page.findings) for page in pages) < 14


def diverged_as_last(patch: pytest.MonkeyPatch) -> None:
    right = original("score_table")
    plant(patch, "score_table", lambda *a, **k: right(*a, **{**k, "diverged": "last"}))


def diverged_left_out(patch: pytest.MonkeyPatch) -> None:
    right = original("score_table")
    plant(patch, "score_table", lambda *a, **k: right(*a, **{**k, "diverged": "exclude"}))


def not_cut(patch: pytest.MonkeyPatch) -> None:
    right = original("score_table")
    plant(patch, "score_table", lambda *a, **k: right(*a, **{**k, "at_steps": None}))


def scale_of_all_runs(patch: pytest.MonkeyPatch) -> None:
    plant(patch, "scale_of", lambda _, raw, __: Normalization.min_max(raw))


def changed_effects(change: Callable) -> Callable[[pytest.MonkeyPatch], None]:
    def planted(patch: pytest.MonkeyPatch) -> None:
        right = original("compare")
        plant(patch, "compare", lambda *a, **k: [change(effect) for effect in right(*a, **k)])

    return planted


def student_intervals(patch: pytest.MonkeyPatch) -> None:
    right = original("compare")
    plant(patch, "compare", lambda *a, **k: right(*a, **{**k, "method": "student"}))


def seeds_mixed_up(patch: pytest.MonkeyPatch) -> None:
    right = original("compare")

    def rolled(table: ScoreTable, *args, **settings):
        scores = table.scores.copy()
        scores[1:] = np.roll(scores[1:], 1, axis=2)
        return right(replace(table, scores=scores), *args, **settings)

    plant(patch, "compare", rolled)


def share_of_the_whole_base(patch: pytest.MonkeyPatch) -> None:
    right = original("findings")
    plant(
        patch,
        "findings",
        lambda effects, *a: right([replace(e, base_mean=2 * e.base_mean) for e in effects], *a),
    )


def reliable_at_the_end(patch: pytest.MonkeyPatch) -> None:
    right = original("reliable_improvement")

    def ends_above(curve, threshold):
        last = [row[np.isfinite(row)][-1:] for row in curve.returns]
        above = sum(bool(end.size and end[0] >= threshold) for end in last)
        return replace(right(curve, threshold), final=share_interval(above, len(last)))

    plant(patch, "reliable_improvement", ends_above)


def nothing_clipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ScoreTable, "possible", lambda self: np.tile([-np.inf, np.inf], (len(self.tasks), 1)))


def mean_for_iqm(patch: pytest.MonkeyPatch) -> None:
    right = original("aggregate")
    plant(patch, "aggregate", lambda table, *a, **k: [
        replace(row, estimate=float(mean(table.scores[0]))) for row in right(table, *a, **k)
    ])  # fmt: skip


def reach_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(findings, "_out_of_reach", lambda effect, _: findings._chance(effect))


def no_caveat_on_losses(patch: pytest.MonkeyPatch) -> None:
    right = original("caveats_of")
    plant(patch, "caveats_of", lambda t: [text for text in right(t) if "diverged" not in text])


def changed_aggregates(**settings) -> Callable[[pytest.MonkeyPatch], None]:
    def planted(patch: pytest.MonkeyPatch) -> None:
        right = original("aggregate")
        plant(patch, "aggregate", lambda *a, **k: right(*a, **{**k, **settings}))

    return planted


def costs_of_what_finished(patch: pytest.MonkeyPatch) -> None:
    kept = lambda study: [run for run in study.results if run.record.status == "finished"]
    wrong = lambda study: costs.section(replace(study, results=kept(study)))
    patch.setattr(build, "SECTIONS", [wrong if make is costs.section else make for make in build.SECTIONS])


def effects_of_removing(patch: pytest.MonkeyPatch) -> None:
    right = original("design_of")
    turned = lambda design: replace(design, kept=~design.kept)
    plant(patch, "design_of", lambda *a: turned(right(*a)))


def left_out_for_added_in(patch: pytest.MonkeyPatch) -> None:
    right = original("agreement")
    swapped = lambda found: replace(found, leave_one_out=found.add_one_in, add_one_in=found.leave_one_out)
    plant(patch, "agreement", lambda *a: swapped(right(*a)))


def shapes_of_other_runs(patch: pytest.MonkeyPatch) -> None:
    right = original("runs_with_curves")

    def turned(*a):
        table, shapes = right(*a)
        return table, shapes[::-1]

    plant(patch, "runs_with_curves", turned)


def curves_without_what_diverged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LearningCurve, "completed", lambda self: self.returns)


def bands_not_clipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(curves, "bootstrap_band", lambda scores, **_: (scores.min(axis=0) - 1, scores.max(axis=0) + 1))
    patch.setattr(LearningCurve, "limits", property(lambda _: (-np.inf, np.inf), lambda *_: None), raising=False)


def curves_of_means(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(curves, "trimmed_mean", lambda values: np.nanmean(values, axis=-1))


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "what diverged counts with its last evaluation": diverged_as_last,
    "what diverged is left out": diverged_left_out,
    "runs are not cut at common steps": not_cut,
    "the scale is of the runs of all arms": scale_of_all_runs,
    "p is not corrected": changed_effects(lambda e: replace(e, p_holm=e.p)),
    "reach is judged before correction": changed_effects(lambda e: replace(e, smallest_p_holm=e.smallest_p)),
    "the sign is turned": changed_effects(lambda e: replace(e, estimate=-e.estimate, low=-e.high, high=-e.low)),
    "ties are pairs that differ": changed_effects(lambda e: replace(e, smallest_p_holm=2.0 ** (1 - max(e.pairs, 1)))),
    "intervals are not those of the test": student_intervals,
    "pairs are of different seeds": seeds_mixed_up,
    "the share is of another base": share_of_the_whole_base,
    "reliable is who ends above": reliable_at_the_end,
    "intervals leave what is possible": nothing_clipped,
    "the base's number is another aggregate": mean_for_iqm,
    "what cannot be shown is not said": reach_forgotten,
    "losses are not told": no_caveat_on_losses,
    "aggregates are over other tasks": changed_aggregates(tasks="own"),
    "means have another interval": changed_aggregates(method="percentile"),
    "costs are of the runs that finished": costs_of_what_finished,
    "effects are of removing": effects_of_removing,
    "left out is added in": left_out_for_added_in,
    "curves of runs are of other runs": shapes_of_other_runs,
}

PLANTED_IN_CURVES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "curves leave out what diverged": curves_without_what_diverged,
    "bands leave what is possible": bands_not_clipped,
    "curves are of means": curves_of_means,
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_audit_finds_a_planted_mistake(mistake: str, monkeypatch: pytest.MonkeyPatch):
    PLANTED[mistake](monkeypatch)
    assert any(audit(range(seed, seed + 1)) for seed in range(60))


def audit_curves(seed: int) -> list[str]:
    study = draw_study(seed)
    return curve_faults(study, curves.plot_learning_curves(as_results(study)))


def test_curves_of_random_studies_are_true():
    assert [audit_curves(seed) for seed in range(4)] == [[]] * 4


@pytest.mark.parametrize("mistake", PLANTED_IN_CURVES)
def test_the_audit_finds_a_planted_mistake_in_curves(mistake: str, monkeypatch: pytest.MonkeyPatch):
    PLANTED_IN_CURVES[mistake](monkeypatch)
    assert any(audit_curves(seed) for seed in range(12))
