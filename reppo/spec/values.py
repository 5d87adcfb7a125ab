"""Values of a spec written as text, for the command line."""

import ast
from typing import Any

from reppo.component import Component
from reppo.errors import ConfigurationError, unknown_name


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
        name = node.func.id
        if name not in Component.registry:
            raise unknown_name("component", name, Component.registry)
        arguments = [_evaluate(argument) for argument in node.args]
        keywords = {keyword.arg: _evaluate(keyword.value) for keyword in node.keywords if keyword.arg}
        try:
            return Component.registry[name](*arguments, **keywords)
        except TypeError as error:
            raise ConfigurationError(f"{ast.unparse(node)} cannot be built: {error}") from None
    if isinstance(node, ast.Name):
        return node.id
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ConfigurationError(f"{ast.unparse(node)!r} is neither a number, a text nor a component.") from None
