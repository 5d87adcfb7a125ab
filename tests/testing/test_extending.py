"""The page on components and ablations of one's own: its code is run."""

import re
from pathlib import Path

import equinox as eqx
import hypothesis
import pytest

from reppo.ablation import all_ablations
from reppo.ablation.ablation import _registered
from reppo.component import Component
from reppo.spec import from_json, to_json
from reppo.sweep.experiment_file import load_experiment
from reppo.training import init, train_chunk

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
EXPERIMENT, *TESTS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
(MESSAGE,) = re.findall(r"```text\n(.*?)\n```", PAGE, flags=re.S)


@pytest.fixture(autouse=True)
def forget():
    """Forgets what the page registers."""
    all_ablations()  # those of the catalog are no news of the page
    ablations, components = dict(_registered), dict(Component.registry)
    yield
    for registry, before in ((_registered, ablations), (Component.registry, components)):
        registry.clear()
        registry.update(before)


def test_component_and_ablation_take_less_than_20_lines():
    own = EXPERIMENT[EXPERIMENT.index("class ") : EXPERIMENT.index("experiment = ")]
    assert len([line for line in own.splitlines() if line.strip()]) < 20


def test_the_experiment_is_declared_and_traces_through_training(tmp_path):
    file = tmp_path / "fading.py"
    file.write_text(EXPERIMENT)
    experiment = load_experiment(file)
    runs = {run.arm: run.spec for run in experiment.runs()}
    assert list(runs) == ["base", "kl/fading", "kl/no_kl"]
    spec = runs["kl/fading"]
    assert type(spec.algorithm.actor_loss.objective).__name__ == "FadingKL"
    assert from_json(to_json(spec)) == spec
    state = eqx.filter_eval_shape(init, spec, 0)
    _, report = eqx.filter_eval_shape(train_chunk, spec, state, 1)
    assert "actor/kl" in report.metrics


def run_tests(source):
    namespace = {"__name__": "extending"}
    exec(compile(source, "extending.md", "exec"), namespace)
    found = [function for name, function in namespace.items() if name.startswith("test_")]
    for function in found:
        function()
    return len(found)


def test_the_tests_of_the_page_pass():
    assert [run_tests(f"{EXPERIMENT}\n{test}") for test in TESTS] == [1, 1]


def test_the_page_shows_the_message_of_a_broken_law():
    without = EXPERIMENT.replace("jax.lax.stop_gradient(kl / self.kl_bound)", "kl / self.kl_bound")
    assert without != EXPERIMENT
    fast = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.load_profile("reppo")  # which makes inputs small
    try:
        with pytest.raises(AssertionError) as error:
            run_tests(f"{without}\n{TESTS[0]}")
    finally:
        hypothesis.settings.load_profile(fast)
    # Which input is the smallest may change with hypothesis; all else may not.
    masked = lambda text: re.sub(r"-?\d+(\.\d+)?(e-\d+)?", "0", text)
    assert masked(str(error.value)) == masked(MESSAGE)
