"""Which components matter: factorial effects with their aliases, Shapley values, leave-one-out against add-one-in.

A component is named by the ablation that removes it. A design says which arm removes which components.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from reppo.analysis.scores.scores import ScoreTable
from reppo.analysis.statistics.intervals import Interval
from reppo.analysis.statistics.spread import satterthwaite, student_quantile
from reppo.errors import require
from reppo.results.formatting import natural_order

Term = tuple[str, ...]
"""A component, or several for their interaction."""


@final
@dataclass(frozen=True, eq=False)
class Design:
    """Which components each arm has.

    Attributes:
        components: named by the ablations that remove them.
        arms: the arms.
        kept: whether an arm keeps a component.
    """

    components: tuple[str, ...]
    arms: tuple[str, ...]
    kept: Bool[np.ndarray, "arms components"]

    @property
    def complete(self) -> bool:
        """Whether every combination of components is there, as Shapley values need."""
        return len(np.unique(self.kept, axis=0)) == 2 ** len(self.components) == len(self.arms)


@final
@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a component, or an interaction of components, does to the score, averaged over the rest of the design.

    Attributes:
        term: the components.
        aliases: other terms that the design cannot tell from this one: the estimate is of their sum, each with its
            sign (`-` where it is subtracted).
        estimate: for a component, mean score with it minus without it; for an interaction, half the difference
            between a component's effect with and without the other, and so on.
        low: lower end of the interval over seeds.
        high: upper end.
    """

    term: Term
    aliases: tuple[str, ...]
    estimate: float
    low: float
    high: float


@final
@dataclass(frozen=True, kw_only=True)
class ShapleyValue:
    """A component's share of the difference between the full algorithm and the one without any component.

    Attributes:
        component: the component.
        estimate: its mean contribution over all orders in which components can be added; all sum to the difference.
        low: lower end of the interval over seeds.
        high: upper end.
    """

    component: str
    estimate: float
    low: float
    high: float


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Agreement:
    """Whether removing a component from the full algorithm and adding it to the bare one tell the same.

    Attributes:
        components: the components with both arms.
        leave_one_out: score of the full algorithm minus the one without the component.
        add_one_in: score of the bare algorithm with the component minus the bare one.
        difference: the first minus the second; 0 if components do not interact.
        rank_correlation: Kendall's tau-b of the two; NaN for fewer than two components or if one is constant.
        same_sign: share of components for which both have the same sign.
    """

    components: tuple[str, ...]
    leave_one_out: tuple[Interval, ...]
    add_one_in: tuple[Interval, ...]
    difference: tuple[Interval, ...]
    rank_correlation: float
    same_sign: float


def design_of(table: ScoreTable, components: Iterable[str] | None = None) -> Design:
    """Reads the design of a table from the ablations of its arms.

    Args:
        table: the scores; arms that have a score on some task count.
        components: which ablations to look at; arms with other ablations are left out. None for all.

    Of arms with the same ablations the first counts: an arm of another kind has none, and is not the base.
    """
    removed = {arm: frozenset(table.ablations.get(arm, ())) for arm in table.arms}
    found = sorted(set().union(*removed.values()), key=natural_order) if components is None else components
    names = tuple(dict.fromkeys(found))
    first = {removed[arm]: arm for arm in reversed(table.arms)}
    arms = tuple(arm for arm in table.arms if removed[arm] <= set(names) and first[removed[arm]] == arm)
    kept = np.array([[name not in removed[arm] for name in names] for arm in arms], np.bool_)
    return Design(names, arms, kept.reshape(len(arms), len(names)))


def interacting_pairs(table: ScoreTable) -> list[tuple[str, str]]:
    """Pairs of ablations for which a table has all four arms: neither, either and both."""
    made = {frozenset(table.ablations.get(arm, ())): arm for arm in reversed(table.arms)}
    names = sorted({name for arm in table.arms for name in table.ablations.get(arm, ())}, key=natural_order)
    return [
        (a, b)
        for a, b in itertools.combinations(names, 2)
        if all(frozenset(chosen) in made for chosen in ((), (a,), (b,), (a, b)))
    ]


