import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reppo.errors import ConfigurationError
from reppo.results import SCHEMA, RunRecord

MINIMAL: dict[str, Any] = dict(
    run_id="r1", experiment="e1", arm="kl/no_kl", environment="Pendulum-v1", seed=3, status="running"
)


@given(
    status=st.sampled_from(["running", "finished", "diverged"]),
    text=st.text(),
    number=st.none() | st.floats(allow_nan=False),
    steps=st.integers(0, 2**60),
)
def test_json_round_trip(status: Any, text: str, number: float | None, steps: int):
    record = RunRecord(
        **MINIMAL | {"status": status, "arm": text},
        diverged_at=steps if status == "diverged" else None,
        diverged_iteration=steps if status == "diverged" else None,
        diverged_by=text if status == "diverged" else None,
        environment_steps=steps,
        spec={"algorithm": {"discount": 0.99, "layers": [1, 2], "name": text}},
        ablations=[text],
        versions={"jax": text},
        lanes_mode="map",
        train_seconds=number,
    )
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_missing_optional_fields_take_defaults():
    record = RunRecord.from_json({**MINIMAL, "schema": SCHEMA})
    assert record == RunRecord(**MINIMAL)
    assert record.width is None and record.ablations == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": SCHEMA + 1, "hat": 1}, r"schema 8 \(its fields hat are not known here\); .* up to 7. Update reppo"),
        ({"schema": SCHEMA + 1}, "schema 8; this version of reppo reads up to 7"),
        ({"hat": 1}, "unknown fields: hat. Schema 7 has: run_id"),
        ({"schema": None}, "schema is None"),
        ({"status": "lost"}, r"status should be one of \('running', 'finished', 'diverged'\), not 'lost'"),
        ({"status": "diverged"}, "Only a run that diverged has diverged_at"),
        ({"diverged_at": 5}, "Only a run that diverged has diverged_at"),
        ({"lanes_mode": "pmap"}, "lanes_mode should be one of .* not 'pmap'"),
        ({"seed": -1}, "A seed is 0 or more, not -1"),
        ({"seed": "0"}, "seed should be a whole number, not '0'"),
        ({"width": True}, "width should be a whole number or null, not True"),
    ],
)
def test_damaged_records_are_refused(change: dict[str, Any], message: str):
    with pytest.raises(ConfigurationError, match=message):
        RunRecord.from_json({**MINIMAL, "schema": SCHEMA, **change})


def test_missing_required_fields_are_named():
    data = RunRecord(**MINIMAL).to_json()
    del data["arm"], data["seed"]
    with pytest.raises(ConfigurationError, match="lacks arm, seed"):
        RunRecord.from_json(data)


def test_whole_numbers_are_read_where_any_number_may_stand():
    assert RunRecord.from_json({**MINIMAL, "schema": SCHEMA, "train_seconds": 12}).train_seconds == 12.0


def test_every_field_can_be_checked_when_read():
    names = {field.name for field in dataclasses.fields(RunRecord)}
    assert RunRecord.from_json(RunRecord(**MINIMAL).to_json()) and names == set(RunRecord(**MINIMAL).to_json())
