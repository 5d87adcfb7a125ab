"""Suites are known by their folders, by registration and by entry point; one of one's own is like any other."""

import dataclasses
import math
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from reppo import environments, testing
from reppo.analysis.scores.bounds import possible_returns
from reppo.component import Component
from reppo.descriptions import entries
from reppo.environments.suites import Suite, TaskEntry, all_suites, default_task, find_suite, registry, suite_of_task
from reppo.errors import ConfigurationError
from reppo.policies import TrainedPolicy, render_episode
from reppo.results.record import RunRecord
from reppo.runtime import packages
from reppo.spec import from_json, parse_value, replace_path, to_json
from reppo.sweep.experiment_file import load_experiment
from reppo.training import init, train_chunk

PAGE = Path(__file__).parents[3] / "docs" / "suites.md"
(STUDY,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Forgets what a test registers."""
    all_suites()
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    components = dict(Component.registry)
    yield
    Component.registry.clear()
    Component.registry.update(components)


@pytest.fixture
def experiment(tmp_path):
    """The study of the page."""
    file = tmp_path / "study.py"
    file.write_text(STUDY, encoding="utf-8")
    return load_experiment(file)


def suite(**changes):
    found = Suite(name="mine", module="mine", component="MineTask", tasks={"A": TaskEntry("mine", 5)}, example="A")
    return dataclasses.replace(found, **changes)


def test_the_suites_are_those_of_the_folders():
    folders = [path.parent.name for path in Path(registry.__file__).parent.glob("*/__init__.py")]
    assert len(folders) == len(all_suites()) and {"gymnax", "playground", "probe"} <= {one.name for one in all_suites()}
    assert default_task() == "CartpoleBalance" and find_suite("gymnax").tasks is environments.GYMNAX
    for found in all_suites():
        assert found.offer(found.name).__name__ == found.name
        spec = found.declare(found.example)
        assert (spec.suite, type(spec).__name__) == (found.name, found.component)
        for name in found.offers:
            assert getattr(environments, name) is found.offer(name) and name in dir(environments)
    assert all(getattr(environments, name) is not None for name in environments.__all__)


def test_editors_and_the_documentation_see_what_there_is():
    text = Path(environments.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r"^ {8}\"(\w+)\",$", text, flags=re.M)) == set(environments.__all__)


def test_works_are_those_that_the_classes_name():
    for found in all_suites():
        text = found.works.read_text(encoding="utf-8") if found.works else ""
        works = re.findall(r"eprint = \{(.*)\}", text) + re.findall(r"url = \{https://(github.com.*)\}", text)
        assert len(works) == text.count("@") and bool(works) == (found.name != "probe")
        assert all(work in getattr(environments, found.component).__doc__ for work in works)


def test_the_table_of_probes_is_their_classes():
    found = find_suite("probe")
    assert list(found.tasks) == list(environments.PROBES)
    for name, entry in found.tasks.items():
        assert entry.horizon == environments.probe(name).horizon


def test_tables_are_read_without_jax():
    heavy = {"jax", "gymnax", "mujoco"}
    code = f"import sys; from reppo.environments.suites import *; print(default_task(), {heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["CartpoleBalance", "set()"]


def test_a_suite_of_ones_own_is_listed_described_and_found(experiment):
    (spec,) = experiment.environments
    assert environments.line("Line-v0") == spec == entries.find_environment("Line-v0")
    assert "Line-v0" in [entry["name"] for entry in entries.list_entries("environments", "line")]
    entry = entries.describe_environment("Line-v0")
    assert (entry["summary"], entry["declared"]) == ("toy, 50 steps, rewards -4 to 0", 'environments.line("Line-v0")')
    assert entries.kind_of("Line-v0") == "environments" and "Line-v0" in entries.all_names()
    assert from_json(to_json(spec)) == spec
    assert possible_returns({"environment": to_json(spec)}) == (-200, 0)
    assert possible_returns({"environment": {"component": "LineTask", "task": "Other"}}) == (-math.inf, math.inf)


def test_a_task_may_have_any_name():
    names = ["Maze/Big+v0", "gamma=1", "Straße 1", "base"]
    registry.register(suite(tasks={name: TaskEntry("mine", 5) for name in names}, example=names[0]))
    assert [entries.kind_of(name) for name in names] == ["environments"] * 4


def test_a_suite_of_ones_own_is_traced_and_drawn_and_keeps_the_laws(experiment, tmp_path):
    (run, *_) = experiment.runs()
    state = eqx.filter_eval_shape(init, run.spec, 0)
    _, report = eqx.filter_eval_shape(train_chunk, run.spec, state, 1)
    assert report.evaluated.episode_return.shape == (run.spec.evaluation.episodes,)
    testing.check_environment(run.spec.environment)

    spec = replace_path(run.spec, "algorithm.actor.width", 8)
    environment = spec.environment.make()
    policy = spec.algorithm.policy(spec.algorithm.init(jax.random.key(0), environment.interface()))
    record = RunRecord(run_id="", experiment="line", arm="base", environment="Line-v0", seed=0, status="finished")
    rendered = render_episode(TrainedPolicy(policy, spec, environment, record, "best"), tmp_path / "a.gif", steps=2)
    assert rendered.frames == 2 and rendered.episode_length == 50
    (frame,) = environment.picture().draw([np.zeros(1)], [0.0], 41, 20)
    assert frame[:, 20].max() == 0 and frame.sum() == 3 * 255 * 20 * 40


@pytest.fixture
def announce(monkeypatch, tmp_path):
    """Installs modules, by name and text; the first is announced."""
    known = set(sys.modules)

    def install(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        found = [EntryPoint("mine", next(iter(texts)), registry.GROUP)]
        monkeypatch.setattr(packages, "entry_points", lambda group: found if group == registry.GROUP else [])
        packages.load_announced.cache_clear()

    yield install
    packages.load_announced.cache_clear()
    for name in set(sys.modules) - known:
        del sys.modules[name]


ADAPTER, REGISTERS = (part.replace("__name__", '"line_adapter"') for part in STUDY.split("environments.register("))
REGISTERS = (
    "from reppo import environments\n"
    'TASKS = {"Line-v0": environments.TaskEntry("toy", horizon=50)}\n'
    f"environments.register({REGISTERS.partition('experiment = ')[0]}"
)


def test_an_installed_package_brings_its_suite(announce):
    announce(line_suite=REGISTERS, line_adapter=ADAPTER)
    assert "line" in [found.name for found in all_suites()] and "line_adapter" not in sys.modules
    spec = {"component": "LineTask", "task": "Line-v0"}
    assert from_json(spec).make().horizon == 50  # of a record: nobody has named a task before
    assert parse_value('LineTask("Line-v0")') == from_json(spec) == environments.line("Line-v0")


def test_a_package_that_cannot_be_imported_is_named_and_hinders_nothing(announce):
    announce(broken_suite="import a_simulator_that_is_not_there")
    with pytest.warns(UserWarning, match=r"'broken_suite' \(reppo.suites\), which cannot be imported .*a_simulator"):
        assert [found.name for found in all_suites()] == ["playground", "gymnax", "probe"]
    assert find_suite("gymnax").declare("Pendulum-v1").suite == "gymnax"  # nor is it said again


def test_a_suite_whose_module_cannot_be_imported_says_why(announce):
    announce(line_suite=REGISTERS, line_adapter="import a_simulator_that_is_not_there")
    assert "Line-v0" in find_suite("line")
    for use in (lambda: environments.line, lambda: from_json({"component": "LineTask", "task": "Line-v0"})):
        with pytest.raises(
            ConfigurationError, match="'line' cannot be used, because importing line_adapter fails: Mod"
        ):
            use()
    with pytest.raises(ConfigurationError, match="offers 'nothing', which math does not define"):
        suite(exports={"math": ("nothing",)}).offer("nothing")


def test_what_would_hide_another_is_refused():
    registry.register(suite())
    registry.register(suite(example="B", tasks={"B": TaskEntry("mine", 5)}))  # a file that is read again
    assert list(find_suite("mine").tasks) == ["B"]
    with pytest.raises(ConfigurationError, match="suite name 'gymnax' is taken by reppo.environments.suites.gymnax"):
        registry.register(suite(name="gymnax"))
    with pytest.raises(ConfigurationError, match="suite name 'mine' is taken by mine"):
        registry.register(suite(module="theirs"))
    for changes in ({"name": "Box"}, {"name": "spaces"}, {"exports": {"mine": ("gymnax",)}}):
        with pytest.raises(
            ConfigurationError, match=r"offers '(Box|spaces|gymnax)', and environments\.\1 is something"
        ):
            registry.register(suite(**changes))
    with pytest.raises(ConfigurationError, match="'mine' and 'other' both name MineTask as the class of their specs"):
        registry.register(suite(name="other", tasks={"C": TaskEntry("mine", 5)}, example="C"))
    for task in ("Pendulum-v1", "MNISTBandit-bsuite"):
        with pytest.raises(ConfigurationError, match=f"'gymnax' and 'mine' both have a task '{task}'.*rename"):
            registry.register(suite(tasks={"A": TaskEntry("mine", 5), task: TaskEntry("mine", 5)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"example": "C"}, "names the task 'C', which is not in its table"),
        ({"samples": ("A", "D")}, "names the task 'D'"),
        ({"name": "my suite"}, "'my suite' cannot be one"),
        ({"name": "lambda"}, "'lambda' cannot be one"),
    ],
)
def test_a_suite_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        suite(**changes)


def test_unknown_names_are_explained():
    with pytest.raises(ConfigurationError, match="Unknown suite 'gymnaz'. Did you mean 'gymnax'"):
        find_suite("gymnaz")
    with pytest.raises(ConfigurationError, match="Unknown environment 'Pendulum-v2'. Did you mean 'Pendulum-v1'"):
        suite_of_task("Pendulum-v2")
    assert suite_of_task("MNISTBandit-bsuite").name == "gymnax"  # so that naming it says why it is refused
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        environments.nonsense  # noqa: B018