def factorial_effects(
    table: ScoreTable, design: Design | None = None, *, order: int = 2, confidence: float = 0.95
) -> list[Effect]:
    """Main effects and interactions of a two-level factorial design, complete or fractional.

    Each effect is a contrast of the arms' mean scores over tasks; its interval is Student's over seeds, if every arm
    has the same, and else over runs within arms and tasks.

    Args:
        table: scores.
        design: None for the design of the table.
        order: the most components of an interaction, at least 1.
        confidence: of the intervals, in (0, 1).

    Returns:
        Main effects, then interactions. Terms that a fraction cannot tell apart are one effect, named by the term with
        the fewest components; terms that it cannot tell from the overall mean are left out.

    Raises:
        ConfigurationError: if the design is not balanced: its terms are neither equal nor orthogonal.

    Source: Box, Hunter and Hunter 2005, Statistics for Experimenters.
    """
    design = design_of(table) if design is None else design
    require(len(design.components) > 0, "No arm removes a component, so there is no effect to estimate.")
    require(order >= 1, f"The order is the most components of an interaction, 1 or more, not {order}.")
    signs = np.where(design.kept, 1, -1)
    unbalanced = (
        f"{len(design.arms)} arms over {', '.join(design.components)} are not a balanced factorial design. Run a "
        "complete or fractional one, or compare each arm with the base instead."
    )
    sums = np.abs(signs.sum(axis=0))  # each component by itself, before all 2^components terms are made
    require(bool(np.isin(sums, (0, len(design.arms))).all()), unbalanced)
    groups: dict[tuple[int, ...], list[tuple[Term, int]]] = {}
    indices = range(len(design.components))
    everything = [c for size in range(1, len(design.components) + 1) for c in itertools.combinations(indices, size)]
    for chosen in everything:
        column = signs[:, chosen].prod(axis=1)
        sign = int(column[0])
        term = tuple(design.components[i] for i in chosen)
        groups.setdefault(tuple(sign * column), []).append((term, sign))
    constant = (1,) * len(design.arms)
    columns = np.array([column for column in groups if column != constant])
    products = columns @ np.append(columns, [constant], axis=0).T
    off = products - len(design.arms) * np.eye(len(columns), len(columns) + 1)
    require(not off.any() and len(columns), unbalanced)
    effects = []
    for column, terms in groups.items():
        (term, sign), *others = terms
        if column == constant or len(term) > order:
            continue
        weights = sign * np.array(column, np.float64) * 2 / len(design.arms)
        found = contrast(table, dict(zip(design.arms, weights, strict=True)), confidence)
        aliases = tuple(("" if other_sign == sign else "-") + " x ".join(other) for other, other_sign in others)
        effects.append(Effect(term=term, aliases=aliases, estimate=found[0], low=found[1], high=found[2]))
    return sorted(effects, key=lambda effect: len(effect.term))


def shapley_values(table: ScoreTable, design: Design | None = None, *, confidence: float = 0.95) -> list[ShapleyValue]:
    """Shares the difference between the full and the bare algorithm among the components.

    Args:
        table: scores; the value of an arm is its mean score over tasks.
        design: None for the design of the table; it must be complete.
        confidence: of the intervals, in (0, 1).

    Returns:
        The components, from the highest value to the lowest. Their sum is the score of the full minus the bare one.

    Raises:
        ConfigurationError: if a combination of components is missing.

    Source: Shapley 1953, A Value for n-Person Games.
    """
    design = design_of(table) if design is None else design
    size = len(design.components)
    require(
        design.complete and size > 0,
        f"Shapley values need all 2^{size} = {2**size} combinations of {', '.join(design.components) or 'components'}; "
        f"there are {len(design.arms)} arms.",
    )
    values = []
    for i, component in enumerate(design.components):
        others = design.kept.sum(axis=1) - design.kept[:, i]
        orders = [math.factorial(k) * math.factorial(size - k - 1) / math.factorial(size) for k in others]
        weights = np.where(design.kept[:, i], orders, -np.array(orders))
        found = contrast(table, dict(zip(design.arms, weights.tolist(), strict=True)), confidence)
        values.append(ShapleyValue(component=component, estimate=found[0], low=found[1], high=found[2]))
    return sorted(values, key=lambda value: -value.estimate)


