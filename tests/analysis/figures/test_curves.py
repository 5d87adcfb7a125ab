"""Figures of learning curves."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reppo.analysis import plot_learning_curves
from reppo.analysis.figures.style import arm_style
from reppo.errors import ConfigurationError
from reppo.results import RunData
from tests.analysis.runs import run

NAN = math.nan


def learner(arm: str, seed: int, environment: str = "E", points: int = 6, diverged: bool = False) -> RunData:
    means = (100 * np.sqrt(np.arange(points)) - 80 + 10 * seed + len(arm)).tolist()
    return run(arm, seed, [*means[:3], *[NAN] * (points - 3)] if diverged else means, environment, diverged, 25_000)


CASES: dict[str, Callable[[], list[RunData]]] = {
    "one run, one point": lambda: [learner("base", 0, points=1)],
    "a single seed": lambda: [learner("base", 0), learner("kl/no_kl", 0)],
    "unequal and diverged": lambda: [
        *[learner("base", seed, points=6 - seed) for seed in range(3)],
        *[learner("value/mse", seed, diverged=seed == 1) for seed in range(3)],
        run("all lost", 0, [NAN], diverged=True),
    ],
    "no base, odd names": lambda: [learner("$\\frac$_", 0), learner("_hidden", 0), learner("x" * 200, 0, "$^{")],
    "a missing environment": lambda: [learner("base", 0, "A"), learner("base", 0, "B"), learner("kl", 0, "B")],
    "one point at step 0": lambda: [run("base", 0, [1.0], start=0)],
    "many": lambda: [learner(f"arm{a}", 0, f"Environment{e}", 3) for a in range(20) for e in range(7)],
}


@pytest.mark.parametrize("case", CASES)
def test_figures_are_drawn(case: str, tmp_path: Path):
    path = plot_learning_curves(CASES[case]()).save(tmp_path / "report" / "curves.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in path.parent.iterdir()] == ["curves.png"]


def test_nothing_to_draw_is_said():
    for results in ([], [run("base", 0, [NAN])]):
        with pytest.raises(ConfigurationError, match="no evaluation to draw yet"):
            plot_learning_curves(results)


def test_bands_are_not_cut():
    """A panel has room for bands that are wider than what runs have reached, up to once as much on each side."""
    results = [run("base", seed, [100.0 + 8 * seed] * 2) for seed in range(3)]
    (panel,) = plot_learning_curves(results).figure.axes
    heights = panel.collections[0].get_paths()[0].vertices[:, 1]
    low, high = panel.get_ylim()
    assert heights.min() < 98 and heights.max() > 118, "the case shows nothing"
    assert low < max(heights.min(), 84) and high > min(heights.max(), 132)


def test_figures_are_as_wide_as_asked():
    narrow, wide = (plot_learning_curves(CASES["a single seed"](), width=w).figure for w in (None, 9.5))
    assert narrow.get_size_inches()[0] == 5.6 and wide.get_size_inches()[0] == 9.5


def test_no_two_arms_look_alike():
    looks = [arm_style(0, True), *[arm_style(i, False) for i in range(60)]]
    assert len({tuple(map(str, look.values())) for look in looks}) == len(looks)
    marks = [(str(look["linestyle"]), look["marker"]) for look in looks[:21]]
    assert len(set(marks)) == len(marks)  # without color, too
