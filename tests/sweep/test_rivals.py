"""Arms that start from another preset: two presets of REPPO, trained tiny, from declaration to report."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from ablations import kl, value
from reppo import cli, environments, presets
from reppo.ablation import setting
from reppo.ablation.designs import grid
from reppo.analysis import build_report, caveats_of, design_of, format_table, score_table, summary_table
from reppo.results import load_results
from reppo.results.status import format_status, read_status
from reppo.spec import replace_path, resolve
from reppo.sweep import Experiment, Rival, execute
from reppo.tracking import NoTracker
from tests.tiny import tiny_preset, tiny_reppo

TASK = environments.probe("BestAction")
SIZE = ["num_environments=16", "num_minibatches=2", "epochs=2", "actor.width=16", "critic.width=16", "num_bins=21"]
STEPS = 1000


def declare(**changes):
    """`reppo_small` against `reppo_reference` cut to its size, in iterations of 128 and 192 steps."""
    settings = {
        "name": "rivals",
        "base": presets.reppo_small,
        "rivals": [Rival(presets.reppo_reference, arms=[setting("kl_bound", 0.2)])],
        "arms": [setting("kl_bound", 0.2)],
        "environments": [TASK],
        "seeds": [0, 1],
        "steps": STEPS,
        "overrides": [
            *SIZE,
            "evaluation.interval=256",
            "evaluation.episodes=4",
            "base:rollout_length=8",
            "reppo_reference:rollout_length=12",
        ],
    }
    return Experiment(**(settings | changes))


def longer(environment):
    return dataclasses.replace(tiny_preset(environment), algorithm=tiny_reppo(rollout_length=12))


def arms_of(experiment):
    return list(dict.fromkeys(run.arm for run in experiment.runs()))


def tiny(**changes):
    return declare(**({"base": tiny_preset, "rivals": [longer], "arms": [], "overrides": []} | changes))


def test_a_rival_and_its_ablations_are_arms_with_names_of_their_own():
    experiment = tiny(rivals=[Rival(longer, arms=[kl.no_kl, kl.no_kl + value.mse])], arms=[kl.no_kl])
    assert arms_of(experiment) == ["base", "kl/no_kl", "longer", "longer+kl/no_kl", "longer+kl/no_kl+value/mse"]
    assert {run.rival for run in experiment.runs()} == {"", "longer"}
    last = experiment.runs()[-1]
    assert (last.rival, last.ablations) == ("longer", ("kl/no_kl", "value/mse"))
    assert arms_of(tiny(rivals=[Rival(lambda task: longer(task), name="second")])) == ["base", "second"]


def test_the_runs_of_a_rival_are_those_that_it_has_as_a_base_evaluated_alike():
    as_base = tiny(base=longer, rivals=[], arms=[kl.no_kl])
    as_rival = tiny(rivals=[Rival(longer, arms=[kl.no_kl])])
    ids = lambda experiment, rival: [run.id for run in experiment.runs() if run.rival == rival]
    assert ids(as_rival, "longer") == ids(as_base, "")
    assert ids(as_rival, "") == ids(tiny(rivals=[]), "")  # nor does a rival change the others


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rivals": [lambda task: longer(task)]}, "named '<lambda>'; give it a name of lower-case letters"),
        ({"rivals": [longer, longer]}, "listed twice: longer"),
        ({"rivals": [tiny_preset]}, "The arms 'base' and 'tiny_preset' are the same on BestAction"),
        ({"overrides": ["kl_bond=0.2"]}, "does not fit. The spec has no path"),
        ({"overrides": ["longer:kl_bond=0.2"]}, "does not fit the rival 'longer'. The spec has no path (?!.*--set)"),
        ({"overrides": ["shorter:gamma=0.5"]}, "Unknown arm 'shorter'.*base or a rival"),
        ({"overrides": ["longer:gamma=0.99"]}, "no effect: 'longer' is already so"),
        ({"overrides": ["base:gamma=0.99"]}, "no effect: the base is already so"),
        ({"overrides": "gamma=0.5"}, "overrides must be a list, not 'gamma=0.5'"),
        ({"overrides": [("gamma", 0.5)]}, "is no setting; write it as the text 'path=value'"),
        ({"rivals": "longer"}, "rivals must be a list, not 'longer'"),
        ({"rivals": [Rival(lambda task: None, name="nothing")]}, "gave None, not a spec"),
    ],
)
def test_what_cannot_be_a_rival_is_refused_at_declaration(changes, message, unchecked):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_a_name_cannot_be_that_of_another_arm(unchecked):
    for name in ("base", "kl/no_kl", "gamma=0.5", "Longer", "a+b"):
        with pytest.raises(ValueError, match="give it a name of lower-case letters"):
            Rival(longer, name=name)
    with pytest.raises(ValueError, match="'longer' is no preset; a rival is one"):
        Rival("longer")
    for arms, message in ((kl.no_kl, "must be a list"), (None, "must be a list"), (["kl/no_kl"], "is no ablation")):
        with pytest.raises(ValueError, match=message):
            Rival(longer, arms=arms)


def test_a_setting_is_for_all_or_for_the_one_that_it_names():
    set_for = lambda *overrides: {
        run.arm: float(run.spec.algorithm.gamma) for run in tiny(arms=[kl.no_kl], overrides=overrides).runs()
    }
    half = {"base": 0.5, "kl/no_kl": 0.5, "longer": 0.5}
    assert set_for("gamma=0.5") == pytest.approx(half)
    assert set_for("base:gamma=0.5") == pytest.approx(half | {"longer": 0.99})
    assert set_for("longer:gamma=0.5", "kl_bound=0.3") == pytest.approx({arm: 0.99 for arm in half} | {"longer": 0.5})
    assert set_for("gamma=0.25", "longer:gamma=0.5") == pytest.approx({arm: 0.25 for arm in half} | {"longer": 0.5})
    assert set_for("longer:gamma=0.5", " base : gamma = 0.5", "lam=0.9") == pytest.approx(half)
    assert set_for("longer:gamma=0.5", "gamma=0.5") == pytest.approx(half)  # it changes one of them
    without = lambda task: kl.no_kl(longer(task))
    with pytest.raises(ValueError, match="does not fit the rival 'bare'.* --set base:kl_bound=0.2"):
        tiny(rivals=[Rival(without, name="bare")], overrides=["kl_bound=0.2"])
    assert len(tiny(rivals=[Rival(without, name="bare")], overrides=["base:kl_bound=0.2"]).runs()) == 4


def test_a_setting_may_be_that_of_some_tasks_already_but_not_of_all():
    scaled = lambda task: replace_path(tiny_preset(task), "reward_scale", 0.5 if task == TASK else 1.0)
    two = {"base": scaled, "rivals": [], "environments": [TASK, environments.probe("TerminalStep")]}
    runs = tiny(**two, overrides=["reward_scale=0.5"]).runs()
    assert {float(run.spec.algorithm.reward_scale) for run in runs} == {0.5}
    with pytest.raises(ValueError, match="'reward_scale=0.5' has no effect: the base is already so"):
        tiny(**two, overrides=["reward_scale=0.5", "reward_scale=0.5"])


def test_what_is_kept_of_an_experiment_has_the_base_and_the_rivals_of_its_arms():
    experiment = tiny(rivals=[Rival(longer, arms=[kl.no_kl, value.mse]), Rival(longer_still)], arms=[kl.no_kl])
    assert arms_of(experiment.select(arms=["longer+value/mse"])) == ["base", "longer", "longer+value/mse"]
    assert arms_of(experiment.select(arms=["kl/no_kl", "longer_still"])) == ["base", "kl/no_kl", "longer_still"]
    assert arms_of(experiment.select(arms=["base"])) == ["base"]
    with pytest.raises(ValueError, match=r"Unknown arm 'longer\+kl/no_lk'. Did you mean 'longer\+kl/no_kl'"):
        experiment.select(arms=["longer+kl/no_lk"])


def test_what_is_kept_of_an_experiment_keeps_the_settings_of_what_is_left():
    experiment = tiny(rivals=[longer, longer_still], overrides=["longer:gamma=0.5", "base:lam=0.5", "kl_bound=0.3"])
    assert experiment.select(arms=["longer_still"]).overrides == ("base:lam=0.5", "kl_bound=0.3")
    changed = experiment.select(arms=["longer_still"], overrides=["longer_still:gamma=0.9"])
    assert {run.arm: float(run.spec.algorithm.gamma) for run in changed.runs()} == pytest.approx(
        {"base": 0.99, "longer_still": 0.9}
    )
    assert {float(run.spec.algorithm.actor_loss.kl_bound) for run in changed.runs()} == {np.float32(0.3)}
    assert list(experiment.select(arms=["base"]).starts(TASK)) == ["base"]
    with pytest.raises(ValueError, match="Unknown arm 'longer'. Known: base. In 'longer:gamma=0.9'"):
        experiment.select(arms=["base"], overrides=["longer:gamma=0.9"])


def test_what_does_not_fit_a_rival_says_so():
    with pytest.raises(ValueError, match="The rival 'longer': The ablation 'kl_bond=1' touches kl_bond"):
        tiny(rivals=[Rival(longer, arms=[setting("kl_bond", 1)])])


def longer_still(environment):
    return dataclasses.replace(tiny_preset(environment), algorithm=tiny_reppo(rollout_length=20))


def test_a_value_of_a_rivals_grid_that_is_the_rivals_own_is_its_run():
    experiment = tiny(rivals=[Rival(longer, arms=grid("kl_bound", [0.1, 0.2]))])
    assert arms_of(experiment) == ["base", "longer", "longer+kl_bound=0.2"]


def test_a_rival_is_evaluated_as_the_base_is_at_its_steps_up_to_one_iteration():
    often = lambda task: dataclasses.replace(
        longer(task), evaluation=dataclasses.replace(longer(task).evaluation, interval=9)
    )
    experiment = tiny(
        rivals=[Rival(often, name="often"), longer_still], arms=[setting("rollout_length", 10)], steps=20_000
    )
    steps = {}
    for run in experiment.runs():
        length = run.spec.algorithm.steps_per_iteration
        steps[run.arm] = length, [point * length for point in experiment.evaluation_points(run.spec)]
    assert steps["base"][1] == [*range(0, 20_000, 256), 20_096]
    for length, own in steps.values():
        assert all(any(0 <= there - here < length for there in own) for here in steps["base"][1][:-1])
        assert len(own) <= len(steps["base"][1])
        assert 0 <= own[-1] - 20_000 < length
    other = tiny(overrides=["longer:evaluation.interval=1000"])
    assert other.evaluation_points(other.runs()[-1].spec) == [0, 6]  # an interval of its own


def test_arms_and_rivals_whose_task_has_another_name_are_evaluated_as_the_base_is():
    task, other = environments.probe("ConstantReward"), setting("environment.config", (("reward", 2.0),))
    experiment = tiny(environments=[task], arms=[other], rivals=[Rival(longer, arms=[other])], steps=1024)
    points = {run.arm: experiment.evaluation_points(run.spec) for run in experiment.runs()}
    assert {run.environment for run in experiment.runs()} == {"ConstantReward", "ConstantReward@reward=2.0"}
    assert points["base"] == points[other.name] == [0, 2, 4, 6, 8]
    assert points["longer"] == points[f"longer+{other.name}"] == [0, 2, 3, 4, 6]
    every = tiny(environments=[task], overrides=["environment.config=(('reward', 2.0),)"], steps=1024)
    points = {run.arm: every.evaluation_points(run.spec) for run in every.runs()}
    assert points == {"base": [0, 2, 4, 6, 8], "longer": [0, 2, 3, 4, 6]}
    with pytest.raises(ValueError, match="environments are the same: ConstantReward@reward=2.0"):
        tiny(
            base=lambda task: other(tiny_preset(task)) if not task.config else tiny_preset(task),
            environments=[task, environments.probe("ConstantReward", {"reward": 2.0})],
            rivals=[],
        )


def test_a_rival_on_another_task_is_refused():
    elsewhere = lambda task: dataclasses.replace(longer(task), environment=environments.probe("TerminalStep"))
    with pytest.raises(ValueError, match="'elsewhere' is trained on .* and the base on .*environments"):
        tiny(rivals=[Rival(elsewhere, name="elsewhere")])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "rivals"
    execute(declare(), path, NoTracker())
    return path


ARMS = ("base", "kl_bound=0.2", "reppo_reference", "reppo_reference+kl_bound=0.2")


def test_rivals_train_beside_the_base_and_leave_records(trained):
    runs = {(run.record.arm, run.record.seed): run for run in load_results(trained)}
    assert set(runs) == {(arm, seed) for arm in ARMS for seed in (0, 1)}
    for (arm, _), run in runs.items():
        rival = arm.startswith("reppo_reference")
        assert (run.record.rival, run.record.steps_per_iteration) == (
            ("reppo_reference", 192) if rival else (None, 128)
        )
        steps = [0, 384, 576, 768, 1152] if rival else [0, 256, 512, 768, 1024]
        assert sorted(set(run.evaluations.environment_steps.tolist())) == steps
        assert np.isfinite(run.evaluations.returns).all()
    assert {path.name for path in (trained / "runs").iterdir()} == set(ARMS)
    asked = json.loads((trained / "experiment.json").read_text())["questions"]
    assert asked["reppo_reference+kl_bound=0.2"].startswith("How does reppo_reference, another preset, do? What if")
    states = read_status(trained)
    assert states.counts(states.runs) == {"done": 8} and ARMS[-1] in format_status(states, 200)


def test_rivals_are_compared_at_common_steps_and_the_report_says_so(trained):
    results = load_results(trained)
    table = score_table(results, at_steps="common")  # 1024, which the rival goes past by 128 in its last iteration
    assert table.environment_steps[:, 0].tolist() == [[1024, 1024]] * 2 + [[1152, 1152]] * 2
    assert np.isfinite(table.scores).all() and not any("unequal" in text for text in caveats_of(table))
    cut = score_table(results, at_steps=600)  # 576 is nearer than 768, which is within an iteration
    assert cut.environment_steps[:, 0].tolist() == [[512, 512]] * 2 + [[576, 576]] * 2
    report = build_report(results, title="rivals")
    assert "Iterations of the arms differ in length: runs are compared at equal steps" in report.score
    assert not any("unequal" in text for text in report.caveats)
    assert "runs are compared at equal steps up to one of them (1.02k to 1.15k)" in format_table(summary_table(results))
    far = [run for run in results if run.record.rival] + [
        cut_short(run, 512) for run in results if not run.record.rival
    ]
    assert "Runs have come unequally far" in build_report(far, title="rivals").score


def cut_short(run, steps):
    own = run.evaluations
    kept = own.environment_steps <= steps
    fields = {field.name: getattr(own, field.name)[kept] for field in dataclasses.fields(own)}
    record = dataclasses.replace(run.record, environment_steps=steps)
    return dataclasses.replace(run, evaluations=type(own)(**fields), record=record)


def test_ablations_of_a_rival_belong_to_designs_of_the_rival_alone(trained):
    results = load_results(trained)
    of_base, of_rival = score_table(results), score_table(results, base="reppo_reference")
    assert design_of(of_base).arms == ("base", "kl_bound=0.2")
    assert design_of(of_rival).arms == ("reppo_reference", "reppo_reference+kl_bound=0.2")


def test_rivals_are_planned_shown_and_run_from_the_command_line(tmp_path, capsys):
    file = tmp_path / "study.py"
    file.write_text("from tests.sweep.test_rivals import declare\nexperiment = declare()\n")
    assert cli.main(["plan", str(file), "--json", "--out", str(tmp_path)]) == 0
    first, second = json.loads(capsys.readouterr().out)["groups"]
    assert (first["arms"], second["arms"]) == (list(ARMS[:2]), list(ARMS[2:]))
    assert (first["steps_per_iteration"], second["steps_per_iteration"]) == (128, 192)
    assert "algorithm.truncation" in second["differs"]
    assert cli.main(["plan", str(file), "--arms", "reppo_reference", "--set", "reppo_reference:gamma=0.9"]) == 0
    assert "iterations take 128 to 192 steps on BestAction" in capsys.readouterr().out
    assert cli.main(["plan", str(file), "--set", "reppo_referense:gamma=0.9"]) == 2
    assert "Did you mean 'reppo_reference'" in capsys.readouterr().err
    assert cli.main(["show", "reppo_reference+kl/no_kl", "--base", "reppo_small", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"algorithm.truncation", "algorithm.actor_loss.objective"} <= {one["path"] for one in shown["changes"]}


def test_what_is_chosen_of_an_experiment_is_not_resolved_again(monkeypatch):
    module, calls = sys.modules["reppo.sweep.experiment"], []
    monkeypatch.setattr(module, "resolve", lambda spec: (calls.append(spec), resolve(spec))[1])
    experiment = tiny(arms=[kl.no_kl, value.mse])
    assert len(calls) == 4
    chosen = experiment.select(arms=["longer", "kl/no_kl"], seeds=[0, 3], steps=256)
    assert len(calls) == 4 and arms_of(chosen) == ["base", "kl/no_kl", "longer"] and len(chosen.runs()) == 6
    assert {run.id for run in chosen.runs() if run.seed == 0} < {run.id for run in experiment.runs()}
    assert chosen.steps == 256 and experiment.steps == STEPS and len(experiment.runs()) == 8
    chosen.select(overrides=["gamma=0.5"])
    assert len(calls) == 7
