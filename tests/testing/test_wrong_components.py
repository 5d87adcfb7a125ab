"""For every law a component that breaks it on purpose, and is caught."""

import pytest

from reppo import testing
from reppo.environments import AbstractEnvironment
from reppo.losses import AbstractActorLoss, AbstractDivergence, AbstractObjective, PerState
from reppo.optimization import AbstractMultiplierOptimizer, AbstractOptimizer
from reppo.rollout import AbstractPolicy
from reppo.targets import AbstractEntropyBonus, AbstractTruncation
from tests.testing.wrong.changing import calls
from tests.testing.wrong.distributions import HEADS
from tests.testing.wrong.environments import ENVIRONMENTS
from tests.testing.wrong.exploration import EXPLORATION
from tests.testing.wrong.losses import ACTOR, CRITIC
from tests.testing.wrong.networks import NETWORKS
from tests.testing.wrong.normalization import NORMALIZATION
from tests.testing.wrong.optimization import OPTIMIZATION
from tests.testing.wrong.policies import OBSERVED, POLICIES, TOY, TOY_CONTEXT
from tests.testing.wrong.preference import PREFERENCE
from tests.testing.wrong.replay import REPLAY
from tests.testing.wrong.sharing import SHARING
from tests.testing.wrong.surrogates import SURROGATES
from tests.testing.wrong.targets import TARGETS

WRONG = {
    **TARGETS,
    **CRITIC,
    **ACTOR,
    **SURROGATES,
    **SHARING,
    **HEADS,
    **NORMALIZATION,
    **NETWORKS,
    **OPTIMIZATION,
    **EXPLORATION,
    **PREFERENCE,
    **REPLAY,
    **POLICIES,
    **ENVIRONMENTS,
}

# A wrong shape stops JAX before the law can look at it.
RAISES = {
    (AbstractActorLoss, "shape"),
    (AbstractDivergence, "shape"),
    (AbstractEnvironment, "drawing"),
    (AbstractEntropyBonus, "shape"),
    (AbstractMultiplierOptimizer, "fixed"),
    (AbstractObjective, "shape"),
    (AbstractOptimizer, "shape"),
    (AbstractTruncation, "shape"),
}


def test_every_law_has_a_component_that_breaks_it():
    assert set(WRONG) == {(slot, name) for slot, laws in testing.LAWS.items() for name in laws}


@pytest.mark.parametrize(("slot", "name"), WRONG, ids=[f"{slot.__name__}-{name}" for slot, name in WRONG])
def test_a_wrong_component_is_caught(slot, name):
    law = testing.LAWS[slot][name]
    with pytest.raises(AssertionError) as error:
        law(WRONG[slot, name], **(TOY_CONTEXT if slot is AbstractPolicy else {}))
    message = str(error.value)
    assert f"breaks the law {name!r} of {slot.__name__}: {law.says}\nFound: " in message
    assert ("it raised" in message) == ((slot, name) in RAISES), message


@pytest.mark.parametrize("rule", [lambda self, kl, bound: kl < bound.nonsense, lambda self, kl: kl < 1])
def test_a_component_that_fails_is_caught_with_its_error(rule):
    with pytest.raises(
        AssertionError, match=r"(?s)breaks the law 'shape'.*Found: it raised (Attribute|Type)Error.*Input: kl="
    ):
        testing.check_gate(calls(PerState(), rule))


def test_the_right_toy_policy_is_not_caught():
    testing.check_policy(TOY, **OBSERVED)
