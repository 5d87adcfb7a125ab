"""The Python of the documentation runs as it stands."""

import re
from pathlib import Path

import pytest

from reppo.ablation import all_ablations
from reppo.ablation.ablation import _registered
from reppo.sweep import Experiment

ROOT = Path(__file__).parents[1]


@pytest.fixture
def run_page():
    """Runs the Python of a page; ablations that it declares are forgotten afterwards."""
    catalog = all_ablations()

    def run(page):
        blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
        names = {"__name__": "page"}
        exec(compile("\n".join(blocks), page, "exec"), names)
        return names

    yield run
    _registered.clear()
    _registered.update(catalog)


@pytest.mark.parametrize("page", ["README.md", "docs/first-study.md"])
def test_a_page_declares_an_experiment(run_page, page):
    assert isinstance(run_page(page)["experiment"], Experiment)


def test_the_example_of_an_ablation_works_beside_the_catalog(run_page):
    catalog = all_ablations()
    names = run_page("docs/first-study.md")
    own, experiment = names["layer_norm_critic"], names["experiment"]
    spec = experiment.base(experiment.environments[0])
    assert own.name not in catalog
    assert own(spec) != spec
