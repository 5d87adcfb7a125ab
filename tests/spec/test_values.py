import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo import environments
from reppo.losses import FixedSupport, HLGauss, PathwiseLoss, PenalizedKL
from reppo.presets import reppo
from reppo.spec import format_value, list_paths, parse_value, replace_path


def test_values_are_written_as_in_python():
    assert format_value(FixedSupport(low=-0.1)) == "FixedSupport(low=-0.1, high=150.0)"
    assert format_value(HLGauss(num_bins=21)).endswith("num_bins=21, sigma=0.75)")
    assert format_value("highest") == "'highest'"


@pytest.mark.parametrize(
    "component", [HLGauss(), PathwiseLoss(PenalizedKL(0.3)), reppo(environments.probe("BestAction"))]
)
def test_components_are_read_back(component):
    assert parse_value(format_value(component)) == component


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_any_number_is_read_back(number):
    assert parse_value(format_value(FixedSupport(low=number))) == FixedSupport(low=number)


def test_every_value_of_a_spec_is_read_back():
    spec = reppo(environments.gymnax("Pendulum-v1", {"max_torque": 1.5}))
    for path, value in list_paths(spec).items():
        assert replace_path(spec, path, parse_value(format_value(value))) == spec
