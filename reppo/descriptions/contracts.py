"""What a class of one's own has to offer: the abstract classes of the library, in words and as data."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

from reppo.component import Component
from reppo.descriptions.documentation import field_texts
from reppo.distributions import AbstractDistribution
from reppo.environments import AbstractEnvironment, AbstractTask
from reppo.environments.suites import all_suites
from reppo.rollout import AbstractPolicy
from reppo.tracking import AbstractTracker
from reppo.training import AbstractProgram

CONTRACTS: dict[str, type] = {
    cls.__name__: cls
    for cls in (AbstractDistribution, AbstractEnvironment, AbstractPolicy, AbstractProgram, AbstractTracker)
}
"""The abstract classes that are no components, by name: they stand for no slot of a spec."""


def find_class(name: str) -> type:
    """The component or abstract class of that name.

    Raises:
        KeyError: if there is none.
    """
    return Component.registry.get(name) or CONTRACTS[name]


def own_tasks() -> dict[str, type[AbstractTask]]:
    """Every task that is a class of its own (see `AbstractTask`) and is of no suite, by name."""
    taken = {name for suite in all_suites() for name in (suite.component, *suite.tasks, *suite.refused)}
    return {cls.__name__: cls for cls in subclasses(AbstractTask) if cls.__name__ not in taken}


def asked(cls: type) -> list[dict[str, str]]:
    """What a subclass must have: its attributes and methods, each as `name`, `signature` and `documentation`.

    The signature of an attribute is a colon and its type.
    """
    annotations = {name: text for base in reversed(cls.__mro__) for name, text in inspect.get_annotations(base).items()}
    texts = field_texts(cls)
    variables = [
        {"name": name, "signature": f": {_type_name(annotations[name])}", "documentation": texts.get(name, "")}
        for name in sorted(getattr(cls, "__abstractvars__", ()))
    ]
    taken = {one["name"] for one in variables}
    return variables + [
        _described(name, getattr(cls, name))
        for name in sorted(getattr(cls, "__abstractmethods__", ()))
        if name not in taken
    ]


def offered(cls: type) -> list[dict[str, str]]:
    """What an abstract class has, and a subclass may have anew, as `asked` gives it; nothing for any other class."""
    if not cls.__name__.startswith("Abstract"):
        return []
    must = {one["name"] for one in asked(cls)}
    found = {
        name: value
        for base in reversed(cls.__mro__)
        if base.__name__.startswith("Abstract")
        for name, value in vars(base).items()
        if not name.startswith("_") and name not in must
    }
    return [
        _described(name, value)
        for name, value in found.items()
        if isinstance(value, property) or inspect.isfunction(inspect.unwrap(getattr(cls, name)))
    ]


def subclasses(cls: type) -> Iterator[type]:
    """Every subclass that is known here and can be built, in the order of names; of components, the one of a name."""
    found: set[type] = set()
    waiting = [cls]
    for one in waiting:
        waiting += [sub for sub in one.__subclasses__() if sub not in waiting]
        found |= {one} if one is not cls and not asked(one) and not one.__name__.startswith("_") else set()
    known = {one for one in found if not issubclass(one, Component) or Component.registry.get(one.__name__) is one}
    return iter(sorted(known, key=lambda one: one.__name__))


def _described(name: str, method: Any) -> dict[str, str]:
    function: Any = method.fget if isinstance(method, property) else inspect.unwrap(method)
    text = _short(str(inspect.signature(function)))
    if isinstance(method, property):
        text = ": " + text.rpartition(" -> ")[2]
    return {"name": name, "signature": text, "documentation": inspect.getdoc(function) or ""}


def _type_name(annotation: Any) -> str:
    inner = get_args(annotation)
    text = inner[0] if inner else annotation
    return _short(text.__name__ if inspect.isclass(text) and not get_args(text) else str(text))


def _short(text: str) -> str:
    """Types without their modules, arrays by kind and shape: `(self, kl: Float[batch]) -> Bool[batch]`."""
    text = re.sub(r"jaxtyping\.(\w+)\[[\w.]+, '([^']*)'\]", r"\1[\2]", text)
    text = re.sub(r"(?:typing\.)?Union\[(\w+\[[^\]]*\])(?:, \1)*\]", r"\1", text)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", re.sub(r"'(\w+)'", r"\1", text))
