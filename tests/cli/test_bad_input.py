"""Everything that a user may get wrong: one paragraph that names the value, what is allowed and the cure; exit code 2.

All cases are in one table. They run as users run them, without the type checker, and nothing may compile or start
training on the way to the message.
"""

import errno
import importlib
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import reppo
from reppo import cli
from reppo.results import files
from reppo.results.lock import only_process

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(reppo.__file__).parents[1])}

STUDY = {
    "name": "'study'",
    "base": "presets.reppo_small",
    "environments": "[environments.probe('BestAction')]",
    "arms": "[kl.no_kl]",
    "seeds": "[0]",
    "steps": "2048",
}


def study(before="", after="", **changes):
    """The text of an experiment file; its Experiment begins in line 4."""
    fields = "\n".join(f"    {name}={value}," for name, value in (STUDY | changes).items() if value is not None)
    imports = (
        "from ablations import kl, normalization, value\nfrom reppo import Experiment, environments, presets, setting"
    )
    return f"{imports}\n{before}\nexperiment = Experiment(\n{fields}\n)\n{after}\n"


def run(*options, text=None, **changes):
    """`reppo run` on an experiment file."""
    return ["run", "{file}", *options], study(**changes) if text is None else text


def command(*arguments):
    return list(arguments), None


CASES = {
    # The command line itself.
    "no command": (command(), r"COMMAND is missing: one of run, submit, plan, .*. See: reppo --help"),
    "unknown command": (command("rnu"), r"Unknown command 'rnu'. Did you mean 'run'"),
    "no file": (command("run"), r"FILE is missing: a Python file with an Experiment. See: reppo run --help"),
    "unknown option": (run("--step-count", "5"), r"Unknown option '--step-count'. Did you mean '--steps'.*run --help"),
    "the beginning of an option": (run("--seed", "3"), r"Unknown option '--seed'. Did you mean '--seeds'.*3, is seed"),
    "the beginning of another": (run("--environment=X"), r"Unknown option '--environment'. Did you mean '--environmen"),
    "an unknown option of a report": (command("report", "{tmp}", "--sclae=none"), r"'--sclae'. Did you mean '--scale'"),
    "an unknown option of a report and its value": (command("report", "x", "--formt", "md"), r"'--format' .*report --"),
    "an argument too many": (run("more"), r"an argument too many: 'more'. See: reppo run --help"),
    "an option without its value": (run("--steps"), r"Argument --steps: expected one argument"),
    "steps that are no number": (run("--steps", "many"), r"'many' is not a whole number; write it like 500000, 500k"),
    "a fraction of a step": (run("--steps", "1.5"), r"'1.5' is not a whole number"),
    "no steps": (run("--steps", "0"), r"steps are 0; give a whole number of at least 1"),
    "steps below zero": (run("--steps=-5"), r"steps are -5; give a whole number of at least 1"),
    "seeds that are no numbers": (run("--seeds", "a,b"), r"'a,b' is neither a number of seeds nor a list of them"),
    "a range that goes down": (run("--seeds", "5-3"), r"'5-3' is neither a number of seeds nor a list of them, such a"),
    "more seeds than anybody has": (run("--seeds", "4000000000"), r"'4000000000' is neither.*up to 100000"),
    "no seeds": (run("--seeds", "0"), r"has no seeds; give at least one"),
    "an arm that is not there": (run("--arms", "kl/no_lk"), r"Unknown arm 'kl/no_lk'. Did you mean 'kl/no_kl'"),
    "an environment that is not there": (run("--environments", "BestActio"), r"Unknown environment 'BestActio'. Did y"),
    "wandb in another way": (run("--wandb", "onlin"), r"Unknown wandb 'onlin'. Did you mean 'online'"),
    "wandb without a login": (run("--wandb", "online"), r"no WANDB_API_KEY is set.*wandb login.*--wandb offline"),
    # Settings.
    "a setting without a value": (run("--set", "gamma"), r"setting 'gamma' is not of the form path=value"),
    "an unknown path": (run("--set", "gama=0.9"), r"has no path 'gama'. Did you mean 'algorithm.gamma'"),
    "a path that is not unique": (run("--set", "width=8"), r"'width' is not unique: algorithm.actor.width, algorithm"),
    "a text for a number": (run("--set", "gamma=high"), r"algorithm.gamma cannot be 'high': Expected a number for"),
    "a number out of range": (run("--set", "gamma=1.1"), r"algorithm: gamma is 1.1; give one in \[0, 1\]"),
    "infinity": (run("--set", "reward_scale=1e999"), r"reward_scale is inf; give a finite number"),
    "a fraction for a count": (run("--set", "num_environments=2.5"), r"num_environments is 2.5; give a whole number"),
    "a setting without effect": (run("--set", "gamma=0.99"), r"'gamma=0.99' has no effect: the base is already so"),
    "an unknown component": (run("--set", "value=HLGaus()"), r"Unknown component 'HLGaus'. Did you mean 'HLGauss'"),
    "an abstract component": (run("--set", "value=AbstractValue()"), r"AbstractValue is abstract.*kind: .*HLGauss"),
    "an unknown field": (run("--set", "value=HLGauss(bins=3)"), r"HLGauss\(bins=3\) cannot be built: .*bins"),
    "a component in another slot": (run("--set", "gate=RMSNorm()"), r"gate holds RMSNorm.*but it is a slot for Abstra"),
    "rows that minibatches do not divide": (run("--set", "num_minibatches=7"), r"2048 rows, which 7 minibatches do no"),
    "a discount of 1 without a support": (
        run("--set", "gamma=1", environments="[environments.gymnax('Pendulum-v1')]"),
        r"needs gamma < 1. Give .*FixedSupport\(low, high",
    ),
    "a folder in place of a precision": (run("--set", "matmul_precision=low"), r"matmul_precision is 'low'; give one "),
    # The file.
    "a file that does not exist": (command("run", "nothing.py"), r"There is no file 'nothing.py'. Give a Python file"),
    "a folder for a file": (command("run", "{tmp}"), r"is a folder. Give a Python file that declares an Experiment"),
    "a file of another kind": (command("run", "{text}"), r"is no Python file: its name must end in .py"),
    "a syntax error": (run(text="x = 1\ny = x +\n"), r"study.py, line 2: SyntaxError: invalid syntax"),
    "an error in the file": (run(text="x = 1\n\n1 / 0\n"), r"study.py, line 3: ZeroDivisionError: division by zero"),
    "a module that is not installed": (run(before="import torchh"), r"line 3: ModuleNotFoundError: No module named 't"),
    "no experiment": (run(text="x = 1\n"), r"declares no experiments; declare one: experiment = Experiment"),
    "two experiments": (run(after=study(name="'other'").replace("experiment =", "another =")), r"declares 2 experimen"),
    "a file that ends the program": (run(after="raise SystemExit"), r"line \d+: the file ends the program.*__main__"),
    "nothing to list": (command("list"), r"Kind is missing: one of ablations, components, .*. See: reppo list --help"),
    "nothing to show": (command("show"), r"NAME is missing: such as kl/no_kl, .*. See: reppo show --help"),
    "a misspelled argument": (run(stepps="5"), r"lines 4 to \d+: TypeError: .*'stepps'. Did you mean 'steps'[ ?]"),
    "a folder that only looks open": (run("--out", "/proc/reppo"), r"Cannot write to '/proc/reppo': '/proc' is closed"),
    "no steps in the file": (run(steps=None), r"lines 4 to \d+: TypeError: .*'steps'"),
    # What is declared.
    "a name with a slash": (run(name="'a/b'"), r"lines 4 to 11: The experiment's name is 'a/b'.*without slashes"),
    "a base that is no preset": (run(base="'reppo'"), r"base is 'reppo'; give a preset, such as presets.reppo_small"),
    "an unknown preset": (run(base="presets.repo"), r"line \d: AttributeError: .*has no attribute 'repo'"),
    "no environments": (run(environments="[]"), r"has no environments; give at least one"),
    "an environment as text": (run(environments="['Pendulum-v1']"), r"'Pendulum-v1' is no environment spec; use envir"),
    "one environment for a list": (run(environments="environments.probe('BestAction')"), r"environments must be a lis"),
    "an environment twice": (run(environments="[environments.probe('BestAction')] * 2"), r"listed twice: BestAction"),
    "an unknown task": (run(environments="[environments.gymnax('Pendulum')]"), r"Unknown gymnax task 'Pendulum'. Did "),
    "a task that needs the network": (
        run(environments="[environments.gymnax('MNISTBandit-bsuite')]"),
        r"fetches its images from the network.*choose one of ",
    ),
    "a preset for other actions": (
        run(base="presets.reppo_reference", environments="[environments.gymnax('CartPole-v1')]"),
        r"TanhNormalHead is for actions in a box, and those of CartPole-v1 are a discrete set. Choose CategoricalHead",
    ),
    "a setting that the task lacks": (
        run(environments="[environments.gymnax('Pendulum-v1', {'max_torq': 2.0})]"),
        r"Unknown parameter of Pendulum-v1 'max_torq'. Did you mean 'max_torque'",
    ),
    "rewards of unknown range": (
        run(environments="[environments.gymnax('Pendulum-v1', {'max_speed': 2.0})]"),
        r"range of rewards of Pendulum-v1.* is not known.*Give the range of returns yourself.*FixedSupport\(",
    ),
    "an arm as text": (run(arms="['kl/no_kl']"), r"'kl/no_kl' is no ablation; import one from the catalog"),
    "an arm twice": (run(arms="[kl.no_kl, kl.no_kl]"), r"An arm is listed twice: kl/no_kl"),
    "one setting under two names": (
        run(arms="[setting('kl_bound', 0.2), setting('objective.kl_bound', 0.2)]"),
        r"arms 'kl_bound=0.2' and 'objective.kl_bound=0.2' are the same on BestAction.*Leave one of them out",
    ),
    "an arm that changes nothing": (run(arms="[setting('kl_bound', 0.1)]"), r"'kl_bound=0.1' changes nothing in this "),
    "an arm whose path is not there": (
        run(arms="[setting('algorithm.clip_range', 0.2)]"),
        r"'algorithm.clip_range=0.2' touches algorithm.clip_range, which is not a path of Reppo.*no algorithm has",
    ),
    "arms that disagree": (
        run(arms="[kl.no_kl + setting('kl_bound', 0.2)]"),
        r"'kl/no_kl' and 'kl_bound=0.2' both touch .*Combine only ablations that touch different paths",
    ),
    "a seed below zero": (run(seeds="[-1]"), r"seed -1 is not a whole number from 0 to 4294967295"),
    "a seed twice": (run(seeds="[1, 1]"), r"A seed is listed twice: 1"),
    "steps as a fraction": (run(steps="1e6"), r"steps are 1000000.0; give a whole number of at least 1"),
    # Folders of results.
    "a report of nothing": (command("report", "nowhere"), r"'nowhere' is no results folder: it has no experiment.json"),
    "a report in a strange form": (command("report", "{other}/study", "--format", "pdf"), r"--format pdf is unknown. "),
    "a report where a file is": (command("report", "{other}/study", "--out", "{text}/x"), r"Cannot create the folder"),
    "nothing to compare": (command("compare", "{other}/study", "nowhere"), r"'nowhere' is no results folder"),
    "a video where a file is": (command("render", "{tmp}", "--out", "{text}/a.gif"), r"notes.txt' is a file. Remove "),
    "a file where results should be": (run("--out", "{text}"), r"Cannot create the folder .*is a file. Remove it or c"),
    "a folder that cannot be made": (run("--out", "/proc/results"), r"Cannot (create the folder|write to) '/proc/res"),
    "a folder of another experiment": (run("--out", "{other}"), r"holds the results of experiment 0{12} \('x'\).*with"),
    "results of nobody": (run("--out", "{orphans}"), r"holds runs but no experiment.json.*choose another with --out"),
    "a damaged experiment.json": (run("--out", "{damaged}"), r"experiment.json' is not valid JSON.*Restore it from a "),
    "a folder in use": (run("--out", "{held}"), r"Another process is writing to .*: process \d+ on .*Wait until it en"),
    "a full disk": (run("--out", "{full}"), r"Cannot write .*: No space left on device. Make room.*continues from the"),
    # What there is.
    "an unknown kind": (command("list", "ablation"), r"Unknown kind 'ablation'. Did you mean 'ablations'"),
    "an unknown theme": (command("list", "ablations", "--theme", "klo"), r"Unknown theme of ablations 'klo'. Did you "),
    "an unknown ablation": (command("show", "kl/no_lk"), r"Unknown ablation 'kl/no_lk'. Did you mean 'kl/no_kl'.*repp"),
    "an unknown name": (command("show", "HLGaus"), r"Unknown name 'HLGaus'. Did you mean 'HLGauss'.*reppo list"),
    "an unknown preset to compare": (command("diff", "reppo", "repo_small"), r"Unknown preset or ablation 'repo_small"),
    "an unknown base": (command("show", "kl/no_kl", "--base", "repo"), r"Unknown preset 'repo'. Did you mean 'reppo'"),
    "an unknown task to show on": (
        command("diff", "reppo", "reppo_small", "--environment", "Cartpole"),
        r"Unknown environment 'Cartpole'. Did you mean 'CartPole-v1' or 'Cartpole.*reppo list environments",
    ),
    "an unknown shell": (command("completion", "tcsh"), r"Unknown shell 'tcsh'. (Did you mean|Known: )"),
    # Trained policies.
    "a run that does not exist": (command("evaluate", "nowhere"), r"There is no folder 'nowhere'. Give the folder of "),
    "a folder that is no run": (command("evaluate", "{tmp}"), r"is no folder of a run: it has no record.json. Give on"),
    "an experiment for a run": (command("evaluate", "{other}/study"), r"is the folder of a whole experiment. Give a r"),
    "a status of no results": (command("status", "{tmp}"), r"is no results folder: it has no experiment.json. Give"),
    "an inspection of no run": (command("inspect", "{tmp}"), r"is no folder of a run: it has no record.json. Give one"),
    "a clean-up of no results": (command("gc", "{tmp}", "--yes"), r"is no results folder: it has no experiment.json"),
    "a clean-up of a folder in use": (command("gc", "{held}/used", "--yes"), r"Another process is writing to '.*used'"),
    "an unknown policy": (command("render", "{tmp}", "--which", "bst"), r"Unknown which 'bst'. Did you mean 'best'"),
    "a number of episodes as text": (command("evaluate", "{tmp}", "--episodes", "few"), r"'few' is not a whole number"),
}  # fmt: skip


