import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from reppo.analysis import (
    Normalization,
    Picture,
    ScoreTable,
    aggregate,
    axes,
    compare,
    learning_curves,
    performance_profiles,
    plot_aggregates,
    plot_costs,
    plot_diagnostics,
    plot_differences,
    plot_effects,
    plot_interactions,
    plot_learning_curves,
    plot_profiles,
    plot_reached,
    plot_searches,
    plot_sensitivity,
    plot_tuning,
    published,
    score_table,
    search_scores,
    sensitivity,
    training_diagnostics,
)
from reppo.analysis.comparisons.factorial import interacting_pairs
from reppo.analysis.figures.curves import _clock_step
from reppo.analysis.figures.style import HIGHLIGHTED, PAGE, _short_path, arm_looks, house_style, plain, shorten, signed
from reppo.analysis.scores.from_runs import cut_offs
from reppo.errors import ConfigurationError
from reppo.results import load_results
from tests.analysis.runs import run
from tests.analysis.score_tables import table as table_of
from tests.analysis.synthetic import ARMS, TASKS, make_results

SVG = "{http://www.w3.org/2000/svg}"
RIVAL = "other:kl/no_kl+value/mse"
LONG = "value/an_ensemble_of_critics_with_a_name_that_does_not_end_before_the_page_does"
CASES: dict[str, dict[str, Any]] = {
    "many": {"arms": ARMS, "tasks": TASKS, "seeds": 2, "evaluations": 3},
    "few": {
        "arms": {"base": 0.8, "kl/no_kl": 0.4, "value/mse": 0.6, "kl/no_kl+value/mse": 0.35, LONG: 0.7},
        "tasks": ["CheetahRun", "$x_{1}$ with_a_long_name_that_goes_on_and_on", "_hidden"],
        "seeds": 4,
        "reports": 6,
        "steps": 20_000_000,
        "diverged": [("kl/no_kl", "CheetahRun", 1)],
    },
    "one": {"arms": {"base": 0.5, "kl/no_kl": 0.3}, "tasks": ["Pendulum-v1"], "seeds": 1, "offset": -1500.0},
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    path = make_results(tmp_path_factory.mktemp("figures") / "r", **CASES[request.param])
    results = load_results(path)
    return request.param, results, score_table(results)


def pictures(results: Any, table: ScoreTable) -> dict[str, Picture]:
    effects = compare(table, resamples=50)
    scaled = table.normalized(Normalization.min_max(table))
    found = {
        "curves": plot_learning_curves(results, against=published("reppo-large", table.tasks)),
        "seconds": plot_learning_curves(results, x="seconds"),
        "effects": plot_effects(effects),
        "differences": plot_differences(effects),
        "aggregates": plot_aggregates(aggregate(scaled, resamples=50)),
        "profiles": plot_profiles(performance_profiles(scaled, resamples=50)),
        "costs": plot_costs(results),
    }
    middle = {task: float(np.nanmedian(table.scores[:, j])) for j, task in enumerate(table.tasks)}
    some = table.select(tasks=table.tasks[:6])
    curves = [curve for curve in learning_curves(results) if curve.environment in some.tasks]
    rows = axes(results, curves, cut_offs(results), middle)
    searched = search_scores(some, {"base": table.arms[1:], table.arms[-1]: table.arms[:-1]})
    found |= {
        "reached": plot_reached(rows),
        "reached in seconds": plot_reached(rows, x="seconds", width=PAGE),
        "searches": plot_searches(searched, middle),
        "tuning": plot_tuning(searched, width=PAGE),
    }
    metrics = [run.folder.read_metrics() for run in results]
    if any(len(m.names) for m in metrics):
        found["diagnostics"] = plot_diagnostics(training_diagnostics(results, metrics))
    if interacting_pairs(table):
        found["interactions"] = plot_interactions(table)
    if len(table.tasks) > 1:
        found["sensitivity"] = plot_sensitivity({name: sensitivity(scaled, resamples=50) for name in ("base", "other")})
    return found


def test_nothing_overlaps_and_nothing_is_cut(case):
    """Every text lies within the figure, and no two of a kind that stand beside each other touch."""
    _, results, table = case
    for name, picture in pictures(results, table).items():
        figure = picture.figure
        canvas = FigureCanvasAgg(figure)
        with house_style():
            canvas.draw()
        renderer = canvas.get_renderer()
        frame = figure.bbox
        for panel in figure.axes:
            for axis in (panel.xaxis, panel.yaxis):
                labels = [label for label in axis.get_ticklabels() if label.get_text() and label.get_visible()]
                boxes = [label.get_window_extent(renderer) for label in labels]
                low, high = sorted(axis.get_view_interval())
                ticks = axis.get_majorticklocs()
                boxes = [b for b, tick in zip(boxes, ticks, strict=False) if low - 1e-9 <= tick <= high + 1e-9]
                rotated = any(label.get_rotation() % 90 for label in labels)
                for box in boxes:
                    assert frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1, (name, "cut at the side")
                    assert frame.y0 - 1 <= box.y0 and box.y1 <= frame.y1 + 1, (name, "cut above or below")
                if not rotated:
                    assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False)), (name, labels)
            title = panel.get_tightbbox(renderer)
            assert title is None or (frame.x0 - 2 <= title.x0 and title.x1 <= frame.x1 + 2), (name, panel.get_title())
        for legend in figure.legends:
            box = legend.get_window_extent(renderer)
            assert frame.x0 - 2 <= box.x0 and box.x1 <= frame.x1 + 2, (name, "legend is wider than the figure")
            for panel in figure.axes:
                inner = panel.get_tightbbox(renderer)
                assert inner is None or not inner.shrunk(0.98, 0.98).overlaps(box), (name, "legend over a panel")


