import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reppo.analysis import (
    Design,
    agreement,
    compare,
    contrast,
    design_of,
    factorial_effects,
    shapley_values,
)
from reppo.analysis.comparisons.factorial import interacting_pairs, kendall
from reppo.errors import ConfigurationError
from tests.analysis.score_tables import table

NAMES = ("a", "b", "c")
SUBSETS = [frozenset(s) for size in range(4) for s in itertools.combinations(NAMES, size)]


def name(removed: frozenset) -> str:
    return "+".join(sorted(removed)) or "base"


def factorial(values, subsets=SUBSETS, noise=0.0, seeds=5, tasks=2):
    """A table in which the arm without some components scores `values(removed)`, give or take."""
    rng = np.random.default_rng(0)
    scores = {name(s): values(s) + noise * rng.normal(size=(tasks, seeds)) for s in subsets}
    return table(scores, {name(s): sorted(s) for s in subsets})


def test_main_effects_and_interactions_of_a_complete_design():
    arms = factorial(lambda s: 10 - 4 * ("a" in s) - 1 * ("b" in s) - 2 * ({"a", "c"} <= s))
    effects = {effect.term: effect for effect in factorial_effects(arms, order=3)}
    expected = {("a",): 5.0, ("b",): 1.0, ("c",): 1.0, ("a", "b"): 0, ("a", "c"): -1.0, ("b", "c"): 0, NAMES: 0}
    assert set(effects) == set(expected) and list(effects)[:3] == [("a",), ("b",), ("c",)]
    for term, value in expected.items():
        assert effects[term].estimate == pytest.approx(value), term
        assert effects[term].aliases == ()
    assert set(e.term for e in factorial_effects(arms, order=1)) == {("a",), ("b",), ("c",)}


def test_effects_are_those_of_a_regression():
    arms = factorial(lambda s: float(len(s) ** 2), noise=1.0)
    design = design_of(arms)
    signs = np.where(design.kept, 1.0, -1.0)
    terms = [t for size in (1, 2, 3) for t in itertools.combinations(range(3), size)]
    columns = np.column_stack([np.ones(8), *[signs[:, t].prod(axis=1) for t in terms]])
    coefficients = np.linalg.lstsq(columns, arms.scores.mean(axis=(1, 2)), rcond=None)[0][1:]
    effects = {effect.term: effect.estimate for effect in factorial_effects(arms, order=3)}
    for term, coefficient in zip(terms, coefficients, strict=True):
        assert effects[tuple(NAMES[i] for i in term)] == pytest.approx(2 * coefficient)


def test_a_half_fraction_shows_its_aliases():
    half = [s for s in SUBSETS if len(s) % 2 == 0]  # the base, and pairs removed: abc = +
    arms = factorial(lambda s: 10 - 4 * ("a" in s) - 3 * ("b" in s), half)
    effects = {effect.term: effect for effect in factorial_effects(arms)}
    assert {term: effect.aliases for term, effect in effects.items()} == {
        ("a",): ("b x c",), ("b",): ("a x c",), ("c",): ("a x b",),
    }  # fmt: skip
    assert [effects[(n,)].estimate for n in NAMES] == pytest.approx([4, 3, 0])
    odd = factorial(lambda s: 10 - 4 * ("a" in s), [s for s in SUBSETS if len(s) % 2 == 1])
    assert factorial_effects(odd)[0].aliases == ("-b x c",)


def test_designs_that_are_not_balanced_are_refused():
    alone = factorial(lambda s: 0.0, [s for s in SUBSETS if len(s) <= 1])
    with pytest.raises(ConfigurationError, match="not a balanced factorial design.*compare each arm"):
        factorial_effects(alone)
    with pytest.raises(ConfigurationError, match=r"need all 2\^3 = 8 combinations of a, b, c; there are 4 arms"):
        shapley_values(alone)
    with pytest.raises(ConfigurationError, match="the arm without any"):
        agreement(alone)
    with pytest.raises(ConfigurationError, match="No arm removes a component"):
        factorial_effects(table({"base": np.ones((1, 2))}))


def test_a_design_of_many_components_that_is_not_balanced_is_refused_at_once():
    names = [f"c{i}" for i in range(40)]  # 2**40 terms
    arms = {"base": [], **{name: [name] for name in names}}
    pairs = {f"{a}+{b}": [a, b] for a, b in itertools.pairwise(names)}
    scores = table({arm: np.ones((1, 2)) for arm in (*arms, *pairs)}, {**arms, **pairs})
    with pytest.raises(ConfigurationError, match="not a balanced factorial design"):
        factorial_effects(scores)


