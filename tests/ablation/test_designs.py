import itertools
import math
import re
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo import Experiment, designs, environments, presets
from reppo.ablation import Arm, all_ablations, setting
from reppo.errors import ConfigurationError
from reppo.spec import difference

CATALOG = all_ablations()
TASK = environments.probe("BestAction")
BASES = [presets.reppo(environments.playground("CartpoleBalance")), presets.reppo_small(TASK)]
PATHS = ["gamma", "lam", "kl_bound", "max_action", "entropy_target", "reward_scale", "algorithm.temperature.initial"]
FACTORS = [setting(path, 0.5) for path in PATHS]
A, B, C, D = FACTORS[:4]


@pytest.fixture
def unchecked():
    """As users run it: types are not checked at every call, as they are in the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def names(arms):
    return [arm.name for arm in arms]


def declare(arms):
    return Experiment(name="designed", base=presets.reppo_small, environments=[TASK], arms=arms, seeds=[0], steps=1)


def arms_of(experiment):
    return [run.arm for run in experiment.runs()]


def test_leave_one_out_is_every_ablation_alone():
    assert names(designs.leave_one_out([A, B, C])) == ["gamma=0.5", "lam=0.5", "kl_bound=0.5"]


def test_add_one_in_is_the_stripped_base_and_every_part_put_back():
    assert names(designs.add_one_in([A, B, C])) == [
        "gamma=0.5+kl_bound=0.5+lam=0.5",
        "kl_bound=0.5+lam=0.5",
        "gamma=0.5+kl_bound=0.5",
        "gamma=0.5+lam=0.5",
    ]
    assert names(designs.add_one_in([A, B])) == ["gamma=0.5+lam=0.5", "lam=0.5", "gamma=0.5"]


def test_one_at_a_time_takes_every_alternative_alone():
    arms = designs.one_at_a_time([A, designs.grid("lam", [0.9, 0.8]), B + C])
    assert names(arms) == ["gamma=0.5", "lam=0.9", "lam=0.8", "kl_bound=0.5+lam=0.5"]


@given(st.lists(st.sampled_from(FACTORS), min_size=1, max_size=5, unique_by=lambda one: one.name))
def test_a_factorial_is_every_subset_once(factors):
    arms = designs.factorial(factors)
    subsets = {
        frozenset(one.name for one in subset)
        for size in range(1, len(factors) + 1)
        for subset in itertools.combinations(factors, size)
    }
    assert {frozenset(one.name for one in arm.ablations) for arm in arms} == subsets
    assert len(arms) == len(set(names(arms))) == 2 ** len(factors) - 1


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_a_factorial_of_lists_has_a_level_more_than_each(sizes):
    grids = [designs.grid(path, np.linspace(0.1, 0.9, size).tolist()) for path, size in zip(PATHS, sizes)]
    assert len(designs.factorial(grids)) == math.prod(size + 1 for size in sizes) - 1


def test_combinations_are_the_ones_named():
    assert names(designs.combinations([B, A], [A, C], [D])) == ["gamma=0.5+lam=0.5", "gamma=0.5+kl_bound=0.5", D.name]


def test_a_grid_is_named_by_path_and_value():
    assert names(designs.grid("kl_bound", [0.05, 0.1, 0.2])) == ["kl_bound=0.05", "kl_bound=0.1", "kl_bound=0.2"]


def test_the_value_of_a_grid_that_the_base_has_is_the_base():
    experiment = declare(designs.grid("kl_bound", [0.05, 0.1, 0.2]))
    assert arms_of(experiment) == ["base", "kl_bound=0.05", "kl_bound=0.2"]
    assert len({run.id for run in experiment.runs()}) == 3
    crossed = declare(designs.factorial([designs.grid("kl_bound", [0.1, 0.2]), A]))
    assert arms_of(crossed) == ["base", "kl_bound=0.2", "gamma=0.5", "gamma=0.5+kl_bound=0.2"]
    (same,) = designs.grid("kl_bound", [0.1])
    assert arms_of(declare(designs.combinations([same, A], [A]))) == ["base", "gamma=0.5"]
    alone = declare(designs.combinations([same, A]))  # no other arm stands for it
    assert arms_of(alone) == ["base", "gamma=0.5+kl_bound=0.1"]
    with pytest.raises(ConfigurationError, match="changes nothing in this base"):
        declare([setting("kl_bound", 0.1)])


@pytest.mark.parametrize(
    "arms",
    [
        designs.leave_one_out(FACTORS),
        designs.add_one_in(FACTORS),
        designs.one_at_a_time(FACTORS),
        designs.factorial(FACTORS[:3]),
        designs.fractional_factorial(FACTORS[:4], ["D=ABC"]),
        designs.combinations([A, B], [A, C]),
    ],
    ids=["leave_one_out", "add_one_in", "one_at_a_time", "factorial", "fractional_factorial", "combinations"],
)
def test_a_design_is_a_list_of_arms_of_an_experiment(arms):
    assert arms_of(declare(arms)) == ["base", *names(arms)]


# Box, Hunter & Hunter 2005, table 6.22 (generators, resolution) and appendix 6A (alias patterns).
TEXTBOOK = {
    "2^(3-1)": (3, ["C=AB"], 3, "I = ABC", {"A": ("BC",), "B": ("AC",), "C": ("AB",)}),
    "2^(4-1)": (
        4,
        ["D=ABC"],
        4,
        "I = ABCD",
        {"A": (), "B": (), "C": (), "D": (), "AB": ("CD",), "AC": ("BD",), "AD": ("BC",)},
    ),
    "2^(5-2)": (
        5,
        ["D=AB", "E=AC"],
        3,
        "I = ABD = ACE = BCDE",
        {
            "A": ("BD", "CE"),
            "B": ("AD",),
            "C": ("AE",),
            "D": ("AB",),
            "E": ("AC",),
            "BC": ("DE",),
            "BE": ("CD",),
        },
    ),
    "2^(7-4)": (
        7,
        ["D=AB", "E=AC", "F=BC", "G=ABC"],
        3,
        "I = ABD = ACE = AFG = BCF = BEG = CDG = DEF = ABCG = ABEF = ACDF = ADEG = BCDE = BDFG = CEFG = ABCDEFG",
        {
            "A": ("BD", "CE", "FG"),
            "B": ("AD", "CF", "EG"),
            "C": ("AE", "BF", "DG"),
            "D": ("AB", "CG", "EF"),
            "E": ("AC", "BG", "DF"),
            "F": ("AG", "BC", "DE"),
            "G": ("AF", "BE", "CD"),
        },
    ),
}


@pytest.mark.parametrize("case", TEXTBOOK)
def test_fractions_have_the_aliases_of_the_textbook(case):
    size, generators, resolution, relation, aliases = TEXTBOOK[case]
    design = designs.fractional_factorial(FACTORS[:size], generators)
    assert design.resolution == resolution
    assert design.defining_relation == relation
    assert design.aliases() == aliases


OTHER_HALVES = [(3, ["C=-AB"], 3), (5, ["D=-AB", "E=-AC"], 3), (5, ["D=AB", "E=-AC"], 3)]


@pytest.mark.parametrize(("size", "generators", "resolution"), [c[:3] for c in TEXTBOOK.values()] + OTHER_HALVES)
def test_fractions_are_orthogonal_and_their_aliases_are_equal_columns(size, generators, resolution):
    """Found from the runs themselves: what is said to be confounded is, with that sign, and nothing else."""
    design = designs.fractional_factorial(FACTORS[:size], generators)
    runs = np.array(design.runs)
    assert len(runs) == 2 ** (size - len(generators)) == len(set(design.runs))
    np.testing.assert_array_equal(runs.T @ runs, len(runs) * np.eye(size))
    letters = "ABCDEFGH"[:size]
    effects = ["".join(word) for n in range(1, size + 1) for word in itertools.combinations(letters, n)]
    column = {effect: runs[:, [letters.index(letter) for letter in effect]].prod(axis=1) for effect in effects}
    shortest = min(len(effect) for effect in effects if abs(column[effect].sum()) == len(runs))
    assert shortest == resolution
    said = dict.fromkeys(itertools.combinations([effect for effect in effects if len(effect) <= 3], 2), 0)
    for one, same in design.aliases(order=3).items():
        signs = {one: 1, **{word.lstrip("-"): -1 if word.startswith("-") else 1 for word in same}}
        group = [effect for effect in effects if effect in signs]
        said |= {(a, b): signs[a] * signs[b] for a, b in itertools.combinations(group, 2)}
    for (effect, other), sign in said.items():
        assert column[effect] @ column[other] == sign * len(runs), f"{effect} and {other}"


def test_the_arms_of_a_fraction_are_its_runs():
    design = designs.fractional_factorial([A, B, C], ["C=AB"])
    assert design.runs == ((-1, -1, 1), (1, -1, -1), (-1, 1, -1), (1, 1, 1))
    assert names(design) == [C.name, A.name, B.name, (A + B + C).name]
    assert design[0] == Arm((C,)) and len(design) == 4 and names(design[1:3]) == [A.name, B.name]
    other = designs.fractional_factorial([A, B, C], ["C=-AB"])
    assert other.runs[0] == (-1, -1, -1), "the base is a run of this half"
    assert len(other) == 3 and Arm() not in other
    assert other.defining_relation == "I = -ABC" and other.aliases()["A"] == ("-BC",)


def test_a_fraction_prints_its_resolution_runs_and_aliases():
    text = str(designs.fractional_factorial([A, B, C, D], ["D=ABC"]))
    assert text.splitlines()[0] == "2^(4-1) fractional factorial of resolution IV, 8 runs"
    assert "  B = lam=0.5" in text and "Defining relation: I = ABCD" in text
    assert "  + - - +  gamma=0.5+max_action=0.5" in text and "  - - - -  base" in text
    assert "  A (clear)" in text and "  AB = CD" in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: designs.leave_one_out([A]), r"leave_one_out was given 1 ablations; give at least 2"),
        (lambda: designs.leave_one_out([A, B, A]), r"leave_one_out lists gamma=0\.5 twice"),
        (lambda: designs.leave_one_out(A), r"leave_one_out was given Ablation.*; give a list of ablations"),
        (lambda: designs.add_one_in([A, "kl/no_kl"]), r"add_one_in was given 'kl/no_kl', which is no ablation"),
        (lambda: designs.add_one_in([A, Arm()]), r"add_one_in was given the base, which is always an arm"),
        (lambda: designs.one_at_a_time([]), r"one_at_a_time was given nothing to vary"),
        (lambda: designs.factorial([A, []]), r"factorial was given nothing to vary, or an empty list"),
        (lambda: designs.factorial([A, [A, B]]), r"factorial lists gamma=0\.5 twice"),
        (lambda: designs.grid("lam", []), r"The grid of lam has no values"),
        (lambda: designs.grid("lam", [0.5, 0.5]), r"The grid of lam lists lam=0\.5 twice"),
        (lambda: designs.combinations(), r"combinations\(\) was given none"),
        (lambda: designs.combinations([A], []), r"combinations\(\) was given \[\]; each must name at least one"),
        (lambda: designs.combinations([A, B], [B, A]), r"lists gamma=0\.5\+lam=0\.5 twice"),
        (lambda: designs.fractional_factorial([A, B], ["B=A"]), r"has 2 ablations; give from 3"),
        (lambda: designs.fractional_factorial([A, B, C], []), r"3 ablations have 0 generators; give from 1 to 1"),
        (lambda: designs.fractional_factorial([A, B, C], ["C:AB"]), r"'C:AB' is not of the form D=AB or D=-AB"),
        (lambda: designs.fractional_factorial([A, B, C], ["A=BC"]), r"'A=BC' sets A; .* set each of C once"),
        (lambda: designs.fractional_factorial([A, B, C], ["C=A"]), r"'C=A' must be a product of at least two"),
        (lambda: designs.fractional_factorial([A, B, C], ["C=AC"]), r"different ones of A, B"),
        (
            lambda: designs.fractional_factorial(FACTORS[:5], ["D=AB", "E=AB"]),
            r"confound two ablations with each other: I = DE = ABD = ABE",
        ),
    ],
)
def test_a_malformed_design_is_refused(make, message, unchecked):
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_a_design_that_combines_what_overlaps_is_refused_at_declaration():
    with pytest.raises(ConfigurationError, match="their order would matter"):
        declare(designs.factorial([CATALOG["kl/no_kl"], setting("kl_bound", 0.2)]))


@settings(max_examples=25)
@given(st.sampled_from(BASES), st.data())
def test_any_of_the_catalog_together_commute_or_are_refused(base, data):
    """Whole sets, in any order; pairs are tested one by one beside the ablations."""
    usable = [one for one in CATALOG.values() if one.applies_to(base)]
    chosen = data.draw(st.lists(st.sampled_from(usable), min_size=2, max_size=4, unique_by=lambda one: one.name))
    (arm,) = designs.combinations(chosen)
    try:
        together = arm(base)
    except ConfigurationError:
        return
    spec = base
    for one in data.draw(st.permutations(chosen)):
        spec = one(spec)
    assert spec == together
    changed = {path for path, _, _ in difference(base, together)}
    assert changed == set().union(*({path for path, _, _ in difference(base, one(base))} for one in chosen))


PAGE = (Path(__file__).parents[2] / "docs" / "designs.md").read_text()


def test_the_page_shows_what_the_design_prints(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    (printed,) = re.findall(r"```text\n(.*?)```", PAGE, flags=re.S)
    exec(compile("".join(blocks), "designs.md", "exec"), made := {})
    assert capsys.readouterr().out == printed
    assert len(made["arms"]) == 32


def test_the_generators_of_the_page_have_the_resolution_that_it_says():
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (`.*`) \| ([IV]+) \|$", PAGE, flags=re.M)
    assert len(rows) == 8
    factors = [*FACTORS, setting("evaluation.episodes", 3)]
    for runs, size, generators, resolution in rows:
        design = designs.fractional_factorial(factors[: int(size)], re.findall(r"`(.*?)`", generators))
        assert (len(design.runs), str(design).split("resolution ")[1].split(",")[0]) == (int(runs), resolution)
