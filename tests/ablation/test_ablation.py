import dataclasses
import functools
import itertools
import re

import jaxtyping
import numpy as np
import pytest

from reppo import environments
from reppo.ablation import Ablation, Arm, ablation, all_ablations, find_ablation, setting
from reppo.ablation.ablation import _registered
from reppo.distributions import CategoricalHead
from reppo.errors import ConfigurationError
from reppo.losses import (
    DistributionBackup,
    FixedMultiplier,
    FixedSupport,
    PerBatch,
    ScalarValue,
    ScoreFunctionLoss,
    Unconstrained,
)
from reppo.networks import NoNorm, ResidualBlocks, RMSNorm
from reppo.optimization import UnitNormRows
from reppo.presets import fast_td3_small, ppo_small, reppo, reppo_small, sac_small
from reppo.spec import difference, expand_path, list_paths, replace_path, spec_id, validate
from tests.ablation.base import changes

BASES = {
    "reppo": reppo(environments.playground("CartpoleBalance")),
    "reppo_small": reppo_small(environments.probe("ConstantReward")),
    "ppo_small": ppo_small(environments.probe("ConstantReward")),
    "sac_small": sac_small(environments.probe("ConstantReward")),
    "fast_td3_small": fast_td3_small(environments.probe("ConstantReward")),
    "reppo_small, choices": reppo_small(environments.probe("BestChoice")),
}
SPEC = BASES["reppo"]
BOUND = "algorithm.actor_loss.objective.kl_bound"
CATALOG = all_ablations()


@pytest.fixture(autouse=True)
def registry():
    """Forgets what a test registers."""
    before = dict(_registered)
    yield _registered
    _registered.clear()
    _registered.update(before)


