"""The last returns of arms, as progress shows them."""

import math
from collections.abc import Sequence
from typing import final

from reppo.results.formatting import natural_order
from reppo.text import counted, display_width, fitting_columns, padded, plain
from reppo.tracking.events import LaneReport

_ARMS_PER_LINE = 8


@final
class ArmReturns:
    """The last mean return of every run, by environment and arm."""

    def __init__(self) -> None:
        """Of no run."""
        self._means: dict[tuple[str, str], dict[str, float]] = {}  # (environment, arm) -> run -> mean return

    def take_in(self, lanes: Sequence[LaneReport]) -> None:
        """Takes in what runs were evaluated to."""
        for lane in lanes:
            if len(lane.returns):
                finite = [value for value in lane.returns if math.isfinite(value)]
                means = self._means.setdefault((lane.environment, lane.group or lane.arm), {})
                means[lane.run_id] = sum(finite) / len(finite) if finite else math.nan

    def table(self, environment: str, columns: int) -> list[str]:
        """A line for each arm of an environment below a head; only those columns for which there is room."""
        arms = [arm for task, arm in self._means if task == environment]
        if not arms:
            return []
        rows = [["arm", f"{'return':>9}", f"{'lowest':>9}", f"{'highest':>9}", "runs"]]
        for arm in sorted(arms, key=lambda arm: (arm != "base", natural_order(arm))):
            finite, lost = self._known(environment, arm)
            numbers = (sum(finite) / len(finite), min(finite), max(finite)) if finite else (math.nan,) * 3
            cells = [f"{_number(x):>9}" for x in numbers]
            rows.append([plain(arm), *cells, f"{len(finite)}{f' ({lost} not finite)' if lost else ''}"])
        widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
        widths[0] = min(widths[0], max(columns - widths[1] - 4, len("arm")))  # the return is what one looks for
        shown = fitting_columns(widths, columns - 2)[0]
        return ["  " + "  ".join(padded(row[i], widths[i]) for i in shown).rstrip() for row in rows]

    def in_words(self, environment: str, arms: Sequence[str]) -> str:
        """The mean return of some arms of an environment, in a line."""
        words = []
        for arm in arms[:_ARMS_PER_LINE]:
            finite, _ = self._known(environment, arm)
            words.append(f"{arm} {_number(sum(finite) / len(finite)) if finite else '-'}")
        more = len(arms) - _ARMS_PER_LINE
        if more > 0:
            words.append(f"and {counted(more, 'arm')} more")
        return ", ".join(words)

    def _known(self, environment: str, arm: str) -> tuple[list[float], int]:
        """The last finite mean return of each run of an arm, and how many runs' last one is not finite."""
        means = self._means.get((environment, arm), {}).values()
        finite = [mean for mean in means if math.isfinite(mean)]
        return finite, len(means) - len(finite)


def _number(value: float) -> str:
    """Writes a return with about four significant digits, never in powers of ten unless it is huge."""
    if not math.isfinite(value):
        return "-"
    size = abs(value)
    return f"{value:.3g}" if size >= 1e7 else f"{value:.{0 if size >= 1000 else 1 if size >= 10 else 2}f}"
