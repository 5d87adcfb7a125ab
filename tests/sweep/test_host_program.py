"""A program whose environments live on the host, in pure NumPy, run through the unchanged sweep."""

from typing import final

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo.ablation import setting
from reppo.algorithms import AbstractAlgorithm
from reppo.component import Scalar, hyper, static
from reppo.environments import AbstractEnvironmentSpec
from reppo.errors import RunsFailed
from reppo.policies import load_policy
from reppo.results import load_results
from reppo.rollout import Evaluated
from reppo.spec import Evaluation, Spec, replace_path
from reppo.summary import Summary
from reppo.sweep import Experiment, Rival, execute
from reppo.tracking import NoTracker
from reppo.training import KINDS, AbstractProgram, ChunkReport, LaneView
from tests.algorithms.toys import ToyReplayPolicy
from tests.sweep.resuming import returns
from tests.tiny import save_at_every_iteration
from tests.tracking.lanes import KillAfter

GOAL = 0.5


class Counter:
    """Counts the steps of an episode; the reward is near 0 for actions near the goal, and has noise of its seed."""

    horizon = 5

    def __init__(self, seed):
        self.noise, self.count = np.random.default_rng(seed), 0

    def step(self, action):
        self.count += 1
        return -((action - GOAL) ** 2) + 0.01 * self.noise.normal(), self.count == self.horizon


@final
class HostCounter(AbstractEnvironmentSpec):
    """Names the counter."""

    name = "HostCounter"
    suite = "host"
    reward_range = None
    horizon = Counter.horizon

    def make(self):
        return Counter(0)


@final
class HostLearner(AbstractAlgorithm):
    """Moves its action towards the goal."""

    num_environments: int = static(1)
    rollout_length: int = static(Counter.horizon)
    rate: Scalar = hyper(0.5)

    def init(self, key, environment):
        return jnp.zeros(1)

    def policy(self, state):
        return ToyReplayPolicy(state)

    def update(self, state, trajectory, key):
        raise NotImplementedError("It learns on the host.")


@final
class HostProgram(AbstractProgram):
    """Trains lane by lane, with environments that are plain Python."""

    def __init__(self, spec, width, mode, devices=None):
        self.width, self.compile_seconds, self.bytes, self.spec = width, 0.0, 0, spec

    @classmethod
    def fits(cls, spec):
        return isinstance(spec.environment, HostCounter)

    @classmethod
    def needed_bytes(cls, spec):
        return 1000, 100

    @property
    def abstract_states(self):
        shapes = {
            "seed": np.uint32,
            "iteration": np.int32,
            "action": np.float32,
            "best": np.float32,
            "total": np.float32,
        }
        return {name: jax.ShapeDtypeStruct((self.width,), dtype) for name, dtype in shapes.items()}

    def compile(self):
        return self

    def start(self, specs, seeds):
        states = {name: np.zeros(shape.shape, shape.dtype) for name, shape in self.abstract_states.items()}
        states["seed"][: len(seeds)] = seeds
        return states

    def iterate(self, states, specs, iterations):
        states = {name: array.copy() for name, array in states.items()}
        for lane, spec in enumerate(specs):
            for _ in range(iterations):
                states["total"][lane] += self.episode(states, lane, "training")
                states["action"][lane] += float(spec.algorithm.rate) * (GOAL - states["action"][lane])
                states["iteration"][lane] += 1
        return states

    def assess(self, states, specs):
        reports = []
        for lane in range(self.width):
            found = jnp.array([self.episode(states, lane, "evaluation")] * 2)
            lengths, sound = jnp.full(2, Counter.horizon), jnp.zeros(2, bool)
            reports.append(
                ChunkReport(
                    Evaluated(found, lengths, sound, {}),
                    {"learner/return": Summary.of(jnp.array([states["total"][lane]]))},
                    jnp.array(-1),
                )
            )
        states = states | {"best": states["action"].copy(), "total": np.zeros_like(states["total"])}
        return states, jax.tree.map(lambda *leaves: np.stack(leaves), *reports)

    def episode(self, states, lane, purpose):
        counter, total, ended = Counter([states["seed"][lane], states["iteration"][lane], len(purpose)]), 0.0, False
        while not ended:
            reward, ended = counter.step(states["action"][lane])
            total += reward
        return np.float32(total)

    def is_evaluated(self, states):
        return not states["total"].any()

    def diverged_at(self, states):
        return np.full(self.width, -1)

    def view(self, states, number, spec):
        policies = [spec.algorithm.policy(jnp.array(states[name][number : number + 1])) for name in ("action", "best")]
        return LaneView(*policies, -1, None)


@pytest.fixture(autouse=True)
def host_programs():
    KINDS.insert(0, HostProgram)
    yield
    KINDS.remove(HostProgram)


def learner(environment):
    return Spec(environment=environment, algorithm=HostLearner(), evaluation=Evaluation(interval=10, episodes=2))


def slow(environment):
    return Spec(environment=environment, algorithm=HostLearner(rate=0.01, rollout_length=15))


def declare():
    return Experiment(
        name="host",
        base=learner,
        environments=[HostCounter()],
        arms=[setting("rate", 0.25)],
        rivals=[Rival(slow)],
        seeds=range(3),
        steps=60,
    )


