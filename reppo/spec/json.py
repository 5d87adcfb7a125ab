"""Specs as JSON, both ways: a component is an object with its name under `component` and its fields beside it."""

import dataclasses
import math
from typing import Any

import numpy as np

from reppo.component import Component, find_component, is_hyper
from reppo.environments.suites import suite_of_component
from reppo.errors import ConfigurationError


def to_json(value: Any) -> Any:
    """Plain data (dict, list, str, int, float, bool, None) for a component or a field of one.

    Scalars become the shortest decimal that names their float32; infinities and NaN become text.

    Raises:
        TypeError: for what JSON cannot express.
    """
    if isinstance(value, Component):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"component": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, np.generic | np.ndarray) and value.ndim == 0:
        value = float(str(value)) if value.dtype.kind == "f" else value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"A spec holds {value!r} of type {type(value).__name__}, which JSON cannot express.")


def from_json(data: Any) -> Any:
    """The component or field that `to_json` wrote.

    Raises:
        ConfigurationError: for a component or field that is not known here.
    """
    if isinstance(data, list):
        return tuple(from_json(item) for item in data)
    if not isinstance(data, dict):
        return data
    name = data.get("component")
    cls = known_component(
        str(name),
        "If it is your own, import the file that defines it first (on the command line: --file FILE); if a package "
        "brings it, install that.",
    )
    known = {field.name: field for field in dataclasses.fields(cls)}
    fields = {key: value for key, value in data.items() if key != "component"}
    if unknown := set(fields) - set(known):
        raise ConfigurationError(
            f"{name} has no field {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}."
        )
    try:
        return cls(**{key: _from_json(value, known[key]) for key, value in fields.items()})
    except TypeError as error:
        raise ConfigurationError(f"{name} cannot be read: {error}") from None


def known_component(name: str, cure: str = "") -> type[Component]:
    """The component class of that name (see `find_component`), also that of a task whose suite was not imported yet."""
    if name not in Component.registry and (suite := suite_of_component(name)) is not None:
        suite.load()
    return find_component(name, cure)


def _from_json(data: Any, field: dataclasses.Field[Any]) -> Any:
    """The content of a field. A scalar that is not finite stands there as text: JSON has no number for it."""
    return float(data) if is_hyper(field) and data in ("inf", "-inf", "nan") else from_json(data)
