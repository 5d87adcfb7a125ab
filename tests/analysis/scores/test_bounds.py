"""What is known of the returns of a task, from the tables that the environments use."""

import math

import pytest

from reppo.analysis.scores.bounds import parse_bounds, possible_returns, solved_scale
from reppo.environments import GYMNAX, PLAYGROUND, gymnax, playground
from reppo.errors import ConfigurationError
from reppo.spec import to_json


@pytest.mark.parametrize("name", PLAYGROUND)
def test_possible_returns_are_those_of_the_tables_of_tasks(name: str):
    spec = playground(name)
    expected = (0.0, 1000.0) if PLAYGROUND[name].family == "control suite" else (-math.inf, math.inf)
    assert possible_returns({"environment": to_json(spec)}) == expected
    assert (solved_scale({"environment": to_json(spec)}) is not None) == (expected[1] == 1000)


def test_changed_settings_change_what_is_possible():
    def of(spec):
        return possible_returns({"environment": to_json(spec)})

    assert of(playground("CheetahRun", config={"episode_length": 200})) == (0, 200)
    assert of(playground("CheetahRun", config={"action_repeat": 2})) == (-math.inf, math.inf)
    worst, _ = GYMNAX["Pendulum-v1"].reward_range or (math.nan, math.nan)
    assert of(gymnax("Pendulum-v1")) == (pytest.approx(200 * worst), 0)
    assert possible_returns({}) == possible_returns({"environment": {"component": "Mine"}}) == (-math.inf, math.inf)
    assert solved_scale({"environment": to_json(gymnax("Pendulum-v1"))}) is None  # nobody reaches its worst


def test_bounds_are_read_from_the_command_line():
    assert parse_bounds("Pendulum-v1=-1500:0") == ("Pendulum-v1", (-1500.0, 0.0))
    assert parse_bounds("Pendulum-v1+max_torque=1.5=-2e3:0.5") == ("Pendulum-v1+max_torque=1.5", (-2000.0, 0.5))
    for wrong in ("Pendulum-v1", "T=1", "T=2:1", "T=0:nan", "=0:1", "T=a:b", "T=0:inf"):
        with pytest.raises(ConfigurationError, match="not of the form TASK=LOW:HIGH"):
            parse_bounds(wrong)