def beside(**changes):
    """A base, and an arm that has a program of its own."""
    settings = {
        "name": "beside",
        "base": learner,
        "environments": [HostCounter()],
        "arms": [setting("rollout_length", 10)],
        "steps": 20,
    }
    return Experiment(**(settings | changes))


@pytest.mark.parametrize("method", ["__init__", "compile", "start", "iterate", "assess", "view"])
def test_a_program_that_fails_harms_no_other(tmp_path, monkeypatch, method):
    right = getattr(HostProgram, method)

    def failing(self, *given, **named):
        spec = given[0] if method == "__init__" else self.spec
        if spec.algorithm.rollout_length == 10:
            raise ArithmeticError("on purpose")
        return right(self, *given, **named)

    monkeypatch.setattr(HostProgram, method, failing)
    # The faulty one comes first.
    study = beside(
        base=lambda task: replace_path(learner(task), "rollout_length", 10), arms=[setting("rollout_length", 5)]
    )
    with pytest.raises(RunsFailed, match="HostCounter base: .*ArithmeticError: on purpose"):
        execute(study, tmp_path / "results", NoTracker())
    done = [run.record.arm for run in load_results(tmp_path / "results") if run.record.status == "finished"]
    assert done == ["rollout_length=5"]
    monkeypatch.undo()
    execute(study, tmp_path / "results", NoTracker())
    assert [run.record.status for run in load_results(tmp_path / "results")] == ["finished"] * 2


def test_states_that_are_not_as_a_program_says_are_refused_before_a_checkpoint(tmp_path, monkeypatch):
    right = HostProgram.iterate
    doubled = lambda *given: (made := right(*given)) | {"total": made["total"].astype(np.float64)}
    monkeypatch.setattr(HostProgram, "iterate", doubled)
    message = r"HostProgram.abstract_states says that 'total' is float32\[1\], and it is float64\[1\]"
    with pytest.raises(RunsFailed, match=message):
        execute(beside(arms=[]), tmp_path / "results", NoTracker())


def test_a_program_may_save_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(HostProgram, "saved", lambda self, states: ())
    monkeypatch.setattr(HostProgram, "restored", lambda self, saved, specs, seeds: self.start(specs, seeds))
    execute(beside(steps=10), tmp_path / "results", NoTracker())
    execute(beside(steps=20), tmp_path / "results", NoTracker())  # goes on from a checkpoint without arrays
    assert {run.record.environment_steps for run in load_results(tmp_path / "results")} == {20}


def test_what_no_program_trains_and_no_policy_runs_in_is_refused_with_the_reason(tmp_path):
    execute(beside(arms=[]), tmp_path / "results", NoTracker())
    with pytest.raises(ValueError, match="trained by a program of its own on HostCounter"):
        load_policy(tmp_path / "results" / "runs" / "base" / "HostCounter" / "seed0")
    KINDS.remove(HostProgram)
    try:
        with pytest.raises(ValueError, match="arm base cannot be trained on HostCounter. No kind of program trains"):
            execute(beside(steps=30), tmp_path / "results", NoTracker())
    finally:
        KINDS.insert(0, HostProgram)


def test_a_rival_may_be_renamed_left_out_and_taken_up_again(tmp_path):
    path, study = tmp_path / "results", lambda *rivals: beside(arms=[], rivals=rivals)
    found = []
    for rivals in ([Rival(slow, name="first")], [Rival(slow, name="second")], [], [Rival(slow, name="first")]):
        execute(study(*rivals), path, NoTracker())
        found.append(returns(path))
    assert [{arm for arm, _ in runs} for runs in found] == [{"base", "first"}, *[{"base", "first", "second"}] * 3]
    for run, of in {"base": "base", "first": "first", "second": "first"}.items():
        np.testing.assert_array_equal(found[-1][run, 0][1], found[0][of, 0][1])


def test_environments_of_the_host_train_through_the_sweep(tmp_path, monkeypatch):
    execute(declare(), tmp_path / "whole", NoTracker())
    runs = {(run.record.arm, run.record.seed): run for run in load_results(tmp_path / "whole")}
    assert set(runs) == {(arm, seed) for arm in ("base", "rate=0.25", "slow") for seed in range(3)}
    for (arm, _), run in runs.items():
        steps = [0, 15, 30, 45, 60] if arm == "slow" else [*range(0, 61, 10)]
        assert sorted(set(run.evaluations.environment_steps.tolist())) == steps and run.record.status == "finished"
        assert set(run.folder.read_metrics().names) == {"learner/return"}
        assert (run.folder.policy_path / "best.npz").exists()
    mean = lambda arm: np.mean([runs[arm, seed].evaluations.final_return() for seed in range(3)])
    assert mean("base") > mean("rate=0.25") > mean("slow")

    save_at_every_iteration(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        execute(declare(), tmp_path / "stopped", KillAfter(30))
    execute(declare(), tmp_path / "stopped", NoTracker())
    expected, found = returns(tmp_path / "whole"), returns(tmp_path / "stopped")
    assert expected.keys() == found.keys()
    for run in expected:
        for before, after in zip(expected[run], found[run], strict=True):
            np.testing.assert_array_equal(before, after)
