"""Paths into a spec: dotted field names, such as `algorithm.actor_loss.objective.kl_bound`."""

import dataclasses
import functools
from typing import Any, NamedTuple

from reppo.component import Component, as_plain
from reppo.errors import ConfigurationError, closest_names


class Difference(NamedTuple):
    """One place in which two specs differ.

    Attributes:
        path: where.
        before: the value or component there in the first.
        after: likewise in the second.
    """

    path: str
    before: Any
    after: Any


def _children(component: Component) -> dict[str, Any]:
    values = vars(component)  # a component looks each attribute up by itself, which takes most of the time of a search
    return {name: values[name] for name in _names(type(component))}


@functools.cache
def _names(cls: type[Component]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def list_paths(component: Component, prefix: str = "") -> dict[str, Any]:
    """All paths below a component, slots as well as plain fields, with what they hold."""
    paths: dict[str, Any] = {}
    for name, value in _children(component).items():
        paths[prefix + name] = value
        if isinstance(value, Component):
            paths |= list_paths(value, f"{prefix}{name}.")
    return paths


def expand_path(component: Component, path: str) -> str:
    """Expands a unique suffix of a path to the whole path: `kl_bound` to `algorithm.actor_loss.objective.kl_bound`.

    Raises:
        ConfigurationError: if there is no such path, or more than one; names the candidates.
    """
    paths = list_paths(component)
    if path in paths:
        return path
    matches = [known for known in paths if known.endswith(f".{path}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigurationError(f"The path {path!r} is not unique: {', '.join(matches)}. Give more of it.")
    ends = {known.rpartition(".")[2]: known for known in paths}
    near, close = closest_names(path, [*paths, *ends])
    whole = dict.fromkeys(repr(ends.get(name, name)) for name in close)
    hint = f" Did you mean {' or '.join(whole)}?" if near else ""
    raise ConfigurationError(f"The spec has no path {path!r}.{hint}")


def get_path(component: Component, path: str) -> Any:
    """What stands at a path (or at a unique suffix of one)."""
    return list_paths(component)[expand_path(component, path)]


def replace_path(component: Any, path: str, value: Any) -> Any:
    """A copy with another value at a path (or at a unique suffix of one).

    Fields are converted and checked as by their constructors.

    Raises:
        ConfigurationError: if there is no such path, more than one, or the value is not of the kind that stands there.
    """
    whole = expand_path(component, path)
    try:
        return _replace(component, whole, value)
    except TypeError as error:
        raise ConfigurationError(f"{whole} cannot be {value!r}: {error}") from None


def _replace(component: Any, path: str, value: Any) -> Any:
    head, _, rest = path.partition(".")
    old = getattr(component, head)
    new = _replace(old, rest, value) if rest else _as_kind_of(old, as_plain(value))
    return dataclasses.replace(component, **{head: new})


def _as_kind_of(old: Any, new: Any) -> Any:
    """A number as the kind that stands there: 1e6 is a count where one was, 40 a float."""
    if type(old) is int and isinstance(new, float) and new.is_integer():
        return int(new)
    return float(new) if type(old) is float and type(new) is int else new


def difference(before: Any, after: Any, prefix: str = "") -> list[Difference]:
    """The places in which two components differ, each as far down as both still have the same type."""
    if type(before) is not type(after) or not isinstance(before, Component):
        return [] if _equal(before, after) else [Difference(prefix, before, after)]
    found: list[Difference] = []
    others = _children(after)
    for name, value in _children(before).items():
        found += difference(value, others[name], f"{prefix}.{name}" if prefix else name)
    return found


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)
