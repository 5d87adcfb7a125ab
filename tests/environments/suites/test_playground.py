import dataclasses
import importlib.util
import types

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.environments import Episodes
from reppo.environments.suites.playground import adapter
from reppo.environments.suites.playground.library import resolve_backend
from reppo.environments.suites.playground.physics import Structure
from reppo.errors import ConfigurationError
from reppo.spec import resolve
from reppo.training import BatchProgram
from tests.tiny import tiny_preset

STEPS, COPIES = 5, 2


def _signature(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.fixture(scope="module")
def cartpole():
    return environments.playground("CartpoleBalance", backend="jax").make()


def test_cartpole_is_playground_step_by_step(cartpole):
    """One program steps the task and the wrapped adapter side by side; a change of the model compiles nothing."""
    traces = []
    raw_task = cartpole.task

    @eqx.filter_jit
    def run(environment, keys, actions):
        traces.append(1)
        episodes = Episodes(environment)
        first = jax.vmap(episodes.reset)(keys)
        with jax.numpy_rank_promotion("allow"):  # whole, with the workspace that ours leaves out
            raw_first = jax.vmap(lambda key: raw_task.reset(jax.random.key_data(jax.random.split(key, 3)[0])))(keys)

        def body(carry, action):
            state, raw = carry
            with jax.numpy_rank_promotion("allow"):
                raw = jax.vmap(raw_task.step)(raw, action)
            state, step = jax.vmap(episodes.step)(keys, state, action)
            return (state, raw), (step, raw.obs, raw.reward, raw.metrics)

        (last, _), outputs = jax.lax.scan(body, (first, raw_first), actions)
        return first, last, outputs

    keys = jax.random.split(jax.random.key(0), COPIES)
    actions = jax.random.uniform(jax.random.key(1), (STEPS, COPIES, 1), minval=-1.0)
    first, last, (step, observation, reward, metrics) = run(cartpole, keys, actions)
    np.testing.assert_array_equal(first.observation.actor, first.task.obs)
    np.testing.assert_allclose(step.final_observation.actor, observation, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(step.reward, reward, rtol=1e-5)
    assert set(step.episode_metrics) == set(cartpole.metric_names) == set(metrics)
    for name, values in metrics.items():
        np.testing.assert_allclose(step.episode_metrics[name], np.cumsum(values, axis=0), rtol=1e-5)
    assert not step.terminated.any() and not step.truncated.any() and not step.nonfinite.any()
    assert _signature(first) == _signature(last)
    assert not np.array_equal(first.observation.actor[0], first.observation.actor[1])

    heavier = cartpole.with_model(
        eqx.tree_at(lambda old: old.body_mass, cartpole.model, replace_fn=lambda mass: 2 * mass)
    )
    assert cartpole.task._mjx_model.body_mass is cartpole.model.body_mass
    _, _, (step_of_heavier, *_) = run(heavier, keys, actions)
    assert len(traces) == 1
    assert not np.allclose(step_of_heavier.final_observation.actor, observation, rtol=1e-4)


def test_cartpole_facts(cartpole):
    spec = environments.playground("CartpoleBalance", backend="jax")
    assert spec.make() is cartpole
    assert (spec.name, spec.suite, spec.horizon, spec.reward_range) == ("CartpoleBalance", "playground", 1000, (0, 1))
    assert (cartpole.horizon, cartpole.reward_range, cartpole.resolved_backend) == (1000, (0, 1), "jax")
    assert cartpole.with_worlds(10_000) is cartpole
    assert cartpole.randomize(jax.random.key(0)) is cartpole and not cartpole.randomizes
    assert environments.playground("CartpoleBalance") != spec
    expected = "warp" if jax.default_backend() == "gpu" and importlib.util.find_spec("warp") else "jax"
    assert resolve_backend("auto") == expected


WARP = ["CartpoleBalance", "BallInCup"]  # without contacts and with


def _warp_program(name, width):
    pytest.importorskip("warp")
    spec = resolve(tiny_preset(environments.playground(name, "warp", {"episode_length": 40})))
    return spec, BatchProgram(spec, width, "vmap", devices=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Warp
@pytest.mark.parametrize("name", WARP)
def test_the_steps_of_two_lanes_are_traced_on_warp(name):
    _, program = _warp_program(name, 2)
    program.trace()  # a buffer without an axis of worlds fails here
    environment = environments.playground(name, "warp").make()
    task, _ = eqx.filter_eval_shape(environment.reset, jax.random.key(0))
    tasks, _ = eqx.filter_eval_shape(jax.vmap(environment.reset), jax.random.split(jax.random.key(0), 3))
    assert jax.tree.map(lambda leaf: (3, *leaf.shape), task) == jax.tree.map(lambda leaf: leaf.shape, tasks)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_warp_has_room_for_the_contacts_of_all_copies():
    pytest.importorskip("warp")
    warp = environments.playground("BallInCup", "warp").make()
    size = warp.task._config.naconmax
    assert warp.resolved_backend == "warp" and "overflow" in warp.metric_names
    assert warp.with_worlds(4096).task._config.naconmax == 2 * size
    assert warp.with_worlds(10) is warp


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_kernels_of_contacts_are_made_once_on_warp():
    """A kernel made in every step is never given back, and takes longer to make than to run."""
    pytest.importorskip("warp")
    environments.playground("BallInCup", "warp").make()
    from mujoco.mjx.third_party.mujoco_warp._src import constraint, types

    made = lambda cone: [
        constraint._efc_contact_init(cone, False),
        constraint._efc_contact_jac_sparse(cone),
        constraint._efc_contact_jac_dense(16, cone),
        constraint._efc_contact_update(cone),
    ]
    first, again, other = map(made, (types.ConeType.PYRAMIDAL, types.ConeType.PYRAMIDAL, types.ConeType.ELLIPTIC))
    assert all(kernel is same for kernel, same in zip(first, again, strict=True))
    assert not any(kernel is another for kernel, another in zip(first, other, strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_settings_of_one_task_are_told_apart_by_compiled_programs_on_warp():
    """Models of Warp cannot be compared with each other, as a cache of compiled programs does."""
    pytest.importorskip("warp")
    for config in ({}, {"episode_length": 40}, {"naconmax": 7}):
        shapes = environments.playground("BallInCup", "warp", config).make().observation_shapes()
        assert shapes.actor.shape == (8,)


@pytest.mark.slow  # compiles some fifty kernels
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", WARP)
def test_runs_train_on_warp_as_on_jax_in_one_and_two_lanes(name, monkeypatch):
    kernel = pytest.importorskip("warp").Kernel
    returns, made, make = {}, [], kernel.__init__

    def note_and_make(*arguments, **named):
        made.append(arguments)
        make(*arguments, **named)

    for width in (1, 2):
        spec, program = _warp_program(name, width)
        seeds = range(width)
        states = program.start([spec] * width, seeds)
        for iterations in (0, 3):
            states, report = program.advance(states, [spec] * width, iterations)
            returns[width, iterations] = np.asarray(report.evaluated.episode_return)
        assert float(report.metrics["evaluation/overflow"].maximum.max()) == 0
        assert not np.asarray(report.evaluated.nonfinite).any() and (np.asarray(report.diverged_at) == -1).all()
        with monkeypatch.context() as patch:
            patch.setattr(kernel, "__init__", note_and_make)
            jax.block_until_ready(program.advance(states, [spec] * width, 1))
        assert not made, "kernels are made anew for steps that have run before"
    jax_spec = dataclasses.replace(spec, environment=dataclasses.replace(spec.environment, backend="jax"))
    program = BatchProgram(jax_spec, 1, "map", devices=1)
    _, report = program.advance(program.start([jax_spec], [0]), [jax_spec], 0)
    for iterations in (0, 3):
        np.testing.assert_allclose(returns[2, iterations][0], returns[1, iterations][0], rtol=0.01, atol=0.1)
    np.testing.assert_allclose(report.evaluated.episode_return[0], returns[1, 0][0], rtol=0.01, atol=0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_contacts_for_which_warp_has_no_room_are_counted():
    pytest.importorskip("warp")

    @eqx.filter_jit
    def overflows(environment):
        keys = jax.random.split(jax.random.key(0), 4)
        state, _ = jax.vmap(environment.reset)(keys)
        swing = jnp.stack([jnp.sin(jnp.arange(60) / 5), jnp.cos(jnp.arange(60) / 5)], axis=1)
        step = lambda action: jax.vmap(lambda key, state: environment.step(key, state, action))
        _, transitions = jax.lax.scan(lambda state, action: step(action)(keys, state), state, swing)
        return transitions.metrics["overflow"].sum()

    assert overflows(environments.playground("BallInCup", "warp").make()) == 0
    for buffer in ("naconmax", "njmax"):
        assert overflows(environments.playground("BallInCup", "warp", {buffer: 1}).make()) > 0


def test_settings_change_the_task():
    spec = environments.playground("PendulumSwingup", "jax", {"episode_length": 100, "action_repeat": 2})
    task = spec.make()
    assert task.horizon == 50 and task.action_repeat == 2
    assert spec.horizon is None  # known to the task only
    assert spec.name == "PendulumSwingup@action_repeat=2,episode_length=100"
    assert spec.reward_range == task.reward_range == (0.0, 2.0)  # the rewards of both steps are added up
    assert environments.playground("PendulumSwingup", config={"vision": True, "action_repeat": 2}).reward_range is None
    nested = environments.playground("CartpoleBalance", config={"vision_config": {"nworld": 3}})
    assert nested.config == (("vision_config.nworld", 3),)


def test_names_and_settings_are_checked():
    with pytest.raises(ConfigurationError, match="Did you mean 'CartpoleBalance"):
        environments.playground("CartPoleBalance")
    with pytest.raises(ConfigurationError, match="Unknown Playground backend 'wrap'. Did you mean 'warp'"):
        environments.playground("CartpoleBalance", backend="wrap")
    with pytest.raises(ConfigurationError, match="with backend=..., not"):
        environments.playground("CartpoleBalance", config={"impl": "jax"})
    with pytest.raises(ConfigurationError, match="Did you mean 'episode_length'"):
        environments.playground("CartpoleBalance", "jax", {"episode_lenght": 10}).make()
    with pytest.raises(ConfigurationError, match="'sim_dt' .* of type str; give one of type float"):
        environments.playground("CartpoleBalance", "jax", {"sim_dt": "small"}).make()
    with pytest.raises(ConfigurationError, match="does not randomize .* Go1Getup"):
        environments.playground("CartpoleBalance", randomize=True)


def test_missing_robots_are_explained_and_not_fetched(monkeypatch, tmp_path):
    import subprocess

    def refuse(*args, **kwargs):
        raise AssertionError("tried to clone")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setenv("REPPO_MENAGERIE", str(tmp_path / "nowhere"))
    spec = environments.playground("Go1Getup", "jax", randomize=True)
    assert spec.name == "Go1Getup+randomized" and spec.reward_range is None and spec.horizon == 300
    with pytest.raises(ConfigurationError, match="git clone .* set the environment variable REPPO_MENAGERIE"):
        spec.make()


class _FakeTask:
    """What the adapter uses of a Playground task: the model's mass is added to position and reward at every step.

    It writes into the dictionaries of the state it is given, and its dtypes drift, as those of some tasks do.
    """

    def __init__(self):
        self._mjx_model = {"mass": jnp.asarray(1.0)}

    def _observation(self, position):
        return {"state": position, "privileged_state": jnp.concatenate([position, position])}

    def reset(self, rng):
        from mujoco_playground._src import mjx_env

        position = jax.random.uniform(rng, (2,))
        data = _Data(qpos=position, qvel=jnp.zeros(2), contact=jnp.full(3, jnp.inf), _impl=jnp.zeros(3))
        info = {"rng": rng, "count": 0}
        return mjx_env.State(data, self._observation(position), jnp.zeros(()), jnp.zeros(()), {"cost": 0.0}, info)

    def step(self, state, action):
        position = state.data.qpos + self._mjx_model["mass"]
        state.info["count"] += 1.0
        state.metrics["cost"] = jnp.sum(action).astype(jnp.bfloat16)
        done = state.info["count"] >= 3
        data = state.data.replace(qpos=position, _impl=state.data._impl + 1)
        reward = self._mjx_model["mass"]
        return state.replace(data=data, obs=self._observation(position), reward=reward, done=done)


class _Data(eqx.Module):
    qpos: jax.Array
    qvel: jax.Array
    contact: jax.Array
    _impl: jax.Array | None

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)


def _fake(action_repeat=1, randomize=False):
    task = _FakeTask()
    return adapter.PlaygroundEnvironment(
        model_leaves=jax.tree.leaves(task._mjx_model),
        model_structure=Structure(task._mjx_model),
        task=task,
        workspace=Structure(jnp.zeros(3)),
        spec=adapter.PlaygroundTask("Go1Getup", "jax", (), randomize),
        horizon=10,
        action_repeat=action_repeat,
        action_space=environments.Box.unit(2),
        reward_range=None,
        names_of_metrics=("cost",),
        resolved_backend="jax",
    )


def test_privileged_observations_go_to_the_critic_alone():
    episodes = Episodes(_fake())
    shapes = episodes.environment.observation_shapes()
    assert shapes.actor.shape == (2,) and shapes.critic.shape == (4,)
    first = episodes.reset(jax.random.key(0))
    before = jax.tree.map(np.asarray, first)
    run = lambda state: jax.lax.scan(lambda s, key: episodes.step(key, s, jnp.full(2, 3.0)), state, keys)
    keys = jax.random.split(jax.random.key(1), 4)
    last, steps = jax.jit(run)(first)
    assert eqx.tree_equal(before, jax.tree.map(np.asarray, first))  # the task wrote into a copy
    assert _signature(first) == _signature(last)
    assert steps.terminated.tolist() == [False, False, True, False]
    assert not steps.nonfinite.any()  # infinite contact distances are no failure
    np.testing.assert_allclose(steps.final_observation.actor[0], first.observation.actor + 1)
    np.testing.assert_allclose(steps.final_observation.critic[0], np.tile(first.observation.actor + 1, 2))
    np.testing.assert_array_equal(steps.observation.actor[2], first.next_starts[1].actor[0])
    np.testing.assert_array_equal(steps.episode_metrics["cost"], [2, 4, 6, 2])  # actions are clipped to 1


def test_actions_are_held_and_their_rewards_added_until_the_task_terminates():
    episodes = Episodes(_fake(action_repeat=2))
    state = episodes.reset(jax.random.key(0))
    state, step = episodes.step(jax.random.key(1), state, jnp.zeros(2))
    assert step.reward == 2 and not step.terminated
    state, step = episodes.step(jax.random.key(1), state, jnp.zeros(2))
    assert step.reward == 1 and step.terminated and step.episode_length == 2


def test_environments_with_different_physics_share_one_program(monkeypatch):
    def draw(model, rng):
        return {"mass": model["mass"] + jax.vmap(jax.random.uniform)(rng)}, {"mass": 0}

    registry = types.SimpleNamespace(get_domain_randomizer=lambda name: draw)
    monkeypatch.setattr(adapter, "import_playground", lambda: (registry, None))
    nominal = _fake(randomize=True)
    assert nominal.randomizes

    def run(key):
        environment = nominal.randomize(key)
        state, _ = environment.reset(key)
        return environment.model["mass"], environment.step(key, state, jnp.zeros(2))[1].reward

    masses, rewards = jax.vmap(run)(jax.random.split(jax.random.key(0), 3))
    assert masses.shape == (3,) and len(np.unique(masses)) == 3
    np.testing.assert_array_equal(masses, rewards)
    assert nominal.model["mass"] == 1 and nominal.task._mjx_model["mass"] is nominal.model["mass"]


def test_the_tasks_own_model_comes_back_after_an_error():
    environment = _fake()
    changed = environment.with_model({"mass": jnp.asarray(2.0)})
    with pytest.raises(AttributeError):
        changed.step(jax.random.key(0), None, jnp.zeros(2))
    assert environment.task._mjx_model["mass"] is environment.model["mass"]
