"""How much work is done between two looks at the clock, and between two checkpoints."""

import time
from typing import final

PIECE_SECONDS = 3.0
"""What runs without a look at the clock, or for a signal that asks for the end, takes about so long; a single iteration
may take longer. Between two pieces states are copied, which takes little beside the iterations of such a time."""

SAVE_SECONDS = 15.0
"""A batch is saved no sooner than this after its last checkpoint, except at its end."""

MOST_SAVE_SECONDS = 40.0
"""And not much later, even if saving then costs more than `SAVE_SHARE`: what a stop loses takes a minute at most."""

SAVE_SHARE = 0.04
"""The part of the time that saving may take."""

_GROWTH = 8


@final
class Pace:
    """The pace of a batch, from how long its iterations and checkpoints took.

    Where iterations are cut changes no number, so that it may depend on the clock.
    """

    def __init__(self) -> None:
        self._iterations = 1
        self._saved = time.perf_counter()
        self._pause = SAVE_SECONDS

    def piece(self, left: int) -> int:
        """The number of iterations to do next, of those left."""
        return min(left, self._iterations)

    def took(self, iterations: int, seconds: float) -> None:
        """Takes in how long a piece took."""
        fit = int(iterations * PIECE_SECONDS / max(seconds, 1e-9))
        self._iterations = max(1, min(fit, _GROWTH * self._iterations))

    @property
    def must_save(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.perf_counter() - self._saved > self._pause

    def saved(self, seconds: float) -> None:
        """Takes in that a checkpoint was made just now, and how long it took."""
        self._saved = time.perf_counter()
        self._pause = min(max(seconds / SAVE_SHARE, SAVE_SECONDS), MOST_SAVE_SECONDS)
