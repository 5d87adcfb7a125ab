"""What was measured of ablations."""

import pytest

from reppo.ablation import all_ablations
from reppo.analysis import published_effects
from reppo.descriptions.found import findings

MEASURED = {
    "auxiliary/none": "no-auxiliary",
    "kl/no_kl": "no-kl",
    "kl/penalized": "penalized-kl",
    "normalization/no_norm": "no-norm",
    "value/mse": "mse-critic",
}


@pytest.mark.parametrize("name", MEASURED)
def test_findings_are_the_published_effects(name):
    for found in findings(name):
        table = published_effects(found.base)
        columns = zip(table["task_iqm"], table["base"], table["tasks"], strict=True)
        rows = dict(zip(table["variant"], columns, strict=True))
        assert found[2:] == pytest.approx(rows[f"{found.base}/{MEASURED[name]}"])
    assert "reppo-large" in {found.base for found in findings(name)}


def test_less_data_is_another_published_size():
    (half,), (quarter,) = findings("updates/half_data"), findings("updates/quarter_data")
    assert (half.variant, quarter.variant) == ("reppo-medium", "reppo-small")
    assert half.tasks == quarter.tasks == 23 and half.base_score == pytest.approx(876, abs=1)


def test_nothing_is_found_of_what_was_not_measured():
    measured = {name for name in all_ablations() if findings(name)}
    assert measured == {*MEASURED, "updates/half_data", "updates/quarter_data"}
