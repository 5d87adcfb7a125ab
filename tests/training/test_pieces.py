"""Programs by piece: what is shared by whom, and that their numbers are those of one program."""

import dataclasses
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments, presets
from reppo.algorithms import AbstractAlgorithm, AlgorithmState
from reppo.component import static
from reppo.environments import AbstractEnvironment, AbstractEnvironmentSpec, Box, Observation, Transition
from reppo.errors import ConfigurationError
from reppo.losses import ScalarValue
from reppo.networks import Actor
from reppo.spec import Evaluation, Spec, replace_path, resolve
from reppo.training import BatchProgram, init
from reppo.training.lanes import lane_devices
from reppo.training.loop import iterate
from reppo.training.pieces import MOST_KEPT, Form, Places, forget, make_piece, selection
from reppo.training.steps import act, first_keys, fresh_starts, judge, policy_of, refresh_keys, start
from tests.algorithms.toys import ToyReplay, ToyReplayPolicy
from tests.tiny import tiny_spec, train_alone

OF_ENVIRONMENTS = {first_keys, fresh_starts, start}
HERE = Places("map", at_once=1, devices=1)


def pieces(spec):
    program = BatchProgram(resolve(spec), 1, "map", devices=1)
    program.trace()
    return program._pieces.calls


@pytest.mark.parametrize("devices", [0, 1000])
def test_lanes_are_split_over_devices_that_there_are(devices):
    with pytest.raises(ConfigurationError, match=rf"split over {devices} devices; give 1 to \d+, as there are"):
        BatchProgram(resolve(tiny_spec("BestAction")), 2, "map", devices=devices)


def shared(a, b):
    """The steps that two specs have programs of in common."""
    a, b = pieces(a), pieces(b)
    return {step for step in a if a[step] is b.get(step)}


def test_arms_share_the_programs_of_what_they_do_not_change():
    base = tiny_spec("BestAction")
    assert shared(base, replace_path(base, "algorithm.gamma", 0.5)) == OF_ENVIRONMENTS | {act, judge}
    assert shared(base, tiny_spec("BestAction", value=ScalarValue())) == OF_ENVIRONMENTS | {act, judge}
    assert shared(base, tiny_spec("BestAction", actor=Actor(width=8, depth=1))) == OF_ENVIRONMENTS
    assert shared(base, replace_path(base, "evaluation.episodes", 5)) == {fresh_starts}
    faster = dataclasses.replace(base, matmul_precision="default")
    assert shared(base, faster) == OF_ENVIRONMENTS


def test_pieces_are_compiled_once_and_dropped_in_the_end():
    compiled = []

    def doubled(number):
        compiled.append(number.shape)
        return {"number": 2 * number}

    first = make_piece(doubled, {"number": jnp.ones(3)}, HERE).compile()
    again = make_piece(doubled, {"number": jnp.zeros(3)}, HERE).compile()
    assert again is first and compiled == [(3,)]
    given = {"number": (jax.device_put(np.full((1, 3), 4.0, np.float32), HERE.split),), "other": ()}
    np.testing.assert_array_equal(first(given)["number"][0], np.full((1, 3), 8.0))
    for size in range(4, 4 + MOST_KEPT):
        make_piece(doubled, {"number": jnp.ones(size)}, HERE)
    assert make_piece(doubled, {"number": jnp.ones(3)}, HERE) is not first


def test_arrays_without_elements_go_from_piece_to_piece_over_several_devices():
    places = Places("map", lane_devices(), lane_devices())
    tree = {"full": jnp.zeros(2), "empty": jnp.zeros((3, 0))}
    piece = make_piece(lambda tree: {"tree": tree}, {"tree": tree}, places).compile()
    parts = jax.device_put({"tree": (np.zeros((places.devices, 3, 0)), np.ones((places.devices, 2)))}, places.split)
    parts = jax.tree.map(lambda x: x.astype(jnp.float32), parts)
    assert piece(piece(parts))["tree"][1].shape == (places.devices, 2)


def test_what_only_picks_needs_no_program():
    tree = {"a": jnp.zeros(2), "b": (jnp.ones(3), "code")}
    pick = selection(lambda tree, other: {"out": (tree["b"], other), "none": ()}, {"tree": tree, "other": jnp.ones(())})
    assert pick is not None
    leaves = {"tree": ("A", "B"), "other": ("C",), "more": ("D",)}
    assert pick(leaves) == {"out": ("B", "C"), "none": ()}
    assert selection(lambda tree: {"out": tree["a"] + 1}, {"tree": tree}) is None
    assert selection(lambda tree: {"out": (tree["a"], jnp.ones(2))}, {"tree": tree}) is None


def test_the_form_of_a_tree_keeps_its_code():
    tree = {"a": jnp.zeros(2), "b": (np.float32(3), "code", None)}
    form = Form.of(tree)
    assert Form.of({"a": 1}) != Form.of({"a": 1.0}) != Form.of({"a": True})
    assert hash(form) == hash(Form.of({"a": jnp.ones(2), "b": (np.float32(4), "code", None)}))
    assert form != Form.of({"a": jnp.zeros(2), "b": (np.float32(3), "other", None)})
    assert form.fill([1, 2]) == {"a": 1, "b": (2, "code", None)}
    assert Form.of(form.tree()) == form


@final
class Placed(AbstractEnvironment):
    """Rewards the action by where the episode began, times the physics; its starts are stored."""

    gain: jax.Array = eqx.field(default=1.0, converter=jnp.asarray)
    randomizes: bool = static(default=False)
    horizon: int = static(default=3)
    action_space: Box = static(default=Box.unit(1))
    reward_range: tuple[float, float] | None = static(default=None)

    def randomize(self, key):
        return Placed(jax.random.uniform(key), True) if self.randomizes else self

    def reset(self, key):
        place = self.gain * jax.random.uniform(key)
        return place, Observation(place[None])

    def step(self, key, state, action):
        false = jnp.array(False)
        return state, Transition(Observation(state[None]), self.gain * state + 0 * action[0], false, false, {})


