"""What an experiment declares beside its presets, checked: arms, searches over what arms start from, thresholds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

from reppo.ablation import Ablation, Arm
from reppo.component import as_plain
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results.names import search_name

BASE = "base"
"""The name of the arm that all others are compared with."""


@final
class DeclaredArm(NamedTuple):
    """An arm of an experiment.

    Attributes:
        rival: name of the rival that it starts from; empty for the base.
        arm: the ablations that are applied to that.
        search: whether it is one of the settings of a search.
    """

    rival: str
    arm: Arm
    search: bool = False

    @property
    def name(self) -> str:
        """That of the arm, after the rival's if it has one."""
        if not self.rival:
            return self.arm.name
        return f"{self.rival}+{self.arm.name}" if self.arm.ablations else self.rival

    @property
    def group(self) -> str:
        """What it is chosen by: its name, or that of the whole search that it belongs to."""
        return search_name(self.rival) if self.search else self.name


def checked_arms(arms: Any, what: str = "An experiment's arms") -> tuple[Arm, ...]:
    """A list of ablations as arms.

    Raises:
        ConfigurationError: if it is no list, or one of them is none.
    """
    if isinstance(arms, str) or not hasattr(arms, "__iter__"):
        raise ConfigurationError(f"{what} must be a list, not {arms!r}.")
    arms = tuple(arms)
    for arm in arms:
        require(isinstance(arm, Ablation | Arm), f"{arm!r} is no ablation; import one from the catalog, or declare it.")
    return tuple(Arm() + arm for arm in arms)


def checked_search(settings: Any, what: str = "An experiment's search") -> tuple[Arm, ...]:
    """A list of settings of the same hyperparameters as arms.

    Raises:
        ConfigurationError: if it is no list, or one of them does something else.
    """
    found = checked_arms(settings, what)
    for arm in found:
        require(
            bool(arm.ablations) and all(ablation.sets for ablation in arm.ablations),
            f"{what} has {arm.name!r}, which does not set values alone; give settings, such as those of "
            "designs.random_search, and list other arms as arms.",
        )
    paths = list(dict.fromkeys(tuple(ablation.touches for ablation in arm.ablations) for arm in found))
    require(
        len(paths) <= 1,
        f"{what} has settings of different hyperparameters: {' and '.join(map(_listed, paths[:2]))}. Give settings of "
        "the same, such as those of one designs.random_search.",
    )
    return found


def _listed(touched: Sequence[Sequence[str]]) -> str:
    return ", ".join(path for paths in touched for path in paths)


def parts_of(arms: Sequence[DeclaredArm], rival: str) -> dict[str, list[Arm]]:
    """The arms of a rival, or of the base, that are ablations, and those that are settings of a search."""
    own = [arm for arm in arms if arm.rival == rival and arm.arm.ablations]
    return {"arms": [a.arm for a in own if not a.search], "search": [a.arm for a in own if a.search]}


def checked_search_seeds(given: Any, seeds: Sequence[int]) -> tuple[int, ...]:
    """The seeds of the settings of searches.

    Raises:
        ConfigurationError: if they are not some of the experiment's, or no number of them.
    """
    given = as_plain(given)
    if type(given) is int:
        require(
            1 <= given <= len(seeds),
            f"The experiment's search_seeds are {given}; give a number from 1 to that of its seeds, {len(seeds)}.",
        )
        return tuple(seeds[:given])
    require(
        hasattr(given, "__iter__") and not isinstance(given, str),
        f"An experiment's search_seeds must be a number or a list, not {given!r}.",
    )
    found: tuple[Any, ...] = tuple(given)
    require(
        bool(found) and all(found.count(seed) == 1 and seed in seeds for seed in found),
        f"The experiment's search_seeds are {found!r}; give some of its seeds, each once: settings of a search are "
        "compared with what they start from.",
    )
    return found


def checked_thresholds(given: Any, environments: Sequence[str]) -> dict[str, float]:
    """Thresholds by environment.

    Raises:
        ConfigurationError: if one is no finite number, or of an environment that is not there.
    """
    require(isinstance(given, Mapping), f"An experiment's thresholds must be returns by environment, not {given!r}.")
    for name, value in given.items():
        if name not in environments:
            raise unknown_name("environment", name, environments, "It has a threshold in this experiment.")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        require(number and math.isfinite(value), f"The threshold of {name} is {value!r}; give a finite number.")
    return {name: float(value) for name, value in given.items()}