def labels(svg: str) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_files(case, tmp_path: Path):
    label, results, table = case
    for name, picture in pictures(results, table).items():
        assert picture.alt and picture.title
        page = picture.to_page()
        ElementTree.fromstring(page)
        assert labels(page) == labels(picture.render("svg", text_as_paths=False).decode()), name
        assert "currentColor" in page and "#1b1b1c" not in page and 'role="img"' in page, name
        if label == "few":
            for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
                assert picture.save(tmp_path / f"{name}.{kind}").read_bytes().startswith(start)


def test_figures_are_reproducible_and_names_on_a_page_are_their_own(case):
    label, results, table = case
    if label != "one":
        pytest.skip("once is enough")
    first, second = pictures(results, table), pictures(results, table)
    ids: list[str] = []
    for name in first:
        page = first[name].to_page()
        assert page == second[name].to_page(), name
        own = re.findall(r' id="([^"]+)"', page)
        assert set(re.findall(r'(?:url\(#|href="#)([\w-]+)', page)) <= set(own), name
        ids += own
    assert len(ids) == len(set(ids))


def test_published_curves_end_where_they_and_ones_own_end(tmp_path: Path):
    path = make_results(tmp_path / "r", {"base": 0.5}, ["CheetahRun"], 2, evaluations=4, steps=12_000_000)
    (curve,) = published("reppo-large", ["CheetahRun"])
    figure = plot_learning_curves(load_results(path), against=[curve]).figure
    gray = [line for line in figure.axes[0].lines if line.get_color() == "#8a8d91"]
    assert len(gray) == 1
    x, y = gray[0].get_data()
    assert x[0] == curve.environment_steps[0] and x[-1] == 12_000_000
    tip = curve.at(12_000_000)
    assert tip is not None and y[-1] == tip[0]
    np.testing.assert_array_equal(x[:-1], curve.environment_steps[curve.environment_steps < 12_000_000])
    short = make_results(tmp_path / "s", {"base": 0.5}, ["CheetahRun"], 2, evaluations=4, steps=1_000_000)
    figure = plot_learning_curves(load_results(short), against=[curve]).figure
    assert not [line for line in figure.axes[0].lines if line.get_color() == "#8a8d91"]
    with pytest.raises(ConfigurationError, match="draw them over steps"):
        plot_learning_curves(load_results(path), x="seconds", against=[curve])


def test_heat_maps_are_colored_by_evidence():
    """Not by how large a difference is beside others: a large one of which nothing is known stays pale."""
    scores = {"base": np.zeros((2, 3)), "arm": np.array([[-900.0] * 3, [0.1] * 3])}
    p = {"T0": 1.0, "T1": 0.001}
    effects = [replace(e, p_holm=p.get(e.task or "", 0.5)) for e in compare(table_of(scores), resamples=50)]
    panel = plot_differences(effects).figure.axes[0]
    np.testing.assert_allclose(panel.images[0].get_array(), [[0], [1]], atol=1e-12)
    assert [(t.get_text(), t.get_fontweight()) for t in panel.texts] == [("−900", "normal"), ("+0.100", "bold")]
    unknown = [replace(e, p_holm=math.nan) for e in effects]
    np.testing.assert_array_equal(plot_differences(unknown).figure.axes[0].images[0].get_array(), [[0], [0]])


def test_heat_maps_have_the_longer_side_as_rows():
    scores = {name: np.full((2, 3), float(i)) for i, name in enumerate(("base", "a", "b", RIVAL))}
    panel = plot_differences(compare(table_of(scores), resamples=50)).figure.axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["a", "b", RIVAL]
    assert [(label.get_text(), label.get_rotation()) for label in panel.get_xticklabels()] == [("T0", 0), ("T1", 0)]


