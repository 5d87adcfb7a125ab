"""Tasks of one's own: the page that shows one is run, and what such a task may be."""

import dataclasses
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from reppo import presets
from reppo.analysis.scores.bounds import possible_returns
from reppo.cli import main
from reppo.component import Component, static
from reppo.descriptions import entries
from reppo.environments import AbstractTask, Box, Observation, Picture, Transition
from reppo.errors import ConfigurationError
from reppo.policies import TrainedPolicy, render_episode
from reppo.results.record import RunRecord
from reppo.spec import from_json, replace_path, resolve, to_json
from reppo.sweep.experiment_file import load_experiment
from reppo.training import init, train_chunk
from tests.tiny import tiny_preset

PAGE = (Path(__file__).parents[2] / "docs" / "environments.md").read_text(encoding="utf-8")
STUDY, *REST = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)


@pytest.fixture(scope="module", autouse=True)
def forget():
    """Forgets what the page and the tests register."""
    components = dict(Component.registry)
    yield
    Component.registry.clear()
    Component.registry.update(components)


@pytest.fixture(scope="module")
def page():
    """What the Python of the page leaves behind; its laws are checked on the way."""
    names = {"__name__": "page"}
    exec(compile("\n".join([STUDY, *REST]), "environments.md", "exec"), names)
    return names


class Still(AbstractTask):
    """Nothing happens."""

    horizon: int = static(10)
    action_space = Box.unit(1)

    def reset(self, key):
        return key, Observation(jnp.zeros(1))

    def step(self, key, state, action):
        return state, Transition(Observation(jnp.zeros(1)), jnp.float32(0))


class Moving(Still):
    """A picture that somebody else draws."""

    def picture(self, camera=None):
        return Picture(lambda state: state, 20.0, lambda states, returns, width, height: FRAMES(width, height))


FRAMES = lambda width, height: []


def untrained(task):
    """A policy of that task as training would leave it, but for the training."""
    spec = replace_path(tiny_preset(task), "algorithm.actor.width", 8)
    policy = spec.algorithm.policy(spec.algorithm.init(jax.random.key(0), task.interface()))
    record = RunRecord(run_id="", experiment="own", arm="base", environment=task.name, seed=0, status="finished")
    return TrainedPolicy(policy, spec, task, record, "best")


def test_a_task_takes_at_most_30_lines():
    task = STUDY[STUDY.index("class ") : STUDY.index("experiment = ")]
    assert len([line for line in task.splitlines() if line.strip()]) <= 30


def test_the_page_runs_and_its_task_is_traced_through_training(page):
    (run, *_) = page["experiment"].runs()
    assert (run.environment, run.spec.environment.suite) == ("Puck", "own")
    assert from_json(to_json(run.spec)) == run.spec
    state = eqx.filter_eval_shape(init, run.spec, 0)
    _, report = eqx.filter_eval_shape(train_chunk, run.spec, state, 1)
    assert report.evaluated.episode_return.shape == (run.spec.evaluation.episodes,)
    assert page["transition"].observation.actor.shape == (4,) and page["transition"].reward > 0


def test_the_task_of_the_page_is_drawn_where_it_is(page, tmp_path):
    task = page["Puck"]()
    rendered = render_episode(untrained(task), tmp_path / "a.gif", steps=4, width=160, height=120)
    assert (rendered.frames, rendered.episode_length) == (4, 100)
    with Image.open(rendered.path) as image:
        assert image.info["duration"] == 50
    left, right = (np.array([x, 0.0, 0.0, 0.0]) for x in (-1.0, 1.0))
    frames = task.picture().draw([left, right], [0.0, 1.0], 160, 120)
    blue = [((frame[..., 2] > 150) & (frame[..., 0] < 100)).nonzero()[1].mean() for frame in frames]
    assert blue[0] < 60 < 100 < blue[1]


def test_settings_name_the_task_and_stand_in_its_record(page):
    Puck = page["Puck"]
    assert Puck().name == "Puck" and Puck(horizon=5, push=0.1).name == "Puck@horizon=5,push=0.1"
    assert Puck(push=0.1) != Puck() == Puck().make() and hash(Puck()) == hash(Puck())
    assert from_json(to_json(Puck(push=np.float32(0.1)))) == Puck(push=0.1)
    spec = to_json(resolve(presets.reppo_small(Puck(horizon=5))))
    assert possible_returns(spec) == (0, 5)
    assert possible_returns({"environment": to_json(Still())}) == (-np.inf, np.inf)


