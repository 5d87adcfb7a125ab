import warnings

import pytest

from reppo.environments import GYMNAX, GYMNAX_DISCRETE, PLAYGROUND


def test_gymnax_table_is_its_registry():
    gymnax = pytest.importorskip("gymnax")
    from gymnax.environments import environment, spaces

    continuous = {}
    for name in gymnax.registered_envs:
        if name == "MNISTBandit-bsuite":  # needs the network
            continue
        task, params = gymnax.make(name)
        if isinstance(task.action_space(params), spaces.Box):
            continuous[name] = params.max_steps_in_episode
            # The adapter leaves the time limit to the wrapper, so it must be all that `is_truncated` says.
            assert type(task).is_truncated is environment.Environment.is_truncated
    assert continuous == {name: entry.horizon for name, entry in GYMNAX.items()}
    assert set(GYMNAX_DISCRETE) == set(gymnax.registered_envs) - set(continuous)


def test_playground_table_is_its_registry():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from mujoco_playground import dm_control_suite, locomotion, manipulation, registry
    families = {"control suite": dm_control_suite, "locomotion": locomotion, "manipulation": manipulation}
    assert {name: entry.family for name, entry in PLAYGROUND.items()} == {
        name: family for family, module in families.items() for name in module.ALL_ENVS
    }
    for name, entry in PLAYGROUND.items():
        config = registry.get_default_config(name)
        assert entry.horizon == config.episode_length // config.action_repeat, name
        assert entry.reward_range is None or config.action_repeat == 1, name
        randomizers = getattr(families[entry.family], "_randomizer", {})
        assert entry.randomizes == (name in randomizers), name
