import re

import numpy as np
import pytest

from reppo import environments
from reppo.component import Component
from reppo.errors import ConfigurationError
from reppo.losses import ClippedKL, HLGauss, NoAuxiliary, ScalarValue, SupportFromRewards, Unconstrained
from reppo.networks import NoNorm
from reppo.presets import reppo
from reppo.spec import Difference, difference, expand_path, get_path, list_paths, replace_path

SPEC = reppo(environments.probe("ConstantReward"))
BOUND = "algorithm.actor_loss.objective.kl_bound"


def test_paths_lead_to_slots_and_to_plain_fields():
    paths = list_paths(SPEC)
    assert paths[BOUND] == np.float32(0.1)
    assert paths["algorithm.actor_loss.objective"] == ClippedKL()
    assert paths["algorithm"] is SPEC.algorithm
    assert paths["environment.task"] == "ConstantReward"
    for path, value in paths.items():
        along = SPEC
        for name in path.split("."):
            along = getattr(along, name)
        assert along is value is get_path(SPEC, path)


def test_a_suffix_is_enough_where_it_is_unique():
    for path in list_paths(SPEC):
        parts = path.split(".")
        for start in range(len(parts)):
            suffix = ".".join(parts[start:])
            candidates = [known for known in list_paths(SPEC) if f".{known}".endswith(f".{suffix}")]
            if suffix in list_paths(SPEC):
                assert expand_path(SPEC, suffix) == suffix
            elif len(candidates) == 1:
                assert expand_path(SPEC, suffix) == path
            else:
                with pytest.raises(ConfigurationError, match=f"{re.escape(repr(suffix))} is not unique") as error:
                    expand_path(SPEC, suffix)
                assert all(candidate in str(error.value) for candidate in candidates)
    assert expand_path(SPEC, "kl_bound") == BOUND


def test_part_of_a_name_is_no_suffix():
    with pytest.raises(ConfigurationError, match="has no path 'bound'"):
        expand_path(SPEC, "bound")


def test_an_ambiguous_path_names_its_candidates():
    with pytest.raises(
        ConfigurationError, match=r"'norm' is not unique: algorithm\.actor\.norm, algorithm\.critic\.norm\. Give more"
    ):
        replace_path(SPEC, "norm", NoNorm())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("kl_bnd", rf"The spec has no path 'kl_bnd'\. Did you mean '{BOUND}'"),
        ("algorithm.gama", r"no path 'algorithm\.gama'\. Did you mean 'algorithm\.gamma'"),
        ("algorithm.gamma.x", r"no path 'algorithm\.gamma\.x'\. Did you mean 'algorithm\.gamma'"),
        ("zzzzzzzz", r"no path 'zzzzzzzz'\.$"),
        ("", r"no path ''\.$"),
    ],
)
def test_an_unknown_path_suggests_close_ones(path, message):
    for use in (lambda: expand_path(SPEC, path), lambda: get_path(SPEC, path), lambda: replace_path(SPEC, path, 1)):
        with pytest.raises(ConfigurationError, match=message):
            use()


def test_replacing_changes_that_path_alone_and_not_the_original():
    before = SPEC.algorithm.actor_loss.objective.kl_bound
    after = replace_path(SPEC, "kl_bound", 0.5)
    assert difference(SPEC, after) == [Difference(BOUND, np.float32(0.1), np.float32(0.5))]
    assert SPEC.algorithm.actor_loss.objective.kl_bound == before


def test_every_path_can_be_replaced_by_what_it_holds():
    for path, value in list_paths(SPEC).items():
        assert replace_path(SPEC, path, value) == SPEC


def test_values_are_converted_as_by_the_constructor():
    for number in (1, 1.0, np.float64(1), np.int64(1)):
        gamma = replace_path(SPEC, "gamma", number).algorithm.gamma
        assert gamma == 1 and type(gamma) is np.float32
    for bad in ("0.9", True, None):
        with pytest.raises(ConfigurationError, match=r"^algorithm\.gamma cannot be .*: Expected a number for Reppo"):
            replace_path(SPEC, "gamma", bad)


def test_a_path_below_a_replaced_slot_is_that_of_the_new_component():
    spec = replace_path(SPEC, "algorithm.value", HLGauss(num_bins=21))
    assert get_path(spec, "value.support.high") == 150
    with pytest.raises(ConfigurationError, match="has no path 'margin'"):
        get_path(spec, "margin")
    with pytest.raises(ConfigurationError, match="has no path 'algorithm.actor_loss.objective.kl_bound'"):
        get_path(replace_path(SPEC, "objective", Unconstrained()), BOUND)


def test_differences_go_as_far_down_as_types_agree():
    assert difference(SPEC, SPEC) == []
    after = replace_path(SPEC, "num_bins", 21)
    after = replace_path(after, "objective", Unconstrained())
    after = replace_path(after, "algorithm.auxiliary", NoAuxiliary())
    found = {path: (old, new) for path, old, new in difference(SPEC, after)}
    assert found == {
        "algorithm.value.num_bins": (151, 21),
        "algorithm.actor_loss.objective": (ClippedKL(), Unconstrained()),
        "algorithm.auxiliary": (SPEC.algorithm.auxiliary, NoAuxiliary()),
    }
    assert difference(SPEC, replace_path(SPEC, "algorithm.value", ScalarValue())) == [
        Difference("algorithm.value", HLGauss(SupportFromRewards()), ScalarValue())
    ]


def test_a_type_is_a_difference_even_where_values_compare_equal():
    assert difference(1, 1.0, "path") == [Difference("path", 1, 1.0)]
    assert difference(np.float32(1), 1.0, "path") and not difference(1.0, 1.0, "path")


def test_slots_are_components_and_plain_fields_are_not():
    for value in list_paths(SPEC).values():
        assert isinstance(value, (Component, np.float32, int, str, tuple))
