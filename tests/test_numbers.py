"""Numbers of NumPy and JAX are numbers wherever one is asked for, and sweeps are in the order of their numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import Experiment, designs, environments, presets, setting
from reppo.component import AsFloat32, as_plain
from reppo.descriptions.entries import find_arm
from reppo.errors import ConfigurationError
from reppo.losses import FixedSupport, HLGauss
from reppo.networks import Critic
from reppo.results.formatting import arm_parts, natural_order
from reppo.spec import get_path, replace_path, resolve, run_id, spec_id
from tests.tiny import tiny_preset

TASK = environments.probe("BestAction")
SPEC = resolve(tiny_preset(TASK))


pytestmark = pytest.mark.usefixtures("unchecked")


def declare(**changes):
    fields = {"name": "study", "base": tiny_preset, "environments": [TASK], "seeds": range(2), "steps": 1024}
    return Experiment(**(fields | changes))


def test_an_experiment_takes_numbers_of_numpy_as_pythons():
    plain = declare(seeds=[0, 3], steps=1024, arms=[setting("kl_bound", 0.2), setting("rollout_length", 16)])
    given = declare(
        seeds=np.array([0, 3]),
        steps=np.int64(1024),
        arms=[setting("kl_bound", np.float32(0.2)), setting("rollout_length", np.array(16))],
    )
    assert [(run.arm, run.seed, run.id) for run in given.runs()] == [(r.arm, r.seed, r.id) for r in plain.runs()]
    assert type(given.steps) is int and {type(run.seed) for run in given.runs()} == {int}
    assert [r.id for r in plain.select(seeds=np.arange(2)).runs()] == [r.id for r in plain.select(seeds=[0, 1]).runs()]
    assert run_id(SPEC, np.int64(3)) == run_id(SPEC, 3)


@pytest.mark.parametrize("seed", [np.bool_(True), np.float64(1.5), np.int64(-1), True, jnp.float32(0.5)])
def test_what_is_no_seed_is_refused_by_its_plain_value(seed):
    with pytest.raises(ConfigurationError, match=r"The seed (True|1.5|-1|0.5) is not a whole number from 0"):
        declare(seeds=[seed])


def test_the_same_seed_twice_is_seen_through_its_type():
    with pytest.raises(ConfigurationError, match="A seed is listed twice: 0"):
        declare(seeds=[0, np.int64(0)])


@pytest.mark.parametrize(
    "number", [0.2, np.float32(0.2), np.float64(0.2), np.array(0.2), np.array(0.2, np.float32), jnp.float32(0.2)]
)
def test_one_number_is_one_setting_and_one_name(number):
    arm = setting("kl_bound", number)
    assert arm.name == "kl_bound=0.2" and spec_id(resolve(arm(SPEC))) == spec_id(
        resolve(setting("kl_bound", 0.2)(SPEC))
    )
    assert type(AsFloat32()(number)) is np.float32


@pytest.mark.parametrize("count", [np.int64(8), np.uint8(8), np.array(8), jnp.int32(8), 8.0, np.float64(8)])
def test_counts_are_held_as_pythons_numbers(count):
    spec = replace_path(SPEC, "critic.width", count)
    assert type(get_path(spec, "critic.width")) is int and spec_id(resolve(spec))
    if not isinstance(count, float):
        assert type(Critic(width=count).width) is int


@pytest.mark.parametrize("wrong", [np.bool_(True), True, [0.1], {}, "0.1", None, 1j])
def test_what_is_no_number_is_none_for_a_scalar(wrong):
    with pytest.raises(TypeError, match="Expected a number"):
        AsFloat32()(wrong)


@pytest.mark.parametrize("other", [jax.random.key(0), np.arange(2), jnp.arange(2), np.complex64(1), "a", None])
def test_what_is_no_single_number_is_left_alone(other):
    assert as_plain(other) is other
    assert jax.jit(lambda x: as_plain(x) + 1)(1) == 2


def test_a_float_stays_one_where_a_whole_number_is_given():
    assert as_plain((np.int64(1), np.float32(0.1), (np.bool_(False),))) == (1, 0.1, (False,))
    probe = replace_path(SPEC, "algorithm.gamma", 1)
    assert str(get_path(probe, "gamma")) == "1.0"
    base = resolve(presets.reppo_small(TASK))
    (scale,) = [path for path, value in _paths(base).items() if type(value) is float and path.endswith(".scale")][:1]
    assert type(get_path(replace_path(base, scale, 40), scale)) is float


def _paths(spec):
    from reppo.spec import list_paths

    return list_paths(spec)


def test_a_count_may_be_written_as_a_power_of_ten_on_the_command_line():
    chosen = declare().select(overrides=["evaluation.interval=1e3"])
    assert get_path(chosen.starts(TASK)["base"], "evaluation.interval") == 1000


def test_settings_of_tasks_may_come_from_numpy():
    given = environments.gymnax("Pendulum-v1", {"dt": np.float32(0.02), "max_steps_in_episode": np.array(50)})
    assert given == environments.gymnax("Pendulum-v1", {"dt": 0.02, "max_steps_in_episode": 50})
    assert given.name == "Pendulum-v1@dt=0.02,max_steps_in_episode=50"


def test_grids_from_numpy_are_named_by_their_numbers():
    assert [arm.name for arm in designs.grid("gamma", np.logspace(-2, 0, 3))] == ["gamma=0.01", "gamma=0.1", "gamma=1"]
    assert [arm.name for arm in designs.grid("critic.width", np.geomspace(16, 64, 2))] == [
        "critic.width=16", "critic.width=64",
    ]  # fmt: skip


def test_names_of_settings_have_no_plus_and_no_line_break():
    assert setting("reward_scale", 1e9).name == "reward_scale=1e9"
    wide = setting("value", HLGauss(FixedSupport(-1e20, 5.0), num_bins=21))
    assert wide.name == "value=HLGauss(support=FixedSupport(low=-1e20, high=5.0), num_bins=21, sigma=0.75)"
    assert find_arm("reward_scale=1e9+gamma=0.9").name == "gamma=0.9+reward_scale=1e9"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("base", ["base"]),
        ("reward_scale=1e+09", ["reward_scale=1e+09"]),
        ("a=1e+09+b=2", ["a=1e+09", "b=2"]),
        ("kl/v2e+value/3d", ["kl/v2e", "value/3d"]),
        ("a=F(x=1e+5)+b=1e+5", ["a=F(x=1e+5)", "b=1e+5"]),
    ],
)
def test_a_power_of_ten_is_no_two_ablations(name, parts):
    assert arm_parts(name) == parts
    if name.startswith("reward"):
        assert [one.name for one in find_arm(name).ablations] == ["reward_scale=1e9"]


def test_settings_are_in_the_order_of_their_numbers():
    ordered = ["x=-2", "x=-1.5", "x=1e-05", "x=0.001", "x=9", "x=10", "x=1e3", "x=1e+09"]
    assert sorted(reversed(ordered), key=natural_order) == ordered
    assert sorted(["seed10-2", "seed9-1"], key=natural_order) == ["seed9-1", "seed10-2"]
