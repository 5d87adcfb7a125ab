"""Study designs: which ablations to run alone, and which together.

Each gives a list of arms for `Experiment(arms=...)`, without the base, which is always an arm. Ablations in one arm
must touch different paths; this is checked against the base when the experiment is declared.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final, overload

from reppo.ablation.ablation import Ablation, Arm, setting
from reppo.ablation.search import Integers, LogUniform, Range, Uniform, random_search
from reppo.errors import ConfigurationError, require

__all__ = [
    "FractionalFactorial",
    "Integers",
    "LogUniform",
    "Range",
    "Uniform",
    "add_one_in",
    "combinations",
    "factorial",
    "fractional_factorial",
    "grid",
    "leave_one_out",
    "one_at_a_time",
    "random_search",
]

Factor = Ablation | Arm | Sequence[Ablation | Arm]
"""Something that a design varies: an ablation, on or off; or a list of alternatives, such as a grid, at most one on."""

_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"  # I stands for the mean, as in textbooks
_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


def leave_one_out(ablations: Iterable[Ablation | Arm]) -> list[Arm]:
    """The whole algorithm without one of its parts, for each part: which of them it needs.

    Args:
        ablations: each removes or replaces one part; at least 2.

    Returns:
        One arm per ablation.

    Raises:
        ConfigurationError: if there are fewer than 2, or one is listed twice.
    """
    return _parts("leave_one_out", ablations)


def add_one_in(ablations: Iterable[Ablation | Arm]) -> list[Arm]:
    """The stripped algorithm, with every part removed, and that with one part put back, for each: which suffice.

    Args:
        ablations: each removes or replaces one part; at least 2, on paths that do not overlap.

    Returns:
        The arm of all ablations, then for each ablation the arm of all others.

    Raises:
        ConfigurationError: if there are fewer than 2, or one is listed twice.
    """
    parts = _parts("add_one_in", ablations)
    rest = [_together([other for other in parts if other is not part]) for part in parts]
    return [_together(parts), *rest]


def one_at_a_time(factors: Iterable[Factor]) -> list[Arm]:
    """Every alternative of every factor by itself, all others as in the base.

    Args:
        factors: ablations, or lists of alternatives such as `grid("lam", [0.9, 0.99])`.

    Raises:
        ConfigurationError: if there is no factor, or an ablation is listed twice.
    """
    levels = _levels("one_at_a_time", factors)
    return [level for factor in levels for level in factor]


def factorial(factors: Iterable[Factor]) -> list[Arm]:
    """Every combination of factors: `2^k` runs for k ablations, the base among them.

    Args:
        factors: ablations; a list of m alternatives is a factor of m + 1 levels, the base's own among them.

    Returns:
        All combinations but the base, those of fewer ablations first.

    Raises:
        ConfigurationError: if there is no factor, or an ablation is listed twice.
    """
    levels = _levels("factorial", factors)
    chosen = itertools.product(*[[None, *factor] for factor in reversed(levels)])  # the first factor varies fastest
    arms = [_together([level for level in combination if level is not None]) for combination in chosen]
    return sorted((arm for arm in arms if arm.ablations), key=lambda arm: len(arm.ablations))


def grid(path: str, values: Iterable[Any]) -> list[Arm]:
    """The base with each of several values at a path; arms are named `path=value`.

    Args:
        path: where, or a unique suffix of it: `"kl_bound"`.
        values: numbers, or components for a slot. One of them may be the base's own: it then needs no run beside the
            base's.

    Raises:
        ConfigurationError: if there are no values, or two are the same.
    """
    made = [setting(path, value) for value in values]
    require(bool(made), f"The grid of {path} has no values; give at least one.")
    arms = [Arm((dataclasses.replace(one, may_be_base=True),)) for one in made]
    _require_distinct(f"The grid of {path}", [arm.name for arm in arms])
    return arms


def combinations(*together: Sequence[Ablation | Arm]) -> list[Arm]:
    """Exactly these combinations: `combinations([a, b], [a, c])` gives the arms `a+b` and `a+c`.

    Args:
        together: what is applied together in each arm; one of them alone is allowed.

    Raises:
        ConfigurationError: if one is empty, or two are the same.
    """
    require(bool(together), "combinations() was given none; give lists of ablations.")
    arms = [_together(_arms("combinations", parts)) for parts in together]
    for parts, arm in zip(together, arms, strict=True):
        require(bool(arm.ablations), f"combinations() was given {parts!r}; each must name at least one ablation.")
    _require_distinct("combinations()", [arm.name for arm in arms])
    return arms


def fractional_factorial(ablations: Iterable[Ablation | Arm], generators: Iterable[str]) -> "FractionalFactorial":
    """A regular two-level fraction of a factorial: `2^(k-p)` runs for k ablations and p generators.

    Ablations are lettered A, B, C, ... (without I) in the order given. The last p are set by the generators: with
    `"D=AB"`, D is applied where A and B are both applied or both not. What this costs is that effects are confounded;
    `print(design)` shows which, and the resolution.

    Args:
        ablations: at least 3, on paths that do not overlap.
        generators: one for each of the last p letters, each the product of at least 2 of the first k - p:
            `["D=AB", "E=AC"]`, or `"D=-AB"` for the other half.

    Returns:
        A sequence of the arms, without the run that is the base (if the fraction has it).

    Raises:
        ConfigurationError: if the generators are malformed, or confound two ablations with each other.

    Reference: Box, Hunter & Hunter 2005, Statistics for Experimenters, chapter 6.
    """
    parts = _arms("fractional_factorial", ablations)
    names = [part.name for part in parts]
    _require_distinct("fractional_factorial", names)
    require(
        3 <= len(parts) <= len(_LETTERS),
        f"fractional_factorial has {len(parts)} ablations; give from 3 to {len(_LETTERS)}.",
    )
    if isinstance(generators, str):
        generators = [generators]
    letters = _LETTERS[: len(parts)]
    rules = _rules(letters, list(generators))
    free = letters[: len(letters) - len(rules)]
    runs = []
    for signs in itertools.product((-1, 1), repeat=len(free)):
        run: dict[str, int] = dict(zip(free, reversed(signs), strict=True))  # A varies fastest: the standard order
        for letter, (sign, word) in rules.items():
            run[letter] = sign * _product(run[factor] for factor in word)
        runs.append(tuple(run[letter] for letter in letters))
    words = []
    for chosen in itertools.product((False, True), repeat=len(rules)):
        sign, word = 1, frozenset[str]()
        for use, (letter, (own_sign, own_word)) in zip(chosen, rules.items(), strict=True):
            if use:
                sign, word = sign * own_sign, word ^ frozenset(own_word) ^ {letter}
        if word:
            words.append((sign, "".join(sorted(word))))
    words.sort(key=lambda signed: (len(signed[1]), signed[1]))
    design = FractionalFactorial(tuple(parts), tuple(runs), tuple(words))
    require(
        design.resolution >= 3,
        f"These generators confound two ablations with each other: {design.defining_relation}. "
        "Give every generator a product of its own.",
    )
    return design


@final
@dataclasses.dataclass(frozen=True, repr=False)
class FractionalFactorial(Sequence[Arm]):
    """A regular two-level fraction; a sequence of its arms. Made by `fractional_factorial`.

    Attributes:
        factors: the ablations, lettered A, B, C, ... (without I).
        runs: for each run and factor, 1 where the ablation is applied and -1 where it is not, in the standard order.
        words: the words that equal the identity, with their signs, by length.
    """

    factors: tuple[Arm, ...]
    runs: tuple[tuple[int, ...], ...]
    words: tuple[tuple[int, str], ...]

    @property
    def resolution(self) -> int:
        """Length of the shortest word.

        At 3, effects of single ablations are confounded with interactions of two. At 4, with those of three, and
        interactions of two with each other. At 5, interactions of two with those of three.
        """
        return len(self.words[0][1])

    @property
    def defining_relation(self) -> str:
        """Such as `I = ABD = ACE = BCDE`."""
        return " = ".join(["I", *(_signed(*word) for word in self.words)])

    def aliases(self, order: int = 2) -> dict[str, tuple[str, ...]]:
        """For each effect of at most `order` factors, those of at most `order` that cannot be told from it.

        An effect that is listed as an alias of another has no entry of its own.

        Args:
            order: the most letters of an effect that is named, at least 1.
        """
        letters = _LETTERS[: len(self.factors)]
        effects = ["".join(word) for n in range(1, order + 1) for word in itertools.combinations(letters, n)]
        table: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        for effect in effects:
            if effect in seen:
                continue
            products = [(sign, "".join(sorted(frozenset(effect) ^ frozenset(word)))) for sign, word in self.words]
            same = [(sign, word) for sign, word in products if len(word) <= order]
            seen |= {word for _, word in same}
            table[effect] = tuple(
                _signed(sign, word) for sign, word in sorted(same, key=lambda one: (len(one[1]), one[1]))
            )
        return table

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arm of each run, without the base."""
        arms = (self._arm(run) for run in self.runs)
        return tuple(arm for arm in arms if arm.ablations)

    def _arm(self, run: tuple[int, ...]) -> Arm:
        return _together([factor for factor, sign in zip(self.factors, run, strict=True) if sign > 0])

    def __len__(self) -> int:
        return len(self.arms)

    @overload
    def __getitem__(self, index: int) -> Arm: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Arm]: ...
    def __getitem__(self, index: int | slice) -> Arm | Sequence[Arm]:
        return self.arms[index]

    def __iter__(self) -> Iterator[Arm]:
        return iter(self.arms)

    def __str__(self) -> str:
        letters = _LETTERS[: len(self.factors)]
        generated = len(self.factors) - len(self.runs).bit_length() + 1
        roman = _ROMAN[self.resolution] if self.resolution < len(_ROMAN) else str(self.resolution)
        lines = [
            f"2^({len(self.factors)}-{generated}) fractional factorial of resolution {roman}, {len(self.runs)} runs",
            *(f"  {letter} = {factor.name}" for letter, factor in zip(letters, self.factors, strict=True)),
            f"Defining relation: {self.defining_relation}",
            f"Runs ({letters}; + where the ablation is applied)",
        ]
        for run in self.runs:
            signs = " ".join("+" if sign > 0 else "-" for sign in run)
            lines.append(f"  {signs}  {self._arm(run).name}")
        lines.append("Aliases, up to interactions of two")
        for effect, same in self.aliases().items():
            lines.append("  " + " = ".join([effect, *same]) + ("" if same else " (clear)"))
        return "\n".join(lines)

    def __repr__(self) -> str:
        names = ", ".join(factor.name for factor in self.factors)
        return f"FractionalFactorial({names}; {self.defining_relation})"