@pytest.fixture
def unchecked():
    """As users run it: types are not checked at every call, as they are in the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def made(transform, touches, name="test/one", **fields):
    return ablation(name, question="Does it?", touches=touches, **fields)(transform)


def test_a_registered_ablation_is_found_and_applied():
    @ablation("test/half_bound", question="Is half enough?", touches=[BOUND], reference="a paper", expects="same")
    def half_bound(spec):
        return replace_path(spec, BOUND, 0.05)

    assert isinstance(half_bound, Ablation)
    assert find_ablation("test/half_bound") is half_bound is all_ablations()["test/half_bound"]
    assert (half_bound.name, half_bound.theme, half_bound.touches) == ("test/half_bound", "test", (BOUND,))
    assert (half_bound.question, half_bound.reference, half_bound.expects) == ("Is half enough?", "a paper", "same")
    assert half_bound(SPEC) == replace_path(SPEC, BOUND, 0.05)
    assert half_bound.applies_to(SPEC)


@pytest.mark.parametrize("name", ["", "test", "test/", "/one", "Test/one", "test/one/two", "test/o ne", "test/one\n"])
def test_a_bad_name_is_refused(name, registry):
    with pytest.raises(ConfigurationError, match=r"is not of the form theme/variant, in lower case\."):
        made(lambda spec: spec, [BOUND], name)
    assert name not in registry


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"question": ""}, r"'test/one' asks no question\. Say in one sentence what it answers"),
        ({"question": " \n"}, r"asks no question"),
        ({"touches": []}, r"'test/one' touches nothing\. Name the paths that it changes"),
        ({"expects": "wonders"}, r"'test/one' expects 'wonders'; give one of worse, better, same, unknown"),
    ],
)
def test_a_bad_declaration_is_refused(fields, message, registry):
    with pytest.raises(ConfigurationError, match=message):
        ablation("test/one", **{"question": "Does it?", "touches": [BOUND], **fields})(lambda spec: spec)
    assert "test/one" not in registry


def test_a_name_is_taken_by_another_file_but_not_by_the_same_read_again():
    namespace = {}
    exec(compile("def elsewhere(spec): return spec", "elsewhere.py", "exec"), namespace)
    first = made(namespace["elsewhere"], [BOUND])
    with pytest.raises(ConfigurationError, match=r"The ablation name 'test/one' is taken\. Choose another one"):
        made(lambda spec: spec, [BOUND])
    assert find_ablation("test/one") is first
    exec(compile("def elsewhere(spec): return spec", "elsewhere.py", "exec"), namespace)
    assert made(namespace["elsewhere"], [BOUND]) is find_ablation("test/one") is not first


def test_an_ablation_that_changes_nothing_is_refused():
    with pytest.raises(ConfigurationError, match=r"'test/one' changes nothing in this base: the base is already so"):
        made(lambda spec: replace_path(spec, BOUND, 0.1), [BOUND])(SPEC)


def test_an_ablation_that_changes_what_it_does_not_declare_is_refused():
    def more(spec):
        return replace_path(replace_path(spec, BOUND, 0.2), "algorithm.gamma", 0.9)

    message = rf"'test/one' changes algorithm\.gamma, but declares to touch only {BOUND}\. Add the path to its touches"
    with pytest.raises(ConfigurationError, match=message):
        made(more, [BOUND])(SPEC)
    assert made(more, [BOUND, "algorithm.gamma"])(SPEC).algorithm.gamma == np.float32(0.9)


def test_a_path_covers_what_is_below_it_but_not_what_starts_alike():
    change = lambda spec: replace_path(spec, BOUND, 0.2)
    assert made(change, ["algorithm.actor_loss"])(SPEC) == change(SPEC)
    with pytest.raises(ConfigurationError, match=r"changes algorithm\.actor_loss\.objective\.kl_bound"):
        made(change, ["algorithm.actor"])(SPEC)


def test_an_ablation_that_gives_an_invalid_spec_is_refused():
    message = r"'test/one' gives an invalid spec\. algorithm\.actor_loss\.objective: The KL bound is -1"
    with pytest.raises(ConfigurationError, match=message):
        made(lambda spec: replace_path(spec, BOUND, -1), [BOUND])(SPEC)
    with pytest.raises(ConfigurationError, match=r"invalid spec\. algorithm: The KL multiplier is learned, but"):
        made(lambda spec: replace_path(spec, "objective", Unconstrained()), ["objective"])(SPEC)


def test_an_ablation_of_a_path_that_the_base_lacks_is_refused():
    margin = made(lambda spec: replace_path(spec, "margin", 3), ["algorithm.value.support.margin"])
    base = replace_path(SPEC, "algorithm.value", ScalarValue())
    assert margin.applies_to(SPEC) and not margin.applies_to(base)
    message = (
        r"'test/one' touches algorithm\.value\.support\.margin, which is not a path of Reppo with these slots\. "
        r"The spec has no path .* otherwise leave the ablation out for this base"
    )
    with pytest.raises(ConfigurationError, match=message):
        margin(base)


def test_an_unknown_ablation_suggests_close_ones():
    with pytest.raises(ConfigurationError, match=r"Unknown ablation 'kl/nokl'\. Did you mean 'kl/no_kl'.*reppo list"):
        find_ablation("kl/nokl")


def test_a_setting_is_an_ablation_named_by_its_text():
    larger = setting("kl_bound", 0.2)
    assert larger.name == "kl_bound=0.2" and larger.touches == ("kl_bound",)
    assert larger(SPEC) == replace_path(SPEC, BOUND, 0.2)
    assert larger.name not in all_ablations()
    assert setting("num_bins", 21).name == "num_bins=21"
    assert setting("matmul_precision", "high").name == "matmul_precision=high"
    assert setting("algorithm.value", ScalarValue()).name == "algorithm.value=ScalarValue()"


def test_settings_that_differ_as_float32_differ_in_name():
    value = np.float32(0.1)
    names = {setting("kl_bound", float(v)).name for v in (value, np.nextafter(value, np.float32(1)))}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("kl_bound", 0.1, r"'kl_bound=0\.1' changes nothing in this base"),
        ("kl_bound", -1.0, r"'kl_bound=-1' gives an invalid spec\..*give a positive one"),
        ("norm", NoNorm(), r"'norm=NoNorm\(\)' touches norm.*'norm' is not unique: algorithm\.actor\.norm, algorithm"),
        ("kl_bnd", 0.1, r"'kl_bnd=0\.1' touches kl_bnd.*Did you mean 'algorithm\.actor_loss\.objective\.kl_bound'"),
        ("algorithm.value", FixedSupport(), r"invalid spec\. algorithm\.value holds FixedSupport"),
    ],
)
def test_a_bad_setting_is_refused(path, value, message, unchecked):
    with pytest.raises(ConfigurationError, match=message):
        setting(path, value)(SPEC)


def test_an_arm_is_named_by_its_sorted_ablations_joined():
    first, second, third = setting("lam", 0.5), setting("kl_bound", 0.2), CATALOG["value/mse"]
    assert (first + second).name == "kl_bound=0.2+lam=0.5" == (second + first).name == Arm((first, second)).name
    assert (first + second + third).name == "kl_bound=0.2+lam=0.5+value/mse"
    assert (first + (second + third)) == ((first + second) + third)
    assert (first + first).name == "lam=0.5"
    assert Arm().name == "base" and Arm()(SPEC) == SPEC
    assert (Arm() + first).name == "lam=0.5"


def test_an_arm_applies_all_its_ablations():
    spec = (setting("lam", 0.5) + setting("kl_bound", 0.2))(SPEC)
    assert [path for path, _, _ in difference(SPEC, spec)] == ["algorithm.targets.lam", BOUND]


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        (setting("kl_bound", 0.2), setting(BOUND, 0.3), BOUND),
        (setting("kl_bound", 0.2), setting("objective", Unconstrained()), BOUND),
        (CATALOG["kl/no_kl"], setting("kl_bound", 0.2), "algorithm.actor_loss.objective"),
        (CATALOG["value/mse"], setting("num_bins", 21), "algorithm.value"),
    ],
)
def test_ablations_that_touch_one_path_cannot_be_combined(first, second, where):
    for arm in (first + second, second + first):
        with pytest.raises(
            ConfigurationError, match=r"both touch .*: their order would matter\. Combine only"
        ) as error:
            arm(SPEC)
        assert all(part in str(error.value) for part in (repr(first.name), repr(second.name), where))


def test_ablations_may_fit_together_though_one_of_them_alone_does_not():
    replaced = lambda path, value, name: made(lambda spec: replace_path(spec, path, value), [path], name)
    bound = setting("algorithm.actor_loss.objective", Unconstrained())
    multiplier = setting("algorithm.kl_multiplier", FixedMultiplier(0))
    task = replaced("environment", environments.gymnax("CartPole-v1"), "choices/task")
    parts = {"head": CategoricalHead(), "actor_loss": ScoreFunctionLoss()}
    head = made(
        lambda spec: replace_path(spec, "algorithm", dataclasses.replace(spec.algorithm, **parts)),
        [f"algorithm.{part}" for part in parts],
        "policy/choice",
    )
    for first, second, fault in ((bound, multiplier, "KL multiplier is learned"), (task, head, "a discrete set")):
        assert [one.name for one in (second + first).ablations] == [first.name, second.name]
        assert len(difference(SPEC, (first + second)(SPEC))) == (2 if first is bound else 3)
        with pytest.raises(ConfigurationError, match=f"The ablation .* gives an invalid spec.*{fault}"):
            first(SPEC)
    with pytest.raises(ConfigurationError, match=r"The arm 'lam=0.5\+policy/choice' gives an invalid spec.*in a box"):
        (head + setting("lam", 0.5))(SPEC)


def test_neighbors_in_one_slot_do_not_overlap():
    arm = setting("kl_bound", 0.2) + setting("algorithm.actor_loss.gate", PerBatch())
    assert len(difference(SPEC, arm(SPEC))) == 2


def test_the_catalog_is_there():
    assert {"kl/no_kl", "normalization/no_norm", "value/mse"} <= set(CATALOG)
    assert list(CATALOG) == sorted(CATALOG)


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
@pytest.mark.parametrize("name", CATALOG)
def test_every_ablation_of_the_catalog_changes_only_what_it_declares(name, base):
    """Found without the checks that an ablation makes of itself: what it does not declare is as it was."""
    one = CATALOG[name]
    if not changes(one, base):
        pytest.skip("not an ablation of this base, which is already so")
    untouched, touches = list_paths(base), [expand_path(base, path) for path in one.touches]
    after = validate(one.transform(base))
    assert after != base and spec_id(after) != spec_id(base)
    assert one(base) == after
    covered = lambda path: any((path + ".").startswith(touched + ".") for touched in touches)
    contains = lambda path: any(touched.startswith(path + ".") for touched in touches)
    for path, value in untouched.items():
        if not covered(path) and not contains(path):
            assert list_paths(after)[path] == value
    for touched in touches:  # and everything that it declares it does change
        assert difference(list_paths(base)[touched], list_paths(after)[touched]), f"{name} does not change {touched}"


def test_at_least_one_base_takes_each_ablation_of_the_catalog():
    for name, one in CATALOG.items():
        assert any(changes(one, base) for base in BASES.values()), name


@pytest.mark.parametrize("name", CATALOG)
def test_every_ablation_of_the_catalog_says_what_it_asks(name):
    one = CATALOG[name]
    assert one.question.endswith("?") and one.reference
    assert one.transform.__doc__


@functools.cache
def fitting(name):
    """The bases that have the paths of an entry, and those that it changes."""
    one = CATALOG[name]
    has, changed = (
        {name for name, base in BASES.items() if holds(base)} for holds in (one.applies_to, lambda b: changes(one, b))
    )
    return has, changed


def overlap(first, second):
    """Whether two ablations touch one path, or one below the other's."""
    return any(
        f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.") for a in first.touches for b in second.touches
    )


