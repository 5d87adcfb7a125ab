import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from reppo.analysis import (
    Normalization,
    aggregate,
    aggregate_tasks,
    caveats_of,
    compare,
    performance_profiles,
    probability_of_improvement,
    score_table,
)
from reppo.errors import ConfigurationError
from tests.analysis.runs import run
from tests.analysis.score_tables import table

NAN = float("nan")


def results():
    return [
        run("base", 0, [0.0, 10.0]),
        run("base", 1, [0.0, 20.0]),
        run("kl/no_kl", 0, [0.0, 4.0, NAN], diverged=True),
        run("kl/no_kl", 3, [0.0, 6.0, 8.0]),
        run("base", 0, [1.0], environment="D10"),
        run("base", 0, [2.0], environment="D9"),
    ]


def test_a_table_is_arm_by_task_by_seed():
    scores = score_table(results(), at_steps=None, diverged="last")
    assert (scores.arms, scores.tasks, scores.base) == (("base", "kl/no_kl"), ("D9", "D10", "E"), "base")
    np.testing.assert_array_equal(scores.seeds, [0, 1, 3])
    np.testing.assert_array_equal(scores.arm("base"), [[2, NAN, NAN], [1, NAN, NAN], [10, 20, NAN]])
    np.testing.assert_array_equal(scores.arm("kl/no_kl")[2], [4, NAN, 8])
    assert scores.common_tasks() == ("E",)
    assert scores.environment_steps[1, 2].tolist() == [200, 0, 300]
    rows = scores.rows()
    assert len(rows) == 6  # runs, not the 20 episodes they were evaluated in
    assert rows[-1] == {
        "arm": "kl/no_kl", "task": "E", "seed": 3, "score": 8.0, "diverged": False, "environment_steps": 300,
    }  # fmt: skip
    again = score_table(results()[::-1], at_steps=None, diverged="last")
    np.testing.assert_array_equal(again.scores, scores.scores)


def test_diverged_runs_count_as_told():
    scores = {policy: score_table(results(), diverged=policy) for policy in ("worst", "last", "exclude")}
    lost = {policy: own.scores[1, 2, 0] for policy, own in scores.items()}
    assert lost["worst"] == 0.0 and lost["last"] == 4.0 and np.isnan(lost["exclude"])
    better = [*results(), run("kl/no_kl", 4, [50.0, NAN], diverged=True), run("kl/no_kl", 5, [NAN], diverged=True)]
    np.testing.assert_array_equal(score_table(better, at_steps=None).scores[1, 2], [0, NAN, 8, 0, 0])
    np.testing.assert_array_equal(
        score_table(better, at_steps=None, diverged="last").scores[1, 2], [4, NAN, 8, 50, NAN]
    )
    hopeless = score_table([run("base", 0, [NAN], diverged=True)])
    assert np.isnan(hopeless.scores).all()
    assert "1 diverged run counts as the lowest return known of the task." in scores["worst"].describe()
    assert "excluded" in scores["exclude"].describe()
    with pytest.raises(ConfigurationError, match="diverged='drop' is not one of 'worst', 'last', 'exclude'"):
        score_table.__wrapped__(results(), diverged="drop")  # pyright: ignore  # past the type check


def test_scores_at_equal_steps():
    unequal = [run("base", 0, [1.0, 2.0, 3.0]), run("a", 0, [4.0, 5.0]), run("a", 1, [6.0, NAN], diverged=True)]
    np.testing.assert_array_equal(score_table(unequal, at_steps=None).scores[:, 0], [[3, NAN], [5, 1]])
    for order in (unequal, unequal[::-1]):
        np.testing.assert_array_equal(score_table(order).scores[:, 0], [[2, NAN], [5, 1]])
    early = score_table(unequal, at_steps=100)
    np.testing.assert_array_equal(early.scores[:, 0], [[1, NAN], [4, 1]])
    assert early.describe().startswith("Score: mean return of the last evaluation up to 100 steps; scale: not normal")
    assert any(
        "unequal numbers of steps (200 to 300)" in text for text in caveats_of(score_table(unequal, at_steps=None))
    )
    assert not any("unequal numbers" in text for text in caveats_of(early))


def test_the_area_is_the_return_averaged_over_training():
    scores = score_table([run("base", 0, [0.0, 4.0, 4.0]), run("base", 1, [7.0])], measure="area", at_steps=None)
    np.testing.assert_array_equal(scores.scores, [[[3.0, 7.0]]])
    assert scores.measure == "area" and "averaged over training" in scores.describe()


def test_normalization_is_recorded():
    raw = score_table(results())
    fixed = raw.normalized(Normalization.fixed(0, 10, raw.tasks))
    np.testing.assert_array_equal(fixed.arm("base")[2], [1, 2, NAN])
    assert fixed.normalization.bounds["E"] == (0, 10) and "scale: [0, 10]" in fixed.describe()
    spread = raw.normalized(Normalization.min_max(raw))
    assert spread.normalization.bounds == {"E": (0, 20)} and np.isnan(spread.scores[0, :2]).all()
    assert spread.normalization.missing == dict.fromkeys(("D9", "D10"), "all scores are equal")
    assert np.nanmin(spread.scores) == 0 and np.nanmax(spread.scores) == 1
    part = score_table(results(), normalization=Normalization.fixed(0, 10, ["E"]))
    assert np.isnan(part.scores[0, 0, 0])  # a task without bounds has no score on the scale
    assert raw.normalized(Normalization()) is raw
    with pytest.raises(ConfigurationError, match="normalized already"):
        fixed.normalized(Normalization.fixed(0, 1, raw.tasks))
    with pytest.raises(ConfigurationError, match=r"Task 'E' is normalized from \[1, 1\]"):
        Normalization("x", {"E": (1, 1)})


