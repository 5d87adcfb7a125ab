"""Pages from templates: whatever a template is given is escaped, but for what it calls safe."""

import functools
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: Any) -> str:
    """Fills a template of this folder, such as `page.html`.

    Args:
        template: the name of its file.
        values: what it names. A name that is missing is an error.
    """
    return _environment().get_template(template).render(**values)


def source(name: str) -> str:
    """The text of a file of this folder, such as `page.css`."""
    return files("reppo.analysis").joinpath("templates", name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("reppo.analysis", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
