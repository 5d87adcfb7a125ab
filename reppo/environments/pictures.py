"""What the video of an episode asks of an environment, and frames drawn by matplotlib."""

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


def draw_frames(
    name: str,
    draw: Callable[[Any, Any], None],
    states: Sequence[Any],
    returns: Sequence[float],
    width: int,
    height: int,
) -> Frames:
    """Draws states with matplotlib, without a display, each under a caption.

    Args:
        name: of the task, for the caption.
        draw: what draws a state into matplotlib's `Axes`, which are empty and without ticks.
        states: the task's states.
        returns: the return so far at each state, for the caption.
        width: of a frame, in pixels.
        height: of a frame, in pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    frames = []
    for state, total in zip(states, returns, strict=True):
        figure.clear()
        axes = figure.add_axes((0.02, 0.02, 0.96, 0.88))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"{name}   return {total:.1f}", fontsize=9)
        draw(axes, state)
        canvas.draw()
        frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return frames