def test_a_task_of_ones_own_is_shown_and_stands_where_a_task_is_named(page, tmp_path, capsys):
    assert Still().reward_range is None
    file = tmp_path / "study.py"
    file.write_text(STUDY, encoding="utf-8")
    show = lambda *arguments: (main(["show", *arguments, "--file", str(file)]), capsys.readouterr().out)[1]
    text = show("Puck")
    assert "middle of a table, 100 steps, rewards 0 to 1" in text and "in a file  Puck()" in text
    assert "algorithm.reward_scale" in show("kl/no_kl", "--environment", "Puck")
    task = load_experiment(file).environments[0]
    assert entries.find_environment("Puck") == task
    assert "Puck" not in entries.all_names()


def test_flags_and_metrics_may_be_left_out():
    step = jax.jit(lambda reward: Transition(Observation(jnp.zeros(1)), reward))
    made = step(jnp.float32(1))
    assert made.metrics == {} and made.terminated.dtype == made.truncated.dtype == bool
    ended = Transition(Observation(jnp.zeros(1)), jnp.float32(1), terminated=jnp.asarray(True))
    assert ended.terminated and not ended.truncated and isinstance(ended.truncated, jax.Array)


@pytest.mark.filterwarnings("ignore:A JAX array is being set as static")  # which Equinox says of NumPy's too
def test_what_no_task_can_be_is_refused_with_the_cure():
    def declared(**members):
        kinds = members.pop("kinds", {})
        return type(Still)("Odd", (Still,), {"__module__": __name__, "__annotations__": kinds, **members})

    for cls, message in (
        (declared(kinds={"goal": tuple}, goal=static((np.zeros(2),))), "field goal of Odd.*are settings.*spec apart"),
        (declared(kinds={"box": Box}, box=static(Box.unit(1))), r"Leave out the annotation of what is none \(`box = "),
        (declared(kinds={"gain": float}, gain=0.5), r"not declared by `static`. Write `gain: float = static\(0.5\)`"),
        (declared(horizon=5), "horizon stands in Odd without an annotation, but a class below has it as a field"),
        (declared(kinds={"horizon": int}, horizon=static(0)), "horizon of Odd is 0; give a whole number of steps"),
        (declared(reward_range=(1.0, 0.0)), r"reward range of Odd is \(1.0, 0.0\); give the least and the greatest"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            cls()
    taken = type(Still)("PointMass", (Still,), {"__module__": __name__})
    with pytest.raises(ConfigurationError, match="a task 'PointMass' already.*Give the class another name"):
        taken()
    with pytest.raises(ConfigurationError, match="steps_per_second of Odd is 0; give a positive number"):
        declared(draw=lambda self, axes, state: None, steps_per_second=0)().picture()
    drawn = declared(draw=lambda self, axes, state: None)()
    with pytest.raises(ConfigurationError, match="The camera is 'side', but Odd has none"):
        drawn.picture("side")
    with pytest.raises(ConfigurationError, match=r"no picture of Still.* a method `draw\(axes, state\)`"):
        Still().picture()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (lambda width, height: [], "gave 0 frames of 2 states"),
        (lambda width, height: [np.zeros((width, height, 3), np.uint8)] * 2, r"gave uint8\(64, 48, 3\).*\(48, 64, 3\)"),
        (lambda width, height: [np.zeros((height, width, 3))] * 2, r"gave float64\(48, 64, 3\) as a frame"),
        (lambda width, height: [None] * 2, "gave None as a frame"),
    ],
)
def test_a_picture_that_is_none_is_told(monkeypatch, tmp_path, frames, message):
    monkeypatch.setitem(globals(), "FRAMES", frames)
    with pytest.raises(ConfigurationError, match=f"The picture of Moving {message}"):
        render_episode(untrained(Moving()), tmp_path / "a.gif", steps=2, width=64, height=48)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_study_of_the_page_is_trained_evaluated_and_rendered(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("puck.py").write_text(STUDY, encoding="utf-8")
    assert main(["run", "puck.py", "--arms", "base", "--seeds", "1", "--steps", "30000"]) == 0
    run = "results/puck/runs/base/Puck/seed0"
    capsys.readouterr()
    assert main(["evaluate", run, "--file", "puck.py"]) == 0
    assert float(re.search(r"mean (\S+)", capsys.readouterr().out)[1]) > 40
    assert main(["render", run, "--file", "puck.py", "--steps", "10"]) == 0
    assert (Path(run) / "episode.gif").stat().st_size > 1000
    assert dataclasses.is_dataclass(from_json({"component": "Puck"}))