@final
class PlacedTask(AbstractEnvironmentSpec):
    """Names `Placed`."""

    name: str = static(default="Placed")
    suite: str = static(default="tests")
    reward_range: tuple[float, float] | None = static(default=(-1.0, 1.0))
    horizon: int | None = static(default=3)
    randomizes: bool = static(default=False)

    def make(self):
        return Placed(1.0, self.randomizes)


def assert_is_one_program(lane, spec, iterations):
    """A run with the seed 3 has the state that one program gives."""
    alone = eqx.filter_jit(init)(spec, 3)
    for _ in range(iterations):
        alone, _ = eqx.filter_jit(iterate)(spec, alone)
    for one, other in zip(*(jax.tree.leaves((run.algorithm, run.episodes)) for run in (lane, alone)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize(
    ("algorithm", "environment"),
    [
        (ToyReplay(), environments.probe("BestAction")),
        (ToyReplay(computed=True), environments.probe("BestAction")),
        (ToyReplay(), PlacedTask()),
        (ToyReplay(), PlacedTask(randomizes=True)),
    ],
    ids=["picked policy", "computed policy", "stored starts", "physics of their own"],
)
def test_a_run_in_pieces_is_the_run_in_one_program(algorithm, environment):
    evaluation = Evaluation(interval=64, episodes=20)  # more than environments
    spec = resolve(Spec(environment=environment, algorithm=algorithm, evaluation=evaluation))
    program = BatchProgram(spec, 1, "map", devices=1)
    assert (policy_of in program._pieces.programs) == algorithm.computed
    states = program.iterate(program.start([spec], [3]), [spec], 3)
    states, report = program.assess(states, [spec])
    lane = program.lane(states, 0)
    assert_is_one_program(lane, spec, iterations=3)
    assert lane.episodes.next_starts is None  # they are drawn anew before the next rollout
    _, reports = train_alone(spec, seed=3, steps=3 * spec.algorithm.steps_per_iteration)
    np.testing.assert_allclose(report.evaluated.episode_return[0], reports[-1].evaluated.episode_return, rtol=1e-5)


def test_short_rollouts_share_where_their_episodes_start_also_when_continued():
    spec = Spec(environment=PlacedTask(), algorithm=ToyReplay(rollout_length=2), evaluation=Evaluation(interval=64))
    spec = resolve(spec)
    program, draws = BatchProgram(spec, 1, "map", devices=1), []
    states = program.start([spec], [3])
    calls = program._pieces.calls
    drawing, calls[refresh_keys] = calls[refresh_keys], lambda now: draws.append(now) or drawing(now)
    states = program.iterate(states, [spec], 6)
    assert len(draws) == 2  # four iterations are eight steps
    states = program.iterate(states, [spec], 3)
    assert len(draws) == 4  # once more to go on, and for the ninth
    assert_is_one_program(program.lane(states, 0), spec, iterations=9)


@final
class Drifting(AbstractAlgorithm):
    """Counts with an integer that becomes a float."""

    num_environments: int = static(8)
    rollout_length: int = static(4)

    def init(self, key, interface):
        return AlgorithmState({"action": jnp.zeros(1), "count": jnp.zeros((), jnp.int32)})

    def policy(self, state):
        return ToyReplayPolicy(state.learner["action"])

    def update(self, state, trajectory, key):
        return AlgorithmState({**state.learner, "count": state.learner["count"] + 1.0}), {}


def test_an_iteration_that_changes_the_form_of_the_state_is_refused_before_it_is_compiled():
    spec = resolve(tiny_spec("BestAction", algorithm=Drifting()))
    with pytest.raises(TypeError, match=r"float32\[\] of algorithm/.*count.*, which is int32\[\]"):
        BatchProgram(spec, 1, "map", devices=1).trace()


def test_a_checkpoint_says_which_metrics_its_summaries_are_of():
    program = BatchProgram(resolve(tiny_spec("BestAction", algorithm=ToyReplay())), 1, "map", devices=1)
    states = program.abstract_states
    saved = program.saved(states)
    (digest,) = saved.metrics
    assert program.restored(saved, [], []).metrics == states.metrics
    program.metric_names[0] = "another"
    assert digest not in program.saved(states).metrics


def test_what_is_forgotten_is_compiled_anew():
    ask = lambda: make_piece(unchanged, {"number": jnp.ones(3)}, HERE)
    first = ask()
    assert ask() is first
    forget()
    assert ask() is not first


def unchanged(number):
    return {"number": number}


def test_an_update_needs_no_memory_for_all_activations_of_a_rollout():
    """Twice the rows take at most what is kept of each row: the embedding is the widest of it."""
    spec = presets.reppo_small(environments.gymnax("Pendulum-v1"))
    width = 256
    for path, value in {
        "actor.width": width,
        "critic.width": width,
        "num_environments": 1024,
        "batches.num_minibatches": 64,
    }.items():
        spec = replace_path(spec, f"algorithm.{path}", value)
    needs = []
    for length in (64, 128):
        program = BatchProgram(resolve(replace_path(spec, "algorithm.rollout_length", length)), 1, "map", devices=1)
        needs.append(program.steps["learn"].compile().working_bytes)
    a_row = (needs[1] - needs[0]) / (64 * 1024)
    assert a_row < 2 * 4 * width
