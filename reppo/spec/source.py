"""The code that a spec stands for, as far as it is written in its components."""

import dataclasses
import functools
import hashlib
import inspect
import textwrap
from typing import Any

from reppo.component import Component


def source_hashes(spec: Component) -> dict[str, str]:
    """Eight hexadecimal digits for the source of the class of every component in a spec, by its name.

    The source is that of the class and of the components it inherits from, with comments and without decorators, as it
    is read from its file now. Functions it calls are not part of it, and a class that was typed into a shell has none.
    """
    found, left = {}, [spec]
    while left:
        value = left.pop()
        found[type(value).__name__] = _hash(type(value))
        below: list[Any] = [getattr(value, field.name) for field in dataclasses.fields(value)]
        left += [one for item in below for one in (item if isinstance(item, tuple) else (item,)) if _is_one(one)]
    return {name: digest for name, digest in sorted(found.items()) if digest}


def _is_one(value: Any) -> bool:
    return isinstance(value, Component)


@functools.cache
def _hash(kind: type) -> str:
    parts = [base for base in kind.__mro__ if issubclass(base, Component) and base is not Component]
    try:
        text = "\n".join(_source(base) for base in parts)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _source(kind: type) -> str:
    text = textwrap.dedent(inspect.getsource(kind)).rstrip()
    # Python 3.13 leaves decorators out where an import hook has added one of its own.
    return f"\n{text}".partition("\nclass ")[2]
