"""What the files of the catalog share."""

from typing import Any

from reppo.spec import Spec, replace_path


def replace(spec: Spec, changes: dict[str, Any]) -> Spec:
    """The spec with other values at some paths."""
    for path, value in changes.items():
        spec = replace_path(spec, path, value)
    return spec