def test_refusals_are_explained(tmp_path: Path):
    results = load_results(make_results(tmp_path / "r", {"base": 0.5}, ["A"], 1))
    picture = plot_learning_curves(results)
    with pytest.raises(ConfigurationError, match=r"cannot be saved as 'x.gif'. End the name in .png, .svg or .pdf"):
        picture.save(tmp_path / "x.gif")
    with pytest.raises(ConfigurationError, match="no difference to draw"):
        plot_effects(compare(score_table(results)))
    with pytest.raises(ConfigurationError, match="all four arms"):
        plot_interactions(score_table(results))
    with pytest.raises(ConfigurationError, match="No training metrics"):
        plot_diagnostics({})
    with pytest.raises(ConfigurationError, match="No task has a threshold"):
        plot_reached(axes(results, learning_curves(results), cut_offs(results), {}))
    for draw in (plot_searches, plot_tuning):
        with pytest.raises(ConfigurationError, match="No setting of a search has a score"):
            draw([])


def test_lines_over_settings_are_of_the_settings():
    """Down from all by one at each score; the mark of the default where its mean is."""
    scores = {"base": np.array([[2.0, 4.0]]), "a": np.array([[1.0, 1.0]]), "b": np.array([[5.0, np.nan]])}
    found = search_scores(table_of(scores), {"base": ["a", "b"]})
    line, mark, threshold = plot_searches(found, {"T0": 2.5}).figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 1], [1, 1], [5, 0.5], [5, 0]])
    np.testing.assert_array_equal(mark.get_xydata(), [[3, 0.5]])
    assert list(threshold.get_xdata()) == [2.5, 2.5]
    tuned, default = plot_tuning(found).figure.axes[0].lines
    np.testing.assert_allclose(tuned.get_xydata(), [[1, 3], [2, 5]])
    assert list(default.get_ydata()) == [3.0, 3.0]


def test_an_algorithm_looks_alike_in_all_figures_of_a_page():
    rows = axes(results := [run(arm, 0, [0.0, 1.0]) for arm in ("base", "a", "z")], learning_curves(results),
                cut_offs(results), {"E": 1.0})  # fmt: skip
    found = search_scores(table_of({"base": np.ones((1, 1)), "z": np.ones((1, 1)), "s": np.ones((1, 1))}), {"z": ["s"]})
    beside = [line.get_color() for line in plot_reached(rows).figure.axes[0].lines]
    alone, among = (
        plot_tuning(found, highlight=arms).figure.axes[0].lines[0].get_color() for arms in (None, ("a", "z"))
    )
    assert among == beside[2] != alone == beside[1]


def test_lines_of_runs_at_the_threshold_end_where_they_were_watched_no_longer():
    results = [run("base", 0, [0.0, 5.0, 5.0]), run("base", 1, [0.0, 0.0, 5.0]), run("base", 2, [0.0, 0.0, 0.0])]
    (line,) = plot_reached(axes(results, learning_curves(results), cut_offs(results), {"E": 5.0})).figure.axes[0].lines
    expected = [[0, 0], [200, 1 / 3], [300, 2 / 3], [300, 2 / 3]]
    np.testing.assert_allclose(line.get_xydata(), expected)


def test_names_and_numbers():
    assert shorten("abcdefghij", 10) == "abcdefghij" and shorten("abcdefghijk", 10) == "abcd…ghijk"
    assert len(shorten("x" * 99, 20)) == 20
    assert plain("_a$b") == "\u200b_a\\$b"
    assert signed(-0.04, 1) == "0.0" and signed(-3.16, 1) == "−3.2" and signed(3, 0) == "+3"
    assert [_clock_step(end) for end in (3, 100, 3600, 30_000)] == [1, 30, 1800, 10_800]
    assert all(end / _clock_step(end) <= 3.5 for end in np.geomspace(1, 1e7, 200))


def test_paths_are_shortened_without_change():
    path = "M 1 2 \nL 3 4 \nL 5 6 \nz\nM 0 0 \nC 1 1 2 2 3 3 \nL 4 4 \n"
    assert _short_path(path) == "M1 2 3 4 5 6 z M0 0 C1 1 2 2 3 3 L4 4"


def test_an_arm_looks_the_same_in_figures_of_other_arms_in_another_order():
    shown = ["a", "b", "c"]
    looks = arm_looks(["base", "a", "b", "c"], "base", shown)
    assert list(looks) == ["base", "a", "b", "c"]
    assert arm_looks(["c", "base", "b"], "base", shown) == {arm: looks[arm] for arm in ("base", "b", "c")}
    many = [f"arm{i}" for i in range(20)]
    best = many[::-2][:HIGHLIGHTED]
    looks = arm_looks(many, "base", best)
    assert list(looks) == best
    assert arm_looks(many[5:], "base", best) == {arm: look for arm, look in looks.items() if arm in many[5:]}
    assert list(arm_looks(many, "base", None)) == many[:HIGHLIGHTED]