def _rules(letters: str, generators: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Sign and word of each generated letter."""
    free, generated = letters[: len(letters) - len(generators)], letters[len(letters) - len(generators) :]
    require(
        len(generators) >= 1 and len(free) >= 2,
        f"{len(letters)} ablations have {len(generators)} generators; give from 1 to {len(letters) - 2}, "
        "or use factorial for all combinations.",
    )
    rules: dict[str, tuple[int, str]] = {}
    for text in generators:
        match = re.fullmatch(r"\s*([A-Z])\s*=\s*([+-]?)\s*([A-Z]+)\s*", text)
        if match is None:
            raise ConfigurationError(f"The generator {text!r} is not of the form D=AB or D=-AB.")
        letter, sign, word = match.groups()
        require(
            letter in generated and letter not in rules,
            f"The generator {text!r} sets {letter}; the generators of {len(letters)} ablations set each of "
            f"{', '.join(generated)} once.",
        )
        require(
            len(word) == len(set(word)) >= 2 and set(word) <= set(free),
            f"The generator {text!r} must be a product of at least two different ones of {', '.join(free)}.",
        )
        rules[letter] = (-1 if sign == "-" else 1, word)
    return dict(sorted(rules.items()))


def _parts(design: str, ablations: Iterable[Ablation | Arm]) -> list[Arm]:
    parts = _arms(design, ablations)
    require(len(parts) >= 2, f"{design} was given {len(parts)} ablations; give at least 2.")
    _require_distinct(design, [part.name for part in parts])
    return parts


def _levels(design: str, factors: Iterable[Factor]) -> list[list[Arm]]:
    levels = [
        _arms(design, [factor] if isinstance(factor, Ablation | Arm) else factor)
        for factor in _iterated(design, factors)
    ]
    require(bool(levels) and all(levels), f"{design} was given nothing to vary, or an empty list of alternatives.")
    _require_distinct(design, [level.name for factor in levels for level in factor])
    return levels


def _arms(design: str, ablations: Iterable[Any]) -> list[Arm]:
    arms = []
    for one in _iterated(design, ablations):
        require(isinstance(one, Ablation | Arm), f"{design} was given {one!r}, which is no ablation.")
        arms.append(Arm() + one)
        require(bool(arms[-1].ablations), f"{design} was given the base, which is always an arm. Leave it out.")
    return arms


def _iterated(design: str, things: Any) -> list[Any]:
    if isinstance(things, Ablation | Arm | str) or not isinstance(things, Iterable):
        raise ConfigurationError(f"{design} was given {things!r}; give a list of ablations.")
    return list(things)


def _together(arms: Iterable[Arm]) -> Arm:
    together = Arm()
    for arm in arms:
        together = together + arm
    return together


def _require_distinct(design: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"{design} lists {', '.join(twice)} twice.")


def _product(signs: Iterable[int]) -> int:
    result = 1
    for sign in signs:
        result *= sign
    return result


def _signed(sign: int, word: str) -> str:
    return word if sign > 0 else f"-{word}"
