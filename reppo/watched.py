"""Metrics to look at: what an algorithm names of its own, as results keep it for reports. Imports nothing heavy."""

import dataclasses
from dataclasses import dataclass
from typing import Any, final

from reppo.errors import require

__all__ = ["Watched"]


@final
@dataclass(frozen=True)
class Watched:
    """A metric that tells whether training goes as intended.

    Attributes:
        metric: its name among the metrics of an update.
        title: what it is, in a few words, with its unit if it has one.
        logarithmic: whether it spans powers of ten.
        limit: the last part of the path in the spec of the value it should stay below, if there is one.
        needs: the last part of the path in the spec of what it is about; a run whose spec has nothing of that name does
            not have the metric, whatever number it records. None if every run has it.
        warn_above: the mean over training, a share in [0, 1], above which a report warns; None where it never does.
        warning: what is then said, before the arms of which it holds.

    Raises:
        ConfigurationError: if one of `warn_above` and `warning` is given without the other, or is out of range.
    """

    metric: str
    title: str
    logarithmic: bool = False
    limit: str | None = None
    needs: str | None = None
    warn_above: float | int | None = None
    warning: str = ""

    def __post_init__(self) -> None:
        """Checks the warning."""
        share = self.warn_above
        require(
            (share is None) == (not self.warning) and (share is None or 0 <= share <= 1),
            f"The metric {self.metric!r} warns above {share} with {self.warning!r}. Give both or neither, and above "
            "which share, from 0 to 1.",
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Watched":
        """Reads what `to_json` gave."""
        return cls(**data)
