"""Every shipped component against the laws of its slot; new ones are covered as soon as they are registered."""

import importlib
import inspect
import pkgutil

import pytest

import reppo
from reppo import testing
from reppo.algorithms import AbstractAlgorithm
from reppo.component import Component
from reppo.environments import AbstractEnvironmentSpec
from reppo.losses import SupportFromRewards
from reppo.spec import Evaluation, Spec

for module in pkgutil.walk_packages(reppo.__path__, "reppo."):
    importlib.import_module(module.name)

# Specs and algorithms fill no slot; environments are named by their tasks, below. The bounds of a support from rewards
# exist only once a spec is resolved; they are then those of a FixedSupport.
WITHOUT_LAWS = (Spec, Evaluation, AbstractAlgorithm, AbstractEnvironmentSpec, SupportFromRewards)
# Laws that a component breaks because that is what it is for.
EXCUSED = {
    "BatchNorm": ["scale"],
    "BonusAlways": ["termination"],
    "FreshValueClippedBonus": ["entropy"],
    "MismatchedKL": ["itself", "saturated"],
    "ModeAction": ["value"],
    "NoGate": ["closed"],
    "NormalHead": ["normalized"],
    "PerDimension": ["sum"],
    "ShiftedFlag": ["termination"],
    "TakenActionClippedBonus": ["entropy"],
    "TruncationAsTermination": ["truncation"],
}

SHIPPED = {
    name: cls
    for name, cls in sorted(Component.registry.items())
    if cls.__module__.startswith("reppo.") and not inspect.isabstract(cls) and not issubclass(cls, WITHOUT_LAWS)
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_component_keeps_the_laws_of_its_slot(name):
    testing.check(testing.small(SHIPPED[name]()), skip=EXCUSED.get(name, []))


@pytest.mark.parametrize("name", EXCUSED)
def test_a_component_is_excused_only_from_laws_that_it_breaks(name):
    component = testing.small(SHIPPED[name]())
    slot = next(slot for slot in testing.CHECKS if isinstance(component, slot))
    for law in EXCUSED[name]:
        with pytest.raises(AssertionError, match=f"breaks the law '{law}'"):
            testing.LAWS[slot][law](component)