def agreement(table: ScoreTable, design: Design | None = None, *, confidence: float = 0.95) -> Agreement:
    """Compares leave-one-out with add-one-in, for the components that have both arms.

    Args:
        table: scores.
        design: None for the design of the table. It holds the full and the bare algorithm.
        confidence: of the intervals, in (0, 1).

    Raises:
        ConfigurationError: if the full or the bare algorithm is missing, or no component has both arms.
    """
    design = design_of(table) if design is None else design
    arms = {tuple(row): arm for row, arm in zip(design.kept.tolist(), design.arms, strict=True)}
    size = len(design.components)
    full, bare = arms.get((True,) * size), arms.get((False,) * size)
    require(
        full is not None and bare is not None,
        f"Agreement needs the arm with all of {', '.join(design.components)} and the arm without any of them.",
    )
    assert full is not None and bare is not None
    names, out, into, between = [], [], [], []
    for i, name in enumerate(design.components):
        without = arms.get(tuple(j != i for j in range(size)))
        alone = arms.get(tuple(j == i for j in range(size)))
        if without is None or alone is None:
            continue
        names.append(name)
        leave, add = {full: 1.0, without: -1.0}, {alone: 1.0, bare: -1.0}
        both: dict[str, float] = {}
        for weights, sign in ((leave, 1.0), (add, -1.0)):
            for arm, weight in weights.items():
                both[arm] = both.get(arm, 0.0) + sign * weight
        for found, weights in ((out, leave), (into, add), (between, both)):
            found.append(contrast(table, weights, confidence))
    require(names, "No component has both the arm without it alone and the arm with it alone.")
    first, second = ([value.estimate for value in values] for values in (out, into))
    constant = len(set(first)) < 2 or len(set(second)) < 2
    return Agreement(
        components=tuple(names),
        leave_one_out=tuple(out),
        add_one_in=tuple(into),
        difference=tuple(between),
        rank_correlation=float("nan") if constant else kendall(first, second),
        same_sign=float(np.mean(np.sign(first) == np.sign(second))),
    )


def kendall(first: list[float], second: list[float]) -> float:
    """Kendall's tau-b: pairs that agree minus pairs that do not, over the root of the pairs that each tells apart."""
    signs = [np.sign(np.subtract.outer(values, values)) for values in (first, second)]
    return float((signs[0] * signs[1]).sum() / math.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum()))


def contrast(table: ScoreTable, weights: Mapping[str, float], confidence: float = 0.95) -> Interval:
    """A weighted sum of the arms' mean scores over tasks, with Student's interval over seeds within tasks.

    Where all these arms have the same seeds on a task, the sum is formed per seed, so that what the seeds share
    cancels; elsewhere variances of the arms are added. Tasks weigh the same.

    Args:
        table: scores; the tasks on which all these arms have a score are used.
        weights: the weight of each arm.
        confidence: in (0, 1).

    Raises:
        ConfigurationError: if an arm is unknown, or the arms share no task.
    """
    used = {arm: weight for arm, weight in weights.items() if weight}
    scores = table.select(arms=used).scores
    known = np.isfinite(scores)
    tasks = np.flatnonzero(known.any(axis=2).all(axis=0))
    require(tasks.size > 0, f"The arms {', '.join(used)} have no task in common.")
    factors: Float[np.ndarray, " arms"] = np.array(list(used.values()), np.float64)
    estimates, variances, freedoms = [], [], []
    for task in tasks:
        own, there = scores[:, task], known[:, task]
        if (there == there[0]).all():
            values = factors @ own[:, there[0]]
            estimates.append(float(values.mean()))
            groups = [(values, 1.0)]
        else:
            rows = [own[i, there[i]] for i in range(len(own))]
            estimates.append(float(sum(f * row.mean() for f, row in zip(factors, rows, strict=True))))
            groups = [(row, f) for f, row in zip(factors, rows, strict=True)]
        for values, factor in groups:
            if len(values) > 1:
                variances.append(factor**2 * float(values.var(ddof=1)) / len(values) / tasks.size**2)
                freedoms.append(len(values) - 1)
            else:
                variances.append(float("nan"))
                freedoms.append(1)
    estimate = float(np.mean(estimates))
    error, freedom = satterthwaite(np.array(variances, np.float64), np.array(freedoms, np.float64))
    half = float(student_quantile((1 + confidence) / 2, freedom) * error)
    return Interval(estimate, estimate - half, estimate + half)
