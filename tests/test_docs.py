"""The Python of the documentation runs as it stands."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import reppo
from reppo import presets, sweep
from reppo.ablation import all_ablations
from reppo.ablation.ablation import _registered
from reppo.sweep import Experiment
from tests.tiny import tiny_preset

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


def test_the_guide_to_python_runs(run_page, monkeypatch, tmp_path):
    """With tiny networks and few steps, which other tests have compiled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "reppo_small", tiny_preset)
    fewer = {100_000: 512, 200_000: 640}

    def train(spec, steps, *, seeds, **rest):
        assert seeds == 4
        return sweep.train(spec, fewer[steps], seeds=2, progress=False, **rest)

    monkeypatch.setattr(reppo, "train", train, raising=False)
    names = run_page("docs/python.md")
    text = (ROOT / "docs/python.md").read_text()
    assert names["result"].steps.tolist() == [0, 256, 512] and names["longer"].steps[-1] == 640
    assert set(names["kl_of_seeds"]) == {0, 1} and (tmp_path / "pendulum.png").exists()
    assert -2000 < names["total"] < 0
    np.testing.assert_allclose(names["returns"], [5.5, 0.0, 29.0])
    np.testing.assert_allclose(names["histogram"] @ np.arange(11.0), 2.5, atol=1e-3)
    value, logits = names["value"], names["logits"]
    np.testing.assert_allclose([value.decode(logits), value.loss(logits, jnp.array(2.5))], [5.0, 2.398], atol=1e-3)
    np.testing.assert_allclose(names["toward"], 1 / 11 - names["histogram"], atol=1e-6)
    np.testing.assert_allclose(
        [names[name] for name in ("divergence", "inside", "outside")], [0.08, -2.1, 0.6], atol=1e-6
    )
    assert all(said in text for said in ("[5.5, 0.0, 29.0]", "2.398", "0.08: half", "= -2.1", "= 0.6"))


def test_the_example_of_frames_runs(run_page, monkeypatch, tmp_path, pendulum_results):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/quickstart").symlink_to(pendulum_results)
    monkeypatch.chdir(tmp_path)
    names = run_page("docs/results.md")
    assert set(names["metrics"].metric) == {"actor/kl", "critic/loss"}
    assert len(names["last"]) == 2 * 4  # seeds, episodes