def test_a_design_can_be_narrowed_to_some_components():
    design = design_of(factorial(lambda s: 0.0), ["a", "b"])
    assert design.arms == ("base", "a", "b", "a+b") and design.complete
    assert design.kept.tolist() == [[True, True], [False, True], [True, False], [False, False]]
    assert not Design(("a",), ("x", "y"), np.array([[True], [True]])).complete


def test_an_arm_of_another_kind_does_not_stand_for_the_base():
    """It has no ablations either, as one that was made from another preset."""
    subsets = [frozenset(s) for s in ((), ("a",), ("b",), ("a", "b"))]
    alone = factorial(lambda s: 10 - 4 * ("a" in s) - 1 * ("b" in s), subsets)
    scores = {arm: alone.scores[number] for number, arm in enumerate(alone.arms)}
    rival = table(scores | {"rival": np.full((2, 5), 50.0)}, dict(alone.ablations) | {"rival": []})
    assert design_of(rival).arms == design_of(alone).arms and interacting_pairs(rival) == [("a", "b")]
    for effects in (factorial_effects, shapley_values):
        assert [row.estimate for row in effects(rival)] == [row.estimate for row in effects(alone)]


@given(hnp.arrays(np.float64, 8, elements=st.integers(-50, 50)))
def test_shapley_values_are_means_over_all_orders_and_sum_to_the_difference(values: np.ndarray):
    worth = dict(zip(SUBSETS, values.tolist(), strict=True))
    found = {v.component: v.estimate for v in shapley_values(factorial(lambda s: worth[s]))}
    for component in NAMES:
        gains = []
        for order in itertools.permutations(NAMES):
            before = frozenset(NAMES) - set(order[: order.index(component)])  # still removed
            gains.append(worth[before - {component}] - worth[before])
        assert found[component] == pytest.approx(np.mean(gains), abs=1e-9)
    assert sum(found.values()) == pytest.approx(worth[frozenset()] - worth[frozenset(NAMES)], abs=1e-9)


def test_leave_one_out_and_add_one_in():
    additive = agreement(factorial(lambda s: -float(sum({"a": 3, "b": 2, "c": 1}[n] for n in s))))
    assert [v.estimate for v in additive.leave_one_out] == pytest.approx([3, 2, 1])
    assert [v.estimate for v in additive.difference] == pytest.approx([0, 0, 0], abs=1e-12)
    assert additive.rank_correlation == pytest.approx(1) and additive.same_sign == 1
    # a and b do the same: removing one does nothing, adding one to nothing does everything.
    redundant = agreement(factorial(lambda s: -5.0 * ({"a", "b"} <= s) - 1.0 * ("c" in s)))
    assert [v.estimate for v in redundant.leave_one_out] == pytest.approx([0, 0, 1])
    assert [v.estimate for v in redundant.add_one_in] == pytest.approx([5, 5, 1])
    assert [v.estimate for v in redundant.difference] == pytest.approx([-5, -5, 0])
    assert redundant.rank_correlation == pytest.approx(-1) and redundant.same_sign == pytest.approx(1 / 3)


def test_a_contrast_of_two_arms_is_their_paired_difference():
    arms = factorial(lambda s: float(len(s)), noise=1.0)
    effect = next(e for e in compare(arms, method="student") if e.arm == "a" and e.task is None)
    np.testing.assert_allclose(
        contrast(arms, {"a": 1.0, "base": -1.0, "b": 0.0}), (effect.estimate, effect.low, effect.high)
    )


def test_a_contrast_of_unequal_seeds_is_welchs():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(1, 8)), 4 * rng.normal(size=(1, 8))
    first[0, 5:] = np.nan
    own = contrast(table({"a": first, "b": second}), {"a": 1.0, "b": -1.0})
    theirs = stats.ttest_ind(first[0, :5], second[0], equal_var=False).confidence_interval()
    np.testing.assert_allclose(own[1:], theirs)
    with pytest.raises(ConfigurationError, match="no task in common"):
        contrast(table({"a": np.array([[1.0], [np.nan]]), "b": np.array([[np.nan], [1.0]])}), {"a": 1.0, "b": -1.0})
    single = contrast(table({"a": np.ones((1, 1)), "b": np.zeros((1, 1))}), {"a": 1.0, "b": -1.0})
    assert single.estimate == 1 and np.isnan(single.low)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=8))
def test_the_rank_correlation_is_that_of_scipy(pairs: list):
    first, second = ([float(pair[i]) for pair in pairs] for i in (0, 1))
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert kendall(first, second) == pytest.approx(stats.kendalltau(first, second).statistic)
