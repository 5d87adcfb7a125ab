"""Values of a spec written as text, for the command line."""

import ast
import dataclasses
from typing import Any

from reppo.component import Component
from reppo.errors import ConfigurationError, close_arguments
from reppo.spec.json import known_component, to_json


def format_value(value: Any) -> str:
    """A value or component as it is written in Python, on one line: `FixedSupport(low=0.0, high=150.0)`.

    Scalars are written as the shortest decimal that names their float32. `parse_value` reads it back.
    """
    if isinstance(value, Component):
        fields = (f"{field.name}={format_value(getattr(value, field.name))}" for field in dataclasses.fields(value))
        return f"{type(value).__name__}({', '.join(fields)})"
    return repr(value if isinstance(value, tuple) else to_json(value))


def parse_value(text: str) -> Any:
    """A number, text, boolean or component: `0.2`, `1e-3`, `Unconstrained()`, `FixedSupport(low=-10, high=10)`.

    Raises:
        ConfigurationError: if the text is neither.
    """
    try:
        return _evaluate(ast.parse(text, mode="eval").body)
    except SyntaxError:
        return text


def _evaluate(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        cls = known_component(node.func.id)
        arguments = [_evaluate(argument) for argument in node.args]
        keywords = {keyword.arg: _evaluate(keyword.value) for keyword in node.keywords if keyword.arg}
        try:
            return cls(*arguments, **keywords)
        except TypeError as error:
            meant = close_arguments(error, {cls.__name__: cls})
            raise ConfigurationError(f"{ast.unparse(node)} cannot be built: {error}{meant}") from None
    if isinstance(node, ast.Name):
        return node.id
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ConfigurationError(f"{ast.unparse(node)!r} is neither a number, a text nor a component.") from None
