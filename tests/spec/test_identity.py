import json
import re

import numpy as np
import pytest

from reppo import environments
from reppo.algorithms import AbstractAlgorithm
from reppo.component import Component, hyper, static
from reppo.networks import NoNorm, RMSNorm
from reppo.presets import reppo, reppo_small
from reppo.spec import Spec, from_json, list_paths, replace_path, resolve, run_id, spec_id, to_json

# A change here is a breaking change: results that exist would no longer be found under their runs' identities.
# Print the table anew by running this file: python tests/spec/test_identity.py
GOLDEN_IDS = {
    # name: (spec_id, run_id of seed 0)
    "reppo, CartpoleBalance": ("954bcbddb728", "e9559f3c5fb0"),
    "reppo_small, CartpoleBalance": ("922155c12cb2", "8933c352366d"),
    "reppo, Pendulum-v1": ("5c164a7e2fa8", "0f0c0735e38a"),
    "reppo_small, Pendulum-v1, max_torque 1.5": ("addb0c2a57ef", "b57fb0d46b0d"),
    "reppo_small, ConstantReward": ("cf8383977991", "7a456f07df1d"),
}

CASES = {
    "reppo, CartpoleBalance": lambda: reppo(environments.playground("CartpoleBalance")),
    "reppo_small, CartpoleBalance": lambda: reppo_small(environments.playground("CartpoleBalance")),
    "reppo, Pendulum-v1": lambda: reppo(environments.gymnax("Pendulum-v1")),
    "reppo_small, Pendulum-v1, max_torque 1.5": lambda: reppo_small(
        environments.gymnax("Pendulum-v1", {"max_torque": 1.5})
    ),
    "reppo_small, ConstantReward": lambda: reppo_small(environments.probe("ConstantReward")),
}


def with_known_support(spec):
    """Resolved; with a support of its own where rewards do not give one."""
    if spec.environment.reward_range is None:
        spec = replace_path(spec, "support", from_json({"component": "FixedSupport", "low": -10, "high": 10}))
    return resolve(spec)


def identities(name):
    spec = with_known_support(CASES[name]())
    return spec_id(spec), run_id(spec, 0)


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    assert identities(name) == GOLDEN_IDS[name], "The identity of existing runs changed; see the comment in this file."


SPEC = resolve(reppo(environments.probe("ConstantReward")))


def test_identities_are_twelve_hexadecimal_digits_and_all_different():
    found = [identity for name in CASES for identity in identities(name)]
    found += [run_id(SPEC, seed) for seed in range(20)]
    assert all(re.fullmatch(r"[0-9a-f]{12}", identity) for identity in found)
    assert len(set(found)) == len(found)


def test_equal_specs_have_one_identity_however_they_were_made():
    for same in (
        resolve(reppo(environments.probe("ConstantReward"))),
        from_json(json.loads(json.dumps(to_json(SPEC)))),
        replace_path(SPEC, "gamma", np.float64(0.99)),
        replace_path(replace_path(SPEC, "gamma", 0.5), "gamma", 0.99),
    ):
        assert spec_id(same) == spec_id(SPEC) and run_id(same, 3) == run_id(SPEC, 3)


NUMBERS = [path for path, value in list_paths(SPEC).items() if isinstance(value, (np.floating, int))]


@pytest.mark.parametrize("path", NUMBERS)
def test_every_number_changes_the_identity(path):
    value = dict(list_paths(SPEC))[path]
    changed = value + 1 if isinstance(value, int) else np.nextafter(value, np.float32(np.inf))
    assert spec_id(replace_path(SPEC, path, changed)) != spec_id(SPEC)
    assert run_id(replace_path(SPEC, path, changed), 0) != run_id(SPEC, 0)


def test_components_and_texts_change_the_identity():
    changes = [("algorithm.actor.norm", NoNorm()), ("matmul_precision", "high")]
    changes += [("environment", environments.probe("ConstantReward", {"reward": 0.5}))]
    found = {spec_id(replace_path(SPEC, path, value)) for path, value in changes}
    assert len(found | {spec_id(SPEC)}) == 4


class _Algorithm(AbstractAlgorithm):
    """The methods of an algorithm that does nothing."""

    def init(self, key, environment):
        raise NotImplementedError

    def policy(self, state):
        raise NotImplementedError

    def update(self, state, trajectory, key):
        raise NotImplementedError


def released():
    class Changing(_Algorithm):
        num_environments: int = static(4)
        rollout_length: int = static(2)
        rate: np.float32 = hyper(0.1)

    return Changing


def reordered():
    class Changing(_Algorithm):
        rate: np.float32 = hyper(0.1)
        rollout_length: int = static(2)
        num_environments: int = static(4)

    return Changing


def extended():
    class Changing(_Algorithm):
        num_environments: int = static(4)
        rollout_length: int = static(2)
        rate: np.float32 = hyper(0.1)
        third: np.float32 = hyper(1 / 3, added=True)
        layers: int = static(0, added=True)

    return Changing


@pytest.fixture
def identity(monkeypatch):
    """The identity of a spec with a given algorithm; its class is forgotten afterwards."""
    monkeypatch.setattr(Component, "registry", dict(Component.registry))
    return lambda algorithm: spec_id(Spec(environments.probe("ConstantReward"), algorithm))


def test_the_order_of_fields_does_not_matter(identity):
    assert identity(released()(num_environments=8)) == identity(reordered()(num_environments=8))


def test_a_field_that_came_later_counts_only_away_from_its_default(identity):
    assert identity(extended()()) == identity(released()())
    assert identity(extended()(third=0.5)) != identity(released()())
    assert identity(extended()(layers=1)) != identity(released()())
    assert "third" in to_json(extended()())  # left out of the identity only


def test_a_field_that_was_there_from_the_start_always_counts(identity):
    assert identity(released()(rate=0.1)) == identity(released()())
    assert identity(released()(rate=0.2)) != identity(released()())
    assert RMSNorm() == RMSNorm()


if __name__ == "__main__":
    for case in CASES:
        print(f"    {json.dumps(case)}: {identities(case)},".replace("'", '"'))
