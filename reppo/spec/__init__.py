"""Specs: what defines a run but its seed and its length; paths into them, their identity, their JSON."""

from reppo.spec.identity import run_id, spec_id
from reppo.spec.json import from_json, to_json
from reppo.spec.paths import Difference, difference, expand_path, get_path, list_paths, replace_path
from reppo.spec.spec import Evaluation, Spec, concerns, resolve, validate
from reppo.spec.values import format_value, parse_value

__all__ = [
    "Difference",
    "Evaluation",
    "Spec",
    "concerns",
    "difference",
    "expand_path",
    "format_value",
    "from_json",
    "get_path",
    "list_paths",
    "parse_value",
    "replace_path",
    "resolve",
    "run_id",
    "spec_id",
    "to_json",
    "validate",
]
