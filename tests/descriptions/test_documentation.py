"""What is read from docstrings, sources and checks of components."""

import dataclasses

import pytest

from reppo.component import Component, concrete_components, hyper, static
from reppo.descriptions.documentation import allowed, body, field_texts, laws, laws_of
from reppo.errors import require
from reppo.losses import FixedSupport, HLGauss, PerState
from reppo.optimization import Adam
from reppo.testing import LAWS

SHIPPED = {name: cls for name, cls in concrete_components().items() if cls.__module__.startswith("reppo.")}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_field_and_component_of_the_library_is_documented(name):
    cls = SHIPPED[name]
    texts = field_texts(cls)
    assert body(cls)
    for field in dataclasses.fields(cls):
        assert texts.get(field.name), field.name
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert allowed(cls, field), field.name


def test_a_text_of_several_lines_is_one_and_sections_are_left_out():
    class TwoLines(Component):
        """First.

        More of it.

        Attributes:
            width: how wide,
                in units: not meters.
            depth: how deep.

        Raises:
            ConfigurationError: never.
        """

        width: int = static(1)
        depth: int = static(1)

    class Inherits(TwoLines):
        """Second.

        Attributes:
            depth: how deep it is now.
        """

    assert body(TwoLines) == "First.\n\nMore of it."
    assert field_texts(TwoLines) == {"width": "how wide, in units: not meters.", "depth": "how deep."}
    assert field_texts(Inherits) == {"width": "how wide, in units: not meters.", "depth": "how deep it is now."}
    del Component.registry["TwoLines"], Component.registry["Inherits"]


CHECKS = {
    "positive": lambda x: x > 0,
    "at least 0": lambda x: x >= 0,
    "at least -2": lambda x: x >= -2,
    "above -2": lambda x: x > -2,
    "below 7": lambda x: x < 7,
    "at most 7": lambda x: x <= 7,
    "in [0, 1]": lambda x: 0 <= x <= 1,
    "in (0, 1)": lambda x: 0 < x < 1,
    "in (0, 80]": lambda x: 0 < x <= 80,
    "any number": lambda x: True,
}


@pytest.mark.parametrize("words", CHECKS)
def test_ranges_are_found_by_asking(words):
    class Ranged(Component):
        number: float = hyper(0.5)

        def validate(self):
            require(CHECKS[words](self.number), "out of range")

    (field,) = dataclasses.fields(Ranged)
    assert allowed(Ranged, field) == words
    del Component.registry["Ranged"]


def test_whole_numbers_and_ends_that_follow_another_field():
    fields = {field.name: field for cls in (FixedSupport, HLGauss, Adam) for field in dataclasses.fields(cls)}
    assert allowed(HLGauss, fields["num_bins"]) == "at least 2"
    assert allowed(FixedSupport, fields["low"]) == "below `high`"
    assert allowed(FixedSupport, fields["high"]) == "above `low`"
    assert allowed(Adam, fields["clip"]) == ""


def test_laws_are_those_that_testing_holds_components_to():
    held = {slot.__name__: {name: law.says for name, law in own.items()} for slot, own in LAWS.items()}
    assert laws() == held
    assert laws_of(PerState) == held["AbstractGate"] and laws_of(int) == {}
