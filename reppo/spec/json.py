"""Specs as JSON, both ways: a component is an object with its name under `component` and its fields beside it."""

import dataclasses
import math
from typing import Any

import numpy as np

from reppo.component import Component
from reppo.errors import ConfigurationError, unknown_name


def to_json(value: Any) -> Any:
    """Plain data (dict, list, str, int, float, bool, None) for a component or a field of one.

    Scalars become the shortest decimal that names their float32; infinities and NaN become text.
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
    if name not in Component.registry:
        raise unknown_name(
            "component", str(name), Component.registry, "If it is your own, import the file that defines it first."
        )
    cls = Component.registry[name]
    known = {field.name for field in dataclasses.fields(cls)}
    fields = {key: value for key, value in data.items() if key != "component"}
    if unknown := set(fields) - known:
        raise ConfigurationError(
            f"{name} has no field {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}."
        )
    return cls(**{key: from_json(value) for key, value in fields.items()})
