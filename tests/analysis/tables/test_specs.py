"""Specs compared as records have them."""

from reppo.analysis.tables.specs import ABSENT, at, changes, write_value


def test_specs_are_compared_field_by_field():
    a = {"component": "A", "x": 1, "inner": {"component": "B", "y": [1, 2]}, "gone": 0}
    b = {"component": "A", "x": 2, "inner": {"component": "C", "y": [1, 2]}, "new": None}
    assert changes(a, a) == []
    assert changes(a, b) == [
        ("x", 1, 2),
        ("inner", a["inner"], b["inner"]),
        ("gone", 0, ABSENT),
        ("new", ABSENT, None),
    ]
    assert write_value(a["inner"]) == "B(y=[1, 2])" and write_value(0.1) == "0.1" and write_value("s") == "'s'"
    assert at(a, "inner.y") == [1, 2] and at(a, "inner.z") == ABSENT
