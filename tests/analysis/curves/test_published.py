import csv
import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from reppo.analysis import ScoreTable, aggregate, published, published_caveats, published_effects, published_variants
from reppo.analysis.curves.published import made_by, parse_against
from reppo.errors import ConfigurationError

JOYSTICK = ("G1", "T1")


def test_what_ships():
    assert len(published_variants()) == 26
    curves = published("reppo-large")
    assert len(curves) == 27 and sum(c.environment.startswith(JOYSTICK) for c in curves) == 4
    assert {c.environment for variant in published_variants() for c in published(variant)} == {
        row["environment"] for row in _rows()
    }


def _rows():
    text = files("reppo.analysis.curves").joinpath("data/published_returns.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("variant", published_variants())
def test_curves_are_those_of_the_table_without_what_was_held(variant: str):
    rows = [row for row in _rows() if row["variant"] == variant]
    for curve in published(variant):
        own = {int(r["environment_steps"]): r for r in rows if r["environment"] == curve.environment}
        steps = curve.environment_steps
        assert (np.diff(steps) > 0).all() and (steps > 0).all()
        for i, step in enumerate(steps):
            row = own[int(step)]
            assert (curve.iqm[i], curve.low[i], curve.high[i], curve.mean[i]) == tuple(
                float(row[name]) for name in ("iqm", "iqm_low95", "iqm_high95", "mean")
            )
        last = own[max(own)]
        assert curve.final_iqm == float(last["iqm"])
        if variant.endswith("-brax-0-500M"):  # what follows the curve is all alike: it was held
            held = [own[step] for step in sorted(own) if not len(steps) or step > steps[-1]]
            assert len({(row["iqm"], row["mean"]) for row in held if int(row["environment_steps"])}) == 1
        else:
            assert steps[-1] == max(own)


def test_soft_actor_critic_of_brax_has_no_curve_but_a_final_score():
    curves = published("sac-brax-0-500M")
    assert len(curves) == 25 and all(len(curve.environment_steps) == 0 for curve in curves)
    assert all(np.isfinite(curve.final_iqm) and curve.at(10e6) is None for curve in curves)


def test_between_and_beyond_evaluations():
    (curve,) = published("reppo-large", ["CheetahRun"])
    first, second = curve.environment_steps[:2]
    middle = curve.at(float(first + second) / 2)
    assert middle is not None
    np.testing.assert_allclose(middle[0], (curve.iqm[0] + curve.iqm[1]) / 2)
    assert curve.at(int(first)) == (curve.iqm[0], curve.low[0], curve.high[0])
    assert curve.at(int(first) - 1) is None and curve.at(int(curve.environment_steps[-1]) + 1) is None


def test_environments_that_were_not_published_are_left_out():
    assert [c.environment for c in published("ppo", ["Pendulum-v1", "WalkerRun", "WalkerRun"])] == ["WalkerRun"]


@pytest.mark.parametrize("size", ["large", "medium", "small"])
def test_the_ranking_of_the_published_ablations(size: str):
    table = published_effects(f"reppo-{size}")
    order = [variant.split("/")[1] for variant in table["variant"]]
    assert order[:3] == ["no-kl", "mse-critic", "no-norm"] and set(order[3:]) == {"no-auxiliary", "penalized-kl"}
    assert any("not paired" in note for note in table.notes) and any("cvoelcker/reppo" in note for note in table.notes)
    np.testing.assert_allclose(np.subtract(table["task_iqm"], table["base"]), table["difference"])


def test_the_published_aggregates():
    """Figures of the results folder of github.com/cvoelcker/reppo at commit a7ab85b, over the control suite."""
    values = dict(zip(published_effects()["variant"], published_effects()["task_iqm"], strict=True))
    expected = {"no-kl": 541, "mse-critic": 793, "no-norm": 816, "no-auxiliary": 870, "penalized-kl": 873}
    assert {name.split("/")[1]: round(value) for name, value in values.items()} == expected


def test_every_comparison_says_that_it_is_unpaired_and_by_whom():
    for variant in published_variants():
        assert "not paired" in " ".join(published_caveats(variant)) and made_by(variant)
    assert "random pushes" in " ".join(published_caveats("reppo-large", ["G1JoystickFlatTerrain"]))
    assert "random pushes" not in " ".join(published_caveats("reppo-large", ["CheetahRun"]))
    assert "held" in " ".join(published_caveats("ppo-brax-0-500M"))
    assert "settings of fasttd3-large are not known" in " ".join(published_caveats("fasttd3-large"))


def test_unknown_names_are_explained():
    with pytest.raises(ConfigurationError, match="Unknown published variant 'reppo-larg'. Did you mean 'reppo-large'"):
        published("reppo-larg")
    with pytest.raises(ConfigurationError, match="not of the form published:VARIANT.*reppo compare"):
        parse_against("results/other")
    assert parse_against("published:ppo") == "ppo"


RAW = os.environ.get("REPPO_RAW_CURVES")


@pytest.mark.skipif(RAW is None, reason="REPPO_RAW_CURVES names no copy of the results folder of cvoelcker/reppo")
def test_aggregates_of_the_raw_curves():
    """Final scores, and stratified percentile intervals, of the raw curves; expected values computed independently."""
    assert RAW is not None
    expected = [  # suffix of the files, aggregate, its value, and its interval
        ("large_data", "task_iqm", 876, (845, 901)),
        ("medium_data", "task_iqm", 880, (868, 893)),
        ("small_data", "task_iqm", 875, (847, 893)),
        ("large_data", "pooled_iqm", 882, (870, 894)),
        ("medium_data", "pooled_iqm", 872, (865, 878)),
        ("small_data", "pooled_iqm", 880, (866, 892)),
        ("large_no_norm_data", "task_iqm", 816, None),
        ("large_data_no_aux_data", "task_iqm", 870, None),
        ("full_large_data", "task_iqm", 873, None),
        ("value_large_data", "task_iqm", 541, None),
        ("small_no_gauss_data", "task_iqm", 709, None),
    ]
    for suffix, name, value, interval in expected:
        scores = {}
        for file in Path(RAW).glob(f"*_{suffix}.csv"):
            task = file.name.removesuffix(f"_{suffix}.csv")
            if "_" not in task and not task.startswith(JOYSTICK):
                last = file.read_text().splitlines()[-1].split(",")[1:]
                scores[task] = np.array([float(text) for text in last if text])
        assert len(scores) == 23, suffix
        (row,) = aggregate(_table(scores), [name], method="percentile", resamples=4000)
        assert round(row.estimate) == value, (suffix, name)
        if interval is not None:
            np.testing.assert_allclose((row.low, row.high), interval, atol=3, err_msg=f"{suffix} {name}")


def _table(scores: dict[str, np.ndarray]) -> ScoreTable:
    most = max(map(len, scores.values()))
    values = np.full((1, len(scores), most), np.nan)
    for j, own in enumerate(scores.values()):
        values[0, j, : len(own)] = own
    nothing = np.zeros(values.shape, np.bool_)
    return ScoreTable(
        arms=("published",),
        tasks=tuple(scores),
        seeds=np.arange(most),
        scores=values,
        present=np.isfinite(values),
        diverged=nothing,
        environment_steps=nothing.astype(np.int64),
    )
