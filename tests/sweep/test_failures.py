"""A failure while runs train harms no other run."""

# ruff: noqa: F811 (fixtures are imported)

import functools
import json
from typing import final

import jax
import numpy as np
import pytest
from jax._src import dispatch

from reppo.ablation import Ablation, setting
from reppo.component import Scalar, hyper
from reppo.errors import RunsFailed
from reppo.losses.gates import AbstractGate
from reppo.spec import replace_path
from reppo.sweep import execute
from reppo.tracking import NoTracker
from reppo.training import BatchProgram
from reppo.training.lanes import lane_devices
from tests.sweep.resuming import (  # noqa: F401
    SMALL,
    Listener,
    contents,
    declare,
    operations,
    programs,
    undisturbed,
)


@final
class Explodes(AbstractGate):
    """A gate of a user's own, which raises while it trains where its limit is passed."""

    limit: Scalar = hyper(0.0)

    def __call__(self, kl, bound):
        def check(limit):
            if limit > 0:
                raise ValueError("the user's own fault")
            return np.zeros((), bool)

        return (kl < bound) | jax.pure_callback(check, jax.ShapeDtypeStruct((), bool), self.limit)


@pytest.fixture
def failed_callbacks_are_forgotten():
    """JAX keeps the error of a callback, and raises it once more where anything waits for callbacks."""
    yield
    dispatch.runtime_tokens.clear()


@pytest.mark.usefixtures("failed_callbacks_are_forgotten")
def test_a_failure_while_training_harms_its_own_runs_only(undisturbed, tmp_path):
    """One raising arm of four, one of whose runs shares a batch with an arm that does not raise."""
    gate = lambda limit: Ablation(
        f"limit={limit}", "Is it?", ("actor_loss.gate",), "ours", "unknown", functools.partial(explode, limit)
    )
    arms = [setting("kl_bound", 0.2), gate(-1.0), gate(1.0)]
    others = {(arm, seed) for arm in ("base", "kl_bound=0.2", "limit=-1.0") for seed in range(3)}
    for _ in range(2):  # and the same once more
        with pytest.raises(RunsFailed) as raised:
            execute(declare(arms=arms, seeds=range(3)), tmp_path / "small", NoTracker())
        lines = str(raised.value).splitlines()
        assert all(f"BestAction limit=1.0: {__file__}, line " in line for line in lines[1:-1]) and len(lines) == 4
        assert all(line.endswith("ValueError: the user's own fault") for line in lines[1:-1])
        found = contents(tmp_path / "small")
        assert {key for key, (record, *_) in found.items() if record["status"] == "finished"} == others
        same = contents(undisturbed).keys() & others
        assert len(same) == 4
        for key in same:
            assert found[key][1:] == contents(undisturbed)[key][1:]
    ledger = [json.loads(line) for line in (tmp_path / "small/ledger.jsonl").read_text().splitlines()]
    assert any(event["event"] == "batch_failed" and "in check" in event["traceback"] for event in ledger)


@pytest.mark.parametrize("error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 8 GB")])
def test_where_memory_runs_out_lanes_train_one_at_a_time(operations, tmp_path, monkeypatch, error):
    original = BatchProgram.iterate

    def iterate(self, states, *arguments):
        if self.at_once == 2 and np.all(np.asarray(states.arrays.iteration) == 3):
            raise error
        return original(self, states, *arguments)

    if lane_devices() == 1:
        pytest.skip("lanes train one at a time already")
    monkeypatch.setattr(BatchProgram, "iterate", iterate)
    listener = Listener()
    execute(declare(**SMALL), tmp_path / "small", listener)
    assert listener.said == ["Memory ran out: from now on one lane trains at a time, not 2."]
    described = json.loads((tmp_path / "small/experiment.json").read_text())
    assert described["execution"] == {"mode": "map", "most": 2, "devices": 1, "fixed": False}
    found = contents(tmp_path / "small")
    for run, (_, evaluations, _, policies) in operations[1].items():  # metrics may differ in their last bits
        assert (found[run][1], found[run][3]) == (evaluations, policies)


def explode(limit, spec):
    return replace_path(spec, "actor_loss.gate", Explodes(limit))
