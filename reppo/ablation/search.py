"""Random search: settings of several hyperparameters at once, drawn from ranges."""

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from reppo.ablation.ablation import Arm, setting
from reppo.errors import ConfigurationError, require

_DIGITS = 4


class Range(abc.ABC):
    """Numbers from which a value of a hyperparameter is drawn."""

    @abc.abstractmethod
    def at(self, share: float) -> float | int:
        """The number below which a share of the range lies.

        Args:
            share: in [0, 1).
        """


@final
@dataclasses.dataclass(frozen=True)
class Uniform(Range):
    """Every number of an interval alike, to four significant digits.

    Attributes:
        low: the least, finite.
        high: the greatest, above `low`.

    Raises:
        ConfigurationError: if the ends are no finite numbers, the first below the second.
    """

    low: float | int
    high: float | int

    def __post_init__(self) -> None:
        _require_interval(self.low, self.high)

    def at(self, share: float) -> float:
        return _rounded(self.low + share * (self.high - self.low), self.low, self.high)


@final
@dataclasses.dataclass(frozen=True)
class LogUniform(Range):
    """Every order of magnitude of an interval alike, to four significant digits: for rates and weights.

    Attributes:
        low: the least, above 0.
        high: the greatest, above `low`.

    Raises:
        ConfigurationError: if the ends are no finite numbers above 0, the first below the second.
    """

    low: float | int
    high: float | int

    def __post_init__(self) -> None:
        _require_interval(self.low, self.high)
        require(self.low > 0, f"A range by magnitude starts at {self.low!r}; give a number above 0.")

    def at(self, share: float) -> float:
        return _rounded(self.low * (self.high / self.low) ** share, self.low, self.high)


@final
@dataclasses.dataclass(frozen=True)
class Integers(Range):
    """Every integer of an interval alike.

    Attributes:
        low: the least.
        high: the greatest, above `low`.

    Raises:
        ConfigurationError: if the ends are no integers, the first below the second.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        require(
            all(isinstance(end, int | np.integer) and not isinstance(end, bool) for end in (self.low, self.high)),
            f"A range of integers has the ends {self.low!r} and {self.high!r}; give integers.",
        )
        _require_interval(self.low, self.high)

    def at(self, share: float) -> int:
        return int(self.low) + math.floor(share * (int(self.high) - int(self.low) + 1))


def random_search(space: Mapping[str, Range | Sequence[Any]], number: int, seed: int = 0) -> list[Arm]:
    """Settings of all hyperparameters at once, each drawn by itself.

    How an algorithm fares over them shows how much it needs tuning, and where it could get by it. Scalars are values
    that share a compiled program, so that all settings of them are lanes of one; what changes shapes or code, such as a
    width, needs a program for each of its values.

    With a greater number the first settings stay the same, so that a search is extended by running it again.

    Args:
        space: by path (or a unique suffix of one) a range, or a list of values of which each is as probable.
        number: how many settings, at least 1.
        seed: of the draws, at least 0.

    Returns:
        An arm for each setting, named `path=value+...` in the order of the paths.

    Raises:
        ConfigurationError: if the space is empty, a path has no values, or the space has fewer settings than are asked
            for.

    Reference: Bergstra & Bengio 2012, Random Search for Hyper-Parameter Optimization, JMLR 13.
    """
    require(bool(space), "random_search was given no hyperparameters; give paths with ranges or lists of values.")
    require(number >= 1, f"random_search shall draw {number} settings; give at least 1.")
    require(seed >= 0, f"The seed of random_search is {seed}; give at least 0.")
    for path, values in space.items():
        fits = isinstance(values, Range) or (isinstance(values, Sequence) and not isinstance(values, str))
        require(
            fits and (isinstance(values, Range) or len(values) > 0),
            f"random_search was given {values!r} for {path}; give Uniform, LogUniform, Integers or a list of values.",
        )
    arms: dict[str, Arm] = {}
    generators = {path: np.random.default_rng([seed, *path.encode()]) for path in sorted(space)}
    for _ in range(_MOST_TRIES * number):
        drawn = {path: _value(space[path], float(generator.random())) for path, generator in generators.items()}
        arm = _arm(drawn)
        arms.setdefault(arm.name, arm)
        if len(arms) == number:
            return list(arms.values())
    raise ConfigurationError(
        f"random_search found {len(arms)} different settings and shall draw {number}; give more values, or a smaller "
        "number."
    )


_MOST_TRIES = 100


def _value(values: Range | Sequence[Any], share: float) -> Any:
    return values.at(share) if isinstance(values, Range) else values[math.floor(share * len(values))]


def _arm(drawn: Mapping[str, Any]) -> Arm:
    """The arm of all values, each of which may be the base's own."""
    settings = [setting(path, value) for path, value in drawn.items()]
    settings.sort(key=lambda one: one.name)
    return Arm(tuple(dataclasses.replace(one, may_be_base=True) for one in settings))


def _rounded(value: float, low: float | int, high: float | int) -> float:
    return min(max(float(f"{value:.{_DIGITS}g}"), float(low)), float(high))


def _require_interval(low: float | int, high: float | int) -> None:
    numbers = all(isinstance(end, int | float | np.number) and not isinstance(end, bool) for end in (low, high))
    require(
        numbers and math.isfinite(low) and math.isfinite(high) and low < high,
        f"A range goes from {low!r} to {high!r}; give finite numbers, the first below the second.",
    )
