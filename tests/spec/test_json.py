import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo import environments
from reppo.component import Component, concrete_components, hyper
from reppo.errors import ConfigurationError
from reppo.losses import FixedSupport, HLGauss, ScalarValue
from reppo.presets import reppo, reppo_small
from reppo.spec import from_json, parse_value, replace_path, resolve, to_json

ENVIRONMENTS = {
    "probe": environments.probe("ConstantReward"),
    "gymnax": environments.gymnax("Pendulum-v1"),
    "gymnax with settings": environments.gymnax("Pendulum-v1", {"max_torque": 1.5}),
    "playground": environments.playground("CartpoleBalance", config={"episode_length": 500}),
}


@pytest.mark.parametrize("preset", [reppo, reppo_small])
@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
@pytest.mark.parametrize("resolved", [False, True], ids=["as written", "resolved"])
def test_presets_survive_the_round_trip(preset, environment, resolved):
    spec = preset(environment)
    if resolved and environment.reward_range is None:
        spec = replace_path(spec, "support", FixedSupport(-10, 10))
    spec = resolve(spec) if resolved else spec
    again = from_json(json.loads(json.dumps(to_json(spec), allow_nan=False)))
    assert again == spec
    assert hash(again) == hash(spec)
    assert to_json(again) == to_json(spec)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(2, 1000))
def test_any_finite_number_survives_exactly(number, bins):
    value = HLGauss(FixedSupport(low=number), num_bins=bins)
    again = from_json(json.loads(json.dumps(to_json(value), allow_nan=False)))
    assert again == value and again.support.low == np.float32(number)
    assert type(again.support.low) is np.float32


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.1, "0.1"), (3e-4, "0.0003"), (0.999, "0.999"), (150, "150.0"), (1e-30, "1e-30"), (16777216.0, "16777216.0")],
)
def test_numbers_are_written_as_the_shortest_text_of_their_float32(number, text):
    assert json.dumps(to_json(FixedSupport(low=number))["low"]) == text


def test_components_are_written_by_name_with_their_fields():
    assert to_json(HLGauss(num_bins=21)) == {
        "component": "HLGauss",
        "support": {"component": "FixedSupport", "low": 0.0, "high": 150.0},
        "num_bins": 21,
        "sigma": 0.75,
    }
    assert to_json(ScalarValue()) == {"component": "ScalarValue"}


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_becomes_text(bad):
    assert to_json(np.float32(bad)) == to_json(float(bad)) == str(float(bad))
    assert isinstance(to_json(np.float32(bad)), str)
    again = from_json(json.loads(json.dumps(to_json(FixedSupport(low=bad)), allow_nan=False)))
    assert type(again.low) is np.float32 and str(again.low) == str(np.float32(bad))


def test_a_text_for_a_number_is_refused():
    with pytest.raises(ConfigurationError, match=r"cannot be read: Expected a number for FixedSupport.low, got 'much'"):
        from_json({"component": "FixedSupport", "low": "much"})


@pytest.mark.parametrize("name", ["AbstractValue", "AbstractSupport"])
def test_abstract_components_cannot_be_built_and_are_not_suggested(name):
    with pytest.raises(
        ConfigurationError, match=rf"{name} is abstract.*Give one of its kind: .*(HLGauss|FixedSupport)"
    ):
        from_json({"component": name})
    with pytest.raises(ConfigurationError, match=rf"{name} is abstract"):
        parse_value(f"{name}()")
    with pytest.raises(ConfigurationError) as error:
        from_json({"component": name.lower()})
    assert "Abstract" not in str(error.value)
    assert not [name for name in concrete_components() if name.startswith("Abstract")]


def test_lists_become_tuples():
    config = to_json(ENVIRONMENTS["gymnax with settings"])["config"]
    assert config == [["max_torque", 1.5]]
    assert from_json(config) == (("max_torque", 1.5),)


def test_fields_that_are_left_out_take_their_defaults():
    assert from_json({"component": "FixedSupport", "low": -1}) == FixedSupport(low=-1.0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"component": "HLGaus"}, r"Unknown component 'HLGaus'\. Did you mean 'HLGauss'.*import the file that defines"),
        ({"component": "Zzzzzz"}, r"Unknown component 'Zzzzzz'\. .*The closest of the \d+ known: "),
        ({"low": 1}, r"Unknown component 'None'"),
        ({"component": "FixedSupport", "lo": 1}, r"FixedSupport has no field lo; it has high, low\."),
    ],
)
def test_what_is_not_known_here_is_refused(data, message):
    with pytest.raises(ConfigurationError, match=message):
        from_json(data)
    with pytest.raises(ConfigurationError, match=message):
        from_json({"component": "HLGauss", "support": data})


def test_what_json_cannot_express_is_refused():
    with pytest.raises(TypeError, match=r"A spec holds .* of type object, which JSON cannot express"):
        to_json(object())


@pytest.mark.parametrize("bad", [True, "0.1", None])
def test_a_hyperparameter_is_a_number(bad):
    with pytest.raises(TypeError, match="Expected a number for FixedSupport.low, got"):
        FixedSupport(low=bad)


def test_the_names_of_the_library_are_taken():
    with pytest.raises(TypeError, match=r"name 'HLGauss' is taken by reppo\.losses\.values\.HLGauss.*another one"):
        type("HLGauss", (Component,), {"__module__": "elsewhere"})
    assert Component.registry["HLGauss"] is HLGauss


def test_a_component_defined_elsewhere_is_found_by_its_name(monkeypatch):
    monkeypatch.setattr(Component, "registry", dict(Component.registry))

    class DefinedElsewhere(Component):
        number: np.float32 = hyper(0.5)

    assert from_json(to_json(DefinedElsewhere(0.25))) == DefinedElsewhere(0.25)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.2", 0.2),
        ("1e-3", 1e-3),
        ("-3", -3),
        ("True", True),
        ("False", False),
        ("None", None),
        ("highest", "highest"),
        ("'0.2'", "0.2"),
        ("two words", "two words"),
        ("ScalarValue()", ScalarValue()),
        ("FixedSupport(low=-10, high=10)", FixedSupport(-10, 10)),
        ("HLGauss(FixedSupport(-1, 1), num_bins=21)", HLGauss(FixedSupport(-1, 1), num_bins=21)),
    ],
)
def test_values_are_read_from_text(text, value):
    assert parse_value(text) == value and type(parse_value(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("HLGaus()", r"Unknown component 'HLGaus'\. Did you mean 'HLGauss'"),
        ("FixedSupport(lo=1)", r"FixedSupport\(lo=1\) cannot be built: .*'lo'. Did you mean 'low'"),
        (
            "FixedSupport(low=text)",
            r"FixedSupport\(low='?text'?\) cannot be built: Expected a number for FixedSupport.low, got 'text'",
        ),
        ("AbstractValue()", r"AbstractValue is abstract: .* Give one of its kind: .*HLGauss, "),
        ("1 + 2", r"'1 \+ 2' is neither a number, a text nor a component"),
        ("print('x')", r"Unknown component 'print'"),
        ("os.system('x')", r"neither a number, a text nor a component"),
    ],
)
def test_text_that_is_no_value_is_refused_and_never_run(text, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_value(text)


def test_specs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ScalarValue().anything = 1