@pytest.fixture
def places(tmp_path, request, monkeypatch):
    """Files and folders that the arguments name."""
    for folder in ("other/study", "orphans/study/runs", "damaged/study", "held/study", "held/used", "full"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "other/study/experiment.json").write_text('{"id": "000000000000", "name": "x"}')
    (tmp_path / "held/used/experiment.json").write_text('{"id": "000000000000", "name": "x"}')
    (tmp_path / "damaged/study/experiment.json").write_text('{"id": ')
    (tmp_path / "notes.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    names = ("other", "orphans", "damaged", "held", "full")
    yield {name: str(tmp_path / name) for name in names} | {
        "tmp": str(tmp_path), "text": str(tmp_path / "notes.txt"), "file": str(tmp_path / "study.py")
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gives_one_paragraph_and_code_2(case, places, unchecked, monkeypatch, capsys):
    (arguments, text), message = CASES[case]
    if text is not None:
        with open(places["file"], "w") as file:
            file.write(text)
    monkeypatch.setattr(importlib.import_module("reppo.sweep.execute"), "make_program", None)  # nothing may compile
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", places["text"] + ".none")
    arguments = [argument.format(**places) for argument in arguments]
    if case == "a full disk":

        def full(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(files.os, "fsync", full)
    if case.endswith("a folder in use"):
        monkeypatch.setattr(importlib.import_module("reppo.sweep.plan"), "PLANNING_SECONDS", 0.1)
        with only_process(Path(places["held"]) / "study"), only_process(Path(places["held"]) / "used"):
            code = cli.main(arguments)
    else:
        code = cli.main(arguments)
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    said = without_progress(shown.err)
    assert said.startswith("reppo: ") and said.endswith("\n")
    paragraph = said.removeprefix("reppo: ").rstrip("\n")
    assert "\n" not in paragraph, "one paragraph"
    assert re.search(message, paragraph), paragraph
    assert "Traceback" not in paragraph and "np.float32" not in paragraph
    assert not re.search(r"\d\.\d{12,}", paragraph), "a float32 is shown as it was written"


def without_progress(text):
    """Without the lines that say what takes long on a busy machine."""
    return "".join(line for line in text.splitlines(keepends=True) if not re.match(r"\[[\d:]+s?\] [a-z]", line))


def test_there_are_enough_kinds():
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", ["unknown command", "an unknown task", "a number out of range"])
def test_a_process_of_its_own_says_the_same_without_a_simulator(case, tmp_path):
    (arguments, text), message = CASES[case]
    (tmp_path / "study.py").write_text(text or "")
    code = textwrap.dedent("""
        import sys
        from reppo.cli import main
        code = main()
        heavy = ("mujoco", "mujoco_playground", "gymnax", "orbax", "wandb", "matplotlib")
        print([name for name in heavy if name in sys.modules])
        raise SystemExit(code)
    """)
    command = [sys.executable, "-c", code, *(a.format(file=tmp_path / "study.py") for a in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == 2
    assert re.search(message, done.stderr) and without_progress(done.stderr).count("\n") == 1
    assert done.stdout.strip() == "[]"
