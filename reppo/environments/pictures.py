"""What the video of an episode asks of an environment. Drawing itself is the matter of each suite."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Array, PyTree, UInt8

Frames = list[UInt8[np.ndarray, "height width 3"]]
"""Pictures of one size, RGB."""


@final
class Picture(NamedTuple):
    """How an environment is shown.

    Attributes:
        visible: the part of the task's state that is drawn; only that is kept of an episode.
        steps_per_second: of the task's own time, positive.
        draw: from the visible part of some states, the return so far at each, width and height in pixels to a frame of
            each state.
    """

    visible: Callable[[Any], PyTree[Array]]
    steps_per_second: float
    draw: Callable[[Sequence[Any], Sequence[float], int, int], Frames]
