"""What docstrings, sources and checks say of a component: its text, its fields and their ranges, its laws."""

import ast
import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reppo.component import is_hyper

_SECTION = re.compile(r"^(?:Args|Attributes|Raises|Returns|Reference|Source|Yields):$", re.MULTILINE)
_FAR = 1_000_000
_FIELD = re.compile(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def body(thing: object) -> str:
    """The docstring of a class or a function before its sections (`Attributes:`, `Raises:`, ...)."""
    return _SECTION.split(inspect.getdoc(thing) or "")[0].strip()


def field_texts(cls: type) -> dict[str, str]:
    """What the docstrings of a class and of those it inherits from say of each field, in one line."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        attributes = (inspect.cleandoc(base.__doc__ or "") + "\n").partition("Attributes:\n")[2]
        attributes = re.split(r"^\S", attributes, maxsplit=1, flags=re.MULTILINE)[0]
        texts |= {name: " ".join(text.split()) for name, text in _FIELD.findall(attributes)}
    return texts


def allowed(cls: type[Any], field: dataclasses.Field[Any]) -> str:
    """The range in which a number of a component may be, in words; empty for a field that is no number.

    It is found by asking the component (`validate`), with the other fields at their defaults.
    """
    default = float(field.default) if is_hyper(field) and isinstance(field.default, int) else field.default
    fields = dataclasses.fields(cls)
    complete = all(other.default is not dataclasses.MISSING for other in fields)
    if isinstance(default, bool) or not isinstance(default, int | float) or not complete:
        return ""

    def accepts(value: float | int, **others: float | int) -> bool:
        try:
            cls(**{field.name: value, **others}).validate()
        except Exception:  # a component says as it likes that a number is out of its range
            return False
        return True

    def end(far: float | int) -> tuple[float | int, str]:
        """Where the range ends, and what is there: `[`, `(`, the name of the field that it follows, or nothing."""
        if accepts(far):
            return far, ""
        found = _end(accepts, default, far)
        moved = found + math.copysign(0.25, -far)
        for other in fields:
            follows = other is not field and other.default == found and isinstance(default, float)
            if follows and not accepts((found + moved) / 2, **{other.name: moved}):
                return found, other.name
        return found, "[" if accepts(found) else "("

    far = _FAR if isinstance(default, int) else float(_FAR**2)
    (low, below), (high, above) = end(-far), end(far)
    if below and above and len(below + above) == 2:
        return f"in {below}{low:g}, {high:g}{']' if above == '[' else ')'}"
    words = {"": "", "[": f"at least {low:g}", "(": "positive" if low == 0 else f"above {low:g}"}
    more = {"": "", "[": f"at most {high:g}", "(": f"below {high:g}"}
    both = [words.get(below, f"above `{below}`"), more.get(above, f"below `{above}`")]
    return " and ".join(filter(None, both)) or "any number"


def _end(accepts: Callable[..., bool], inside: float | int, outside: float | int) -> float | int:
    """The end of a range: the last whole number in it, or a short decimal, which may lie in it or not."""
    whole = isinstance(inside, int)
    while abs(inside - outside) > (1 if whole else 1e-6 * abs(inside) + 1e-15):
        middle = (inside + outside) // 2 if whole else (inside + outside) / 2
        inside, outside = (middle, outside) if accepts(middle) else (inside, middle)
    return inside if whole else 0.0 if abs(outside) < 1e-12 else float(f"{outside:.4g}")


@functools.cache
def laws() -> dict[str, dict[str, str]]:
    """The laws of each slot, by the name of its abstract class: name of the law -> what it says.

    They are read from the source of `reppo.testing`, which needs hypothesis; this does not.
    """
    found: dict[str, dict[str, str]] = {}
    for file in sorted(Path(__file__).parents[1].glob("testing/*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            for call in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "law":
                    slot, name, says = call.args
                    found.setdefault(ast.unparse(slot), {})[ast.literal_eval(name)] = ast.literal_eval(says)
    return found


def laws_of(cls: type) -> dict[str, str]:
    """The laws that a class is held to, or those of a slot: of all its bases; none where they have none."""
    return {name: says for base in reversed(cls.__mro__) for name, says in laws().get(base.__name__, {}).items()}
