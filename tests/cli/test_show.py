"""The commands that list, show and compare what there is."""

import subprocess
import sys

import pytest

from reppo import environments, presets
from reppo.ablation import all_ablations, find_ablation
from reppo.cli import main
from reppo.component import Component, concrete_components
from reppo.descriptions.entries import find_spec
from reppo.descriptions.metrics import all_metrics
from reppo.environments import AbstractEnvironmentSpec as EnvironmentSpec
from reppo.spec import difference, from_json, resolve
from tests.cli.calls import as_json, shown


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("ablations", lambda: set(all_ablations())),
        ("metrics", lambda: set(all_metrics())),
        ("presets", lambda: set(presets.__all__)),
        ("environments", lambda: {*environments.PLAYGROUND, *environments.GYMNAX, *environments.PROBES}),
        (
            "components",
            lambda: {name for name, one in concrete_components().items() if not issubclass(one, EnvironmentSpec)},
        ),
    ],
)
def test_everything_is_listed_in_words_and_as_data(kind, names, capsys):
    entries = as_json(capsys, "list", kind)
    assert {entry["name"] for entry in entries} == names()
    text = shown(capsys, "list", kind)
    for entry in entries:
        assert entry["summary"] and entry["summary"] in text and entry["name"] in text
    theme = entries[0]["theme"]
    some = as_json(capsys, "list", kind, "--theme", theme)
    assert some == [entry for entry in entries if entry["theme"] == theme]


def test_a_slot_is_shown_with_what_fills_it_and_what_its_methods_are_given(capsys):
    entry = as_json(capsys, "show", "AbstractGate")
    assert {"PerState", "PerBatch", "NoGate"} <= set(entry["filled_by"]) and entry["fields"] == []
    (method,) = entry["methods"]
    assert method["signature"] == "(self, kl: Float[batch], bound: Float[]) -> Bool[batch]"
    text = shown(capsys, "show", "AbstractGate")
    assert "__call__(self, kl: Float[batch]" in text and "True where the policy is within the bound." in text
    assert as_json(capsys, "show", "PerState")["methods"] == []
    for name, cls in Component.registry.items():
        if name not in concrete_components() and cls.__module__.startswith("reppo."):
            assert name in shown(capsys, "show", name)


def test_an_ablation_is_shown_with_its_question_its_difference_and_the_spec_that_it_gives(capsys):
    text = shown(capsys, "show", "kl/no_kl")
    ablation = find_ablation("kl/no_kl")
    assert ablation.question in text and ablation.reference in text
    assert "  - ClippedKL(kl_bound=0.1)\n    + Unconstrained()" in text
    assert "* algorithm.actor_loss.objective = Unconstrained" in text
    assert "    algorithm.gamma = 0.99" in text
    data = as_json(capsys, "show", "kl/no_kl", "--base", "reppo_small", "--environment", "Pendulum-v1")
    base = resolve(presets.reppo_small(environments.gymnax("Pendulum-v1")))
    assert from_json(data["spec"]) == resolve(ablation(presets.reppo_small(environments.gymnax("Pendulum-v1"))))
    assert [change["path"] for change in data["changes"]] == [
        path for path, _, _ in difference(base, from_json(data["spec"]))
    ]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("off_policy/categorical_value", "sac"),
        ("off_policy/distributional_critic", "sac"),
        ("td3/one_noise", "fast_td3"),
    ],
)
def test_an_ablation_is_shown_on_a_preset_that_takes_it(name, base, capsys):
    """The first may have the paths, and not take it."""
    assert main(["show", name]) == 0
    assert f"Difference from {base} on" in capsys.readouterr().out


def test_several_ablations_and_settings_are_shown_as_one_arm(capsys):
    data = as_json(capsys, "show", "kl/no_kl+value/mse+gamma=0.9")
    assert data["name"] == "gamma=0.9+kl/no_kl+value/mse"
    spec = from_json(data["spec"])
    assert str(spec.algorithm.gamma) == "0.9" and spec == find_spec(data["name"], "reppo", "CartpoleBalance")
    assert {"algorithm.gamma", "algorithm.value"} <= {change["path"] for change in data["changes"]}