def test_selecting_and_asking_for_what_is_not_there():
    scores = score_table(results())
    part = scores.select(arms=["kl/no_kl"], tasks=["E", "D9"])
    assert part.scores.shape == (1, 2, 3) and part.arms == ("kl/no_kl",) and part.tasks == ("E", "D9")
    for wrong, message in (
        (lambda: scores.arm("no_kl"), "Unknown arm"),
        (lambda: scores.select(tasks=["F"]), "Unknown task"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            wrong()
    with pytest.raises(ConfigurationError, match="no runs to score"):
        score_table([])
    with pytest.raises(ConfigurationError, match="has two runs with seed 0"):
        score_table([run("base", 0, [1.0]), run("base", 0, [2.0])])


def test_aggregates_compare_arms_on_the_tasks_that_all_have():
    scores = table({"base": np.array([[1.0, 2.0], [9.0, 9.0]]), "arm": np.array([[3.0, NAN], [NAN, NAN]])})
    rows = {row.arm: row for row in aggregate(scores, ["mean"])}
    assert (rows["base"].estimate, rows["base"].tasks, rows["base"].runs) == (1.5, 1, 2)
    assert (rows["arm"].estimate, rows["arm"].fewest_runs) == (3.0, 1) and np.isnan(rows["arm"].low)
    own = {row.arm: row.estimate for row in aggregate(scores, ["mean"], tasks="own")}
    assert own == {"base": 5.25, "arm": 3.0}
    assert [(row.task, row.arm) for row in aggregate_tasks(scores)] == [("T0", "base"), ("T0", "arm"), ("T1", "base")]
    usual = [row.aggregate for row in aggregate(scores.select(arms=["base"]))]
    assert usual == ["pooled_iqm", "task_iqm", "mean", "median"]
    normalized = scores.normalized(Normalization.fixed(0, 10, scores.tasks))
    gap = [row.estimate for row in aggregate(normalized) if row.aggregate == "optimality_gap"]
    np.testing.assert_allclose(gap, [0.85, 0.7])
    with pytest.raises(ConfigurationError, match="no task in common"):
        aggregate(table({"a": np.array([[1.0], [NAN]]), "b": np.array([[NAN], [1.0]])}))
    with pytest.raises(ConfigurationError, match="Unknown aggregate 'iqm'"):
        aggregate(scores, ["iqm"])


def test_caveats():
    text = "\n".join(caveats_of(score_table(results())))
    assert "as few as 1 run of an arm on a task" in text and "below 6 no difference on a single task" in text
    assert "kl/no_kl has no score on D9, D10" in text
    assert "kl/no_kl and base differ in seeds: 2 runs have no partner" in text
    assert "Runs diverged (1 of kl/no_kl); they count as the lowest return known" in text
    assert "tasks differ in scale" in text
    silent = caveats_of(score_table([run("base", 0, [NAN])]))
    assert any("1 run has no finite evaluation" in text for text in silent)
    fine = table({arm: np.random.default_rng(0).normal(10, 1, (3, 10)) for arm in ("base", "a")})
    assert caveats_of(fine) == []
    unlike = table({arm: np.random.default_rng(0).normal([[10], [1000]], 1, (2, 10)) for arm in ("base", "a")})
    assert ["differ in scale" in text for text in caveats_of(unlike)] == [True]
    assert caveats_of(unlike.normalized(Normalization.fixed(0, 2000, unlike.tasks))) == []  # the user chose a scale
    few = {seeds: caveats_of(table({arm: np.ones((1, seeds)) for arm in ("base", "a")})) for seeds in (5, 6, 9)}
    assert ["below 6 no difference" in texts[0] for texts in few.values()] == [True, False, False]
    excluded = replace(fine, diverged=np.ones(fine.scores.shape, np.bool_), diverged_policy="exclude")
    assert "flatters the arm" in caveats_of(excluded)[0]


def test_analysis_needs_no_jax_at_all():
    code = (
        "import sys\n"
        "for name in ('jax', 'equinox', 'optax'): sys.modules[name] = None\n"  # importing them fails from here on
        "import numpy as np\n"
        "from reppo.analysis import *\n"
        "from reppo.analysis import ScoreTable, compare, aggregate\n"
        "s = np.random.default_rng(0).normal(size=(2, 3, 4)); b = np.zeros(s.shape, bool)\n"
        "t = ScoreTable(arms=('base', 'a'), tasks=('x', 'y', 'z'), seeds=np.arange(4), scores=s, present=~b,\n"
        "               diverged=b, environment_steps=np.ones(s.shape, int))\n"
        "assert len(compare(t)) == 4 and len(aggregate(t)) == 8\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_large_studies_are_fast():
    rng = np.random.default_rng(0)
    scores = table({f"a{i}": rng.normal(size=(25, 20)) for i in range(20)})  # 10 000 runs
    start = time.process_time()
    aggregate(scores)
    aggregate_tasks(scores)
    compare(scores)
    performance_profiles(scores)
    probability_of_improvement(scores)
    assert time.process_time() - start < 60
