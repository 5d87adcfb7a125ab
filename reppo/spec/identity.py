"""The identity of a run: a hash of its resolved spec and its seed, the same on every machine and in every release."""

import dataclasses
import hashlib
import json
from typing import Any

import jax
import numpy as np

from reppo.component import Component
from reppo.spec.json import to_json
from reppo.spec.spec import Spec

SCHEMA = 1
"""Version of the canonical form; raised only if the meaning of all specs changes."""


def spec_id(spec: Spec) -> str:
    """Twelve hexadecimal digits for a resolved spec."""
    return _digest({"schema": SCHEMA, "spec": _canonical(spec)})


def run_id(spec: Spec, seed: int) -> str:
    """Twelve hexadecimal digits for a resolved spec and a seed.

    The number of steps is not part of it: a longer budget continues the same run.

    Args:
        spec: resolved.
        seed: of the run, from 0 to 2^32 - 1.
    """
    global _latest
    if _latest is None or _latest[0] is not spec:  # the runs of an arm, one after another, share their spec
        _latest = (spec, _canonical(spec))
    return _digest({"schema": SCHEMA, "spec": _latest[1], "seed": int(seed)})


_latest: tuple[Spec, Any] | None = None


def code_id(spec: Spec) -> str:
    """Twelve hexadecimal digits for all of a resolved spec but the values of its scalars: what is compiled."""
    return spec_id(jax.tree.map(lambda _: np.float32(0), spec))


def _canonical(value: Any) -> Any:
    """Like `to_json`, without fields that came later and are at their default."""
    if not isinstance(value, Component):
        return to_json(value)
    fields = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if not (field.metadata.get("added") and bool(content == field.default)):
            fields[field.name] = _canonical(content)
    return {"component": type(value).__name__, **fields}


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
