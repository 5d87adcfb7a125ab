import warnings

import numpy as np
import pytest

from reppo.environments import GYMNAX, GYMNAX_DISCRETE, GYMNAX_REFUSED, PLAYGROUND


def test_gymnax_table_is_its_registry():
    gymnax = pytest.importorskip("gymnax")
    from gymnax.environments import environment, spaces

    known = set(gymnax.registered_envs)
    assert set(GYMNAX) == known - set(GYMNAX_REFUSED) and set(GYMNAX_REFUSED) < known
    for name, entry in GYMNAX.items():
        task, params = gymnax.make(name)
        actions, seen = task.action_space(params), task.observation_space(params)
        assert entry.horizon == params.max_steps_in_episode, name
        assert (name in GYMNAX_DISCRETE) == entry.discrete == isinstance(actions, spaces.Discrete), name
        assert entry.action == (actions.n if entry.discrete else int(np.prod(actions.shape))), name
        assert entry.observation == (seen.n if isinstance(seen, spaces.Discrete) else int(np.prod(seen.shape))), name
        assert entry.image == (tuple(seen.shape) if len(seen.shape) == 3 else None), name
        # The adapter leaves the time limit to the wrapper, so it must be all that `is_truncated` says.
        assert type(task).is_truncated is environment.Environment.is_truncated
    assert len(GYMNAX_DISCRETE) == 20


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
