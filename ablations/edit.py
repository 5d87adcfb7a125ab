"""What the files of the catalog share."""

from typing import Any

from reppo.errors import require
from reppo.spec import Spec, replace_path


def replace(spec: Spec, changes: dict[str, Any]) -> Spec:
    """The spec with other values at some paths."""
    for path, value in changes.items():
        spec = replace_path(spec, path, value)
    return spec


def require_algorithm(spec: Spec, algorithm: type, about: str) -> None:
    """Refuses a spec of another algorithm, where paths alone do not tell."""
    name = type(spec.algorithm).__name__
    require(isinstance(spec.algorithm, algorithm), f"It is about {about}, and the algorithm is {name}.")
