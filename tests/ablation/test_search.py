import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo import Experiment, designs, environments
from reppo.ablation.search import Integers, LogUniform, Uniform
from reppo.errors import ConfigurationError
from reppo.training.lanes import compile_key
from tests.tiny import tiny_preset

SPACE = {
    "gamma": Uniform(0.9, 0.999),
    "kl_bound": LogUniform(0.01, 1.0),
    "lam": [0.9, 0.95],
    "epochs": Integers(1, 3),
}


def declare(arms):
    return Experiment(name="s", base=tiny_preset, environments=[environments.probe("BestAction")], arms=arms, steps=1)


def values(arm):
    return {path: float(text) for path, _, text in (one.partition("=") for one in arm.name.split("+"))}


def test_settings_are_drawn_from_the_ranges_and_a_search_can_be_extended():
    arms = designs.random_search(SPACE, 40, seed=3)
    assert [arm.name for arm in designs.random_search(dict(reversed(SPACE.items())), 20, seed=3)] == [
        arm.name for arm in arms[:20]
    ]
    assert {arm.name for arm in designs.random_search(SPACE, 40, seed=4)}.isdisjoint(arm.name for arm in arms)
    drawn = [values(arm) for arm in arms]
    assert all(0.9 <= one["gamma"] <= 0.999 and 0.01 <= one["kl_bound"] <= 1 for one in drawn)
    assert {one["lam"] for one in drawn} == {0.9, 0.95} and {one["epochs"] for one in drawn} == {1, 2, 3}
    assert abs(np.mean([math.log10(one["kl_bound"]) for one in drawn]) + 1) < 0.3
    assert abs(np.corrcoef([one["gamma"] for one in drawn], [one["kl_bound"] for one in drawn])[0, 1]) < 0.4


def test_a_path_draws_the_same_whatever_else_is_searched():
    alone = designs.random_search({"gamma": SPACE["gamma"]}, 10)
    assert [values(arm)["gamma"] for arm in alone] == [values(arm)["gamma"] for arm in designs.random_search(SPACE, 10)]


@given(st.floats(0, 1, exclude_max=True), st.floats(1e-6, 1e6), st.floats(1e-3, 1e6))
@settings(max_examples=200, deadline=None)
def test_a_share_of_a_range_lies_within_it(share, low, width):
    high = low + width
    if low < high:
        for of in (Uniform(low, high), LogUniform(low, high)):
            assert low <= of.at(share) <= high
            assert of.at(0.0) <= of.at(share) <= of.at(1 - 2**-53)


def test_integers_are_drawn_alike_and_are_integers():
    drawn = [Integers(2, 5).at(share) for share in np.arange(400) / 400]
    assert [drawn.count(number) for number in range(2, 6)] == [100] * 4
    assert all(type(number) is int for number in drawn)


def test_all_settings_of_scalars_are_lanes_of_one_program_and_are_recorded():
    arms = designs.random_search({name: SPACE[name] for name in ("gamma", "kl_bound")}, 12)
    runs = declare(arms).runs()
    assert len(runs) == 13
    assert len({compile_key(run.spec) for run in runs}) == 1
    searched = next(run for run in runs if run.arm == arms[0].name)
    assert list(searched.settings.values()) == list(values(arms[0]).values())


def test_a_value_may_be_that_of_the_base():
    arms = designs.random_search({"lam": [0.95, 0.5]}, 2)
    assert {run.arm for run in declare(arms).runs()} == {"base", "lam=0.5"}


@pytest.mark.parametrize(
    ("space", "number", "seed", "says"),
    [
        ({}, 1, 0, "no hyperparameters"),
        ({"gamma": [0.9]}, 0, 0, "0 settings; give at least 1"),
        ({"gamma": [0.9]}, 1, -1, "is -1; give at least 0"),
        ({"gamma": []}, 1, 0, r"given \[\] for gamma; give Uniform"),
        ({"gamma": "0.9"}, 1, 0, "given '0.9' for gamma"),
        ({"gamma": [0.9, 0.8, 0.9]}, 3, 0, "found 2 different settings and shall draw 3"),
    ],
)
def test_searches_that_cannot_be_are_refused(space, number, seed, says):
    with pytest.raises(ConfigurationError, match=says):
        designs.random_search(space, number, seed)


@pytest.mark.parametrize(
    ("of", "ends", "says"),
    [
        (Uniform, (1.0, 1.0), "from 1.0 to 1.0; give finite numbers, the first below"),
        (Uniform, (0.0, math.inf), "from 0.0 to inf"),
        (LogUniform, (0.0, 1.0), "starts at 0.0; give a number above 0"),
        (Integers, (3, 2), "from 3 to 2"),
    ],
)
def test_ranges_that_are_none_are_refused(of, ends, says):
    with pytest.raises(ConfigurationError, match=says):
        of(*ends)