@pytest.mark.parametrize("share", [32, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_any_two_of_the_catalog_commute_or_are_refused(share, unchecked):
    pairs = list(itertools.combinations(sorted(CATALOG), 2))
    for first, second in pairs[::share]:
        check_pair(CATALOG[first], CATALOG[second])


def check_pair(first, second):
    both = [base for base in BASES if base in fitting(first.name)[0] & fitting(second.name)[0]]
    # A base that is not already so. Two opposites have none, and touch one path; others go with different bases.
    base = next((b for b in both if b in fitting(first.name)[1] & fitting(second.name)[1]), None)
    if base is None and (not both or not overlap(first, second)):
        return
    base = BASES[base or both[0]]
    try:
        combined = (first + second)(base)
    except ConfigurationError as error:
        assert re.search("their order would matter|gives an invalid spec", str(error)), error
    else:
        assert first(second(base)) == second(first(base)) == combined, (first.name, second.name)


def test_ablations_and_arms_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        setting("lam", 0.5).name = "another"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Arm().ablations = ()


def test_no_kl_leaves_no_trace_of_the_constraint():
    algorithm = CATALOG["kl/no_kl"](SPEC).algorithm
    assert algorithm.actor_loss.objective == Unconstrained()
    assert algorithm.kl_multiplier == FixedMultiplier(0)


def test_the_parts_of_flashsac_make_one_arm():
    """As the page on SAC says."""
    parts = "network/residual_blocks optimizer/unit_norm_rows off_policy/distributional_critic"
    arm = Arm(tuple(CATALOG[name] for name in [*parts.split(), "off_policy/normalization_layers"]))
    before, after = BASES["sac_small"].algorithm, arm(BASES["sac_small"]).algorithm
    for network in ("actor", "critic"):
        made = getattr(after, network)
        assert (made.layers, made.norm) == (ResidualBlocks(expansion=4), RMSNorm())
        assert getattr(after, f"{network}_optimizer") == UnitNormRows(getattr(before, f"{network}_optimizer"))
    assert (after.value.num_bins, after.backup) == (101, DistributionBackup())


def test_no_norm_reaches_both_networks_and_spares_the_normalizer():
    algorithm = CATALOG["normalization/no_norm"](SPEC).algorithm
    assert algorithm.actor.norm == algorithm.critic.norm == NoNorm()
    assert algorithm.normalizer == SPEC.algorithm.normalizer