def test_presets_components_and_environments_are_shown(capsys):
    text = shown(capsys, "show", "reppo_small")
    assert "REPPO for two CPU cores" in text and "* algorithm.num_environments = 64" in text
    assert from_json(as_json(capsys, "show", "reppo")["spec"]) == find_spec("reppo", "reppo", "CartpoleBalance")
    text = shown(capsys, "show", "HLGauss")
    assert "fills      AbstractValue" in text and "num_bins              static  151" in text
    sigma = as_json(capsys, "show", "HLGauss")["fields"][2]
    assert sigma.items() >= {"name": "sigma", "kind": "scalar", "default": "0.75", "takes": None}.items()
    text = shown(capsys, "show", "Pendulum-v1")
    assert 'environments.gymnax("Pendulum-v1")' in text and "200 steps" in text
    assert "robots' models" in shown(capsys, "show", "Go1JoystickFlatTerrain")


def test_specs_are_compared(capsys):
    text = shown(capsys, "diff", "reppo", "reppo_small")
    assert text.startswith("- reppo\n+ reppo_small\non CartpoleBalance\n")
    assert "algorithm.num_environments\n  - 1024\n  + 64\n" in text
    changes = as_json(capsys, "diff", "reppo", "gamma=0.9", "--environment", "Pendulum-v1")
    assert {"path": "algorithm.gamma", "before": 0.99, "after": 0.9} in changes
    forth = as_json(capsys, "diff", "kl/no_kl", "value/mse")
    back = as_json(capsys, "diff", "value/mse", "kl/no_kl")
    assert [(c["before"], c["after"]) for c in forth] == [(c["after"], c["before"]) for c in back]
    assert "do not differ" in shown(capsys, "diff", "reppo", "base")


STUDY = """
import dataclasses

from reppo import Experiment, Rival, environments, presets
from reppo.ablations import kl
from reppo.spec import replace_path


def own_base(environment):
    return replace_path(presets.reppo_small(environment), "num_environments", 32)


experiment = Experiment(
    name="study",
    base=own_base,
    environments=[environments.gymnax("Pendulum-v1", {"max_steps_in_episode": 100}), environments.probe("BestAction")],
    arms=[kl.no_kl],
    rivals=[Rival(presets.reppo_small, name="other")],
    steps=1000,
    overrides=["lam=0.8"],
)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    file = tmp_path_factory.mktemp("study") / "study.py"
    file.write_text(STUDY)
    return file


def test_with_a_file_arms_are_those_of_its_study(capsys, study):
    data = as_json(capsys, "show", "kl/no_kl", "--file", str(study))
    spec = from_json(data["spec"])
    task = environments.gymnax("Pendulum-v1", {"max_steps_in_episode": 100})
    assert (data["base"], data["environment"], spec.environment) == ("base", task.name, task)
    paths = {change["path"] for change in data["changes"]}
    assert "algorithm.actor_loss.objective" in paths and not paths & {"algorithm.num_environments", "environment"}
    assert spec.algorithm.num_environments == 32 and str(spec.algorithm.targets.lam) == "0.8"
    base = from_json(as_json(capsys, "show", "base", "--file", str(study))["spec"])
    assert base.algorithm.num_environments == 32 and base.environment == task
    found = as_json(capsys, "show", "other+kl/no_kl", "--file", str(study), "--environment", "BestAction")
    assert found["name"] == "other+kl/no_kl" and found["environment"] == "BestAction"
    assert from_json(found["spec"]).algorithm.num_environments == 64


def test_with_a_file_specs_of_its_study_are_compared(capsys, study):
    changes = as_json(capsys, "diff", "base", "other", "--file", str(study))
    assert changes == [{"path": "algorithm.num_environments", "before": 32, "after": 64}]
    assert "\non Pendulum-v1@" in shown(capsys, "diff", "base", "reppo_small", "--file", str(study))
    paths = {change["path"] for change in as_json(capsys, "diff", "base", "reppo_small", "--file", str(study))}
    assert paths == {"algorithm.num_environments", "algorithm.targets.lam"}
    with_base = as_json(capsys, "show", "kl/no_kl", "--file", str(study), "--base", "reppo_small")
    assert from_json(with_base["spec"]).algorithm.num_environments == 64


def test_of_an_unknown_name_the_cure_comes_before_the_closest(capsys):
    for words in (("show", "Qwxyzj"), ("diff", "reppo", "Qwxyzj")):
        assert main(list(words)) == 2
        said = capsys.readouterr().err
        assert 0 < said.index("--file FILE") < said.index("The closest of the ") and said.count(",") < 12


def test_listing_imports_no_simulator():
    code = (
        "import sys\nfrom reppo.cli import main\nmain()\n"
        "heavy = ('mujoco', 'mujoco_playground', 'gymnax', 'orbax', 'wandb', 'matplotlib', 'scipy.stats')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, "list", "ablations"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
