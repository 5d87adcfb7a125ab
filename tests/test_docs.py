"""The Python of README and documentation runs as it stands."""

import dataclasses
import re
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import reppo
from reppo import environments, presets, sweep
from reppo.ablation import all_ablations
from reppo.ablation.ablation import _registered
from reppo.results import load_results
from reppo.sweep import Experiment
from reppo.tracking import NoTracker
from tests.analysis.synthetic import make_results
from tests.tiny import tiny_preset

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
HERE = [
    "README.md",
    "docs/discrete.md",
    "docs/first-study.md",
    "docs/hybrids.md",
    "docs/index.md",
    "docs/policies.md",
    "docs/ppo.md",
    "docs/sac.md",
    "docs/td3.md",
    "docs/published.md",
    "docs/python.md",
    "docs/report.md",
    "docs/results.md",
    "docs/statistics.md",
    "docs/tracking.md",
]
BLOCK = re.compile(r"(<!-- not run: .+ -->\n+)?^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """The blocks of Python on a page that are to be run."""
    return [source for excused, _, source in BLOCK.findall(page.read_text(encoding="utf-8")) if not excused]


@pytest.fixture
def run_page():
    """Runs the Python of a page with what else it needs; ablations that it declares are forgotten afterwards."""
    catalog = all_ablations()

    def run(page, **names):
        names["__name__"] = "page"
        exec(compile("\n".join(blocks(ROOT / page)), page, "exec"), names)
        return names

    yield run
    _registered.clear()
    _registered.update(catalog)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_is_run_here_or_by_a_test_that_names_its_page(page):
    if blocks(page) and str(page.relative_to(ROOT)) not in HERE:
        tests = [path.read_text(encoding="utf-8") for path in ROOT.glob("tests/*/**/*.py")]
        assert any(page.name in test for test in tests), f"No test runs the Python of {page.name}."


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/index.md",
        "docs/first-study.md",
        "docs/discrete.md",
        "docs/ppo.md",
        "docs/hybrids.md",
        "docs/sac.md",
        "docs/td3.md",
    ],
)
def test_a_page_declares_an_experiment(run_page, page):
    assert isinstance(run_page(page)["experiment"], Experiment)


@pytest.mark.slow  # trains all arms on both tasks, in small
def test_the_hybrids_of_the_page_train(run_page, tmp_path):
    small = {
        "algorithm.num_environments": 16,
        "algorithm.rollout_length": 8,
        "algorithm.batches.num_minibatches": 2,
        "algorithm.actor.width": 16,
        "algorithm.critic.width": 16,
        "evaluation.interval": 128,
        "evaluation.episodes": 2,
    }
    overrides = [f"{path}={value}" for path, value in small.items()]
    declared = run_page("docs/hybrids.md")["experiment"]
    experiment = dataclasses.replace(declared, seeds=[0], steps=256, overrides=overrides)
    sweep.execute(experiment, tmp_path, NoTracker())
    runs = load_results(tmp_path)
    assert len(runs) == len(experiment.runs()) == 2 * (1 + len(declared.arms) + 1 + len(declared.rivals[0].arms))
    assert {(run.record.status, run.record.environment_steps) for run in runs} == {("finished", 256)}


def test_readme_and_home_show_the_quickstart():
    """The same code three times, but for the docstring of the file."""
    (readme,), (home,) = blocks(ROOT / "README.md"), blocks(ROOT / "docs/index.md")
    assert readme == home
    names, quickstart = {"__name__": "page"}, {"__name__": "page"}
    exec(compile(home, "index.md", "exec"), names)
    exec(compile((ROOT / "experiments/quickstart.py").read_text(encoding="utf-8"), "quickstart.py", "exec"), quickstart)
    ids = [[run.id for run in found["experiment"].runs()] for found in (names, quickstart)]
    assert ids[0] == ids[1]


def test_the_example_of_an_ablation_works_beside_the_catalog(run_page):
    catalog = all_ablations()
    names = run_page("docs/first-study.md")
    own, experiment = names["layer_norm_critic"], names["experiment"]
    spec = experiment.base(experiment.environments[0])
    assert own.name not in catalog
    assert own(spec) != spec


@pytest.fixture
def results(pendulum_results, tmp_path, monkeypatch):
    """Results where pages look for those of the quickstart."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(pendulum_results, tmp_path / "results" / "quickstart")


def test_the_policies_of_the_page_act(run_page, results):
    observations = jnp.zeros((3, 3))
    names = run_page("docs/policies.md", jax=jax, observation=observations[0], observations=observations)
    assert names["action"].shape == (1,) and names["actions"].shape == (3, 1)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Results of two arms on two tasks where pages look for those of the quickstart."""
    arms, tasks = {"base": 0.8, "kl/no_kl": 0.4}, ["CheetahRun", "HopperHop"]
    make_results(tmp_path / "results" / "quickstart", arms, tasks, 3, reports=2, steps=6_000_000)
    monkeypatch.chdir(tmp_path)


def test_the_report_of_the_page_is_written(run_page, study, tmp_path):
    run_page("docs/report.md")
    assert (tmp_path / "elsewhere" / "index.html").exists()


def test_the_statistics_of_the_page_are_made(run_page, study, capsys):
    run_page("docs/statistics.md")
    out = capsys.readouterr().out
    assert "PairedEffect(" in out and "AggregateRow(" in out


def test_the_published_curves_of_the_page_are_there(run_page):
    names = run_page("docs/published.md")
    assert len(names["curve"].iqm) == len(names["curve"].environment_steps)


def test_the_sink_of_the_page_hears_of_a_sweep(run_page, results):
    experiment = Experiment(
        name="pendulum", base=tiny_preset, environments=[environments.gymnax("Pendulum-v1")], seeds=[0, 1], steps=512
    )
    names = run_page("docs/tracking.md", experiment=experiment, path=results)
    assert "Pager" in names


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
