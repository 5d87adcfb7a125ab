import ast
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import reppo.results
from reppo.analysis import format_table, improvement, learning_curves, plot_learning_curves, summary_table
from reppo.analysis.figures.style import arm_style
from reppo.errors import ConfigurationError
from reppo.results import RunData
from tests.analysis.runs import run

NAN = math.nan


def test_learning_curves_of_unequal_seeds():
    results = [
        run("x10", 0, [1.0]),
        run("x2", 0, [2.0]),
        run("base", 1, [1.0, 2.0, NAN], diverged=True),
        run("base", 0, [1.0, 2.0, 3.0, 4.0]),
        run("base", 2, [10.0], interval=50),
        run("base", 3, []),
    ]
    curves = learning_curves(results)
    assert [curve.arm for curve in curves] == ["base", "x2", "x10"]
    base = curves[0]
    np.testing.assert_array_equal(base.environment_steps, [50, 100, 200, 300, 400])
    np.testing.assert_array_equal(base.seeds, [0, 1, 2, 3])
    np.testing.assert_array_equal(base.diverged, [False, True, False, False])
    expected = [[NAN, 1, 2, 3, 4], [NAN, 1, 2, NAN, NAN], [10, NAN, NAN, NAN, NAN], [NAN] * 5]
    np.testing.assert_array_equal(base.returns, expected)
    expected[1] = [NAN, 1, 2, 1, 1]  # diverged: the lowest return of any evaluation of its arm and the base
    np.testing.assert_array_equal(base.completed(), expected)
    assert base.worst == 1 and not base.interpolated() and base.common_steps().size == 0


def test_summary_table():
    results = [run("base", seed, [0.0, value]) for seed, value in enumerate([1.0, 2.0, 3.0, 100.0])]
    results += [run("worse", seed, [0.0, 1.0]) for seed in range(4)]
    results += [run("better", 0, [0.0, 9.0]), run("better", 1, [8.0, NAN], diverged=True)]
    results += [run("lost", 0, [NAN], diverged=True), run("base", 0, [5.0], environment="D")]
    rows = summary_table(results)
    assert [(row.environment, row.arm) for row in rows] == [
        ("D", "base"), ("E", "base"), ("E", "better"), ("E", "worse"), ("E", "lost"),
    ]  # fmt: skip
    base = rows[1]
    assert base.iqm == 2.5 and base.mean == 26.5 and base.best == 100 and base.runs == base.scored == 4
    assert base.low <= 2.5 <= base.high and base.steps_per_second == 1001.5
    better, lost = rows[2], rows[4]
    assert better.mean == 4.5 and better.diverged == 1 and better.environment_steps == (200, 200)
    assert lost.iqm == 0 and (lost.scored, lost.runs) == (1, 1)  # diverged: the lowest return known
    assert str(summary_table(results[::-1])) == str(rows)  # as text, because NaN is not equal to itself


def test_format_table():
    results = [run("base", seed, [0.0, 500.0 + seed]) for seed in range(5)]
    results += [run("kl/no_kl", seed, [0.0, 20.25]) for seed in range(5)]
    text = format_table(summary_table(results))
    lines = text.splitlines()
    assert lines[0] == "E"
    assert lines[2] == "arm         IQM    95% interval   mean   best  steps/s  runs  diverged"
    assert lines[4].startswith("base      502.0  [50") and lines[4].endswith("]  502.0  504.0       1k     5         -")
    assert lines[5] == "kl/no_kl   20.2    [20.2, 20.2]   20.2   20.2       1k     5         -"
    assert len({len(line) for line in lines[1:7]}) == 1
    assert "Few seeds" not in text and "unequally" not in text and "diverged count" not in text


def test_format_table_notes():
    results = [run("base", 0, [1.0]), run("a", 0, [1.0, 2.0]), run("b", 0, [NAN], diverged=True)]
    results.append(run("c", 0, []))
    text = format_table(summary_table(results))
    assert "Few seeds (as few as 0 seeds)" in text
    assert "E: runs have come unequally far (0 to 200 steps); they are compared at the last step" in text
    assert "Runs that diverged count as the lowest return known of the task." in text
    assert "0 of 1" in text and "'n of m' runs" in text
    assert format_table([]) == "No runs yet.\n"


def test_improvement_is_from_the_first_trained_evaluation():
    results = [run("base", seed, [-50.0, 1.0, 7.0, 3.0 + seed], start=0) for seed in range(3)]
    results += [run("a", 0, [1.0]), run("a", 1, [1.0, NAN, 4.0], diverged=True), run("b", 0, [])]
    base, a, b = improvement(results)
    np.testing.assert_array_equal(base.gains, [2.0, 3.0, 4.0])
    assert base.interval.estimate == 3.0
    # t(0.975, 2) = 4.302653; the standard error of 2, 3, 4 is 1/sqrt(3).
    assert base.interval.low == pytest.approx(3 - 4.302653 / math.sqrt(3), rel=1e-6)
    np.testing.assert_array_equal(a.seeds, [1])
    assert a.interval.estimate == 3.0 and math.isnan(a.interval.low)
    assert len(b.gains) == 0 and math.isnan(b.interval.estimate)


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


def test_no_two_arms_look_alike():
    looks = [arm_style(0, True), *[arm_style(i, False) for i in range(60)]]
    assert len({tuple(map(str, look.values())) for look in looks}) == len(looks)
    marks = [(str(look["linestyle"]), look["marker"]) for look in looks[:21]]
    assert len(set(marks)) == len(marks)  # without color, too


def test_neither_jax_nor_a_plotting_library_is_imported_early():
    code = (
        "import sys, reppo.results, reppo.tracking, reppo.analysis\n"
        "heavy = {'jax', 'equinox', 'optax', 'scipy', 'matplotlib', 'pandas', 'orbax', 'wandb'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_no_module_of_these_packages_names_jax():
    root = Path(reppo.results.__file__).parents[1]
    for package, allowed in [
        ("results", {"errors", "results", "text"}),
        ("tracking", {"errors", "results", "text", "tracking"}),
        ("analysis", {"errors", "results", "text", "analysis"}),
    ]:
        for file in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                for name in names:
                    top, *rest = name.split(".")
                    assert top not in {"jax", "equinox", "optax"}, (file, name)
                    assert top != "reppo" or rest[0] in allowed, (file, name)
