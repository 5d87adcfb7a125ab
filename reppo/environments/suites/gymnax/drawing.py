"""Pictures of gymnax's continuous tasks, by matplotlib without a display."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reppo.environments import pictures
from reppo.environments.pictures import Frames, Picture
from reppo.errors import ConfigurationError, require

Draw = Callable[[Any, Any, Any], None]


def picture(task: str, params: Any, camera: str | None) -> Picture:
    """How a task is drawn.

    Raises:
        ConfigurationError: if it is not in `DRAWINGS`, or a camera is asked for.
    """
    require(camera is None, f"The camera is {camera!r}, but tasks of gymnax have none. Leave it out.")
    if task not in DRAWINGS:
        raise ConfigurationError(f"There is no picture of {task}; of gymnax these have one: {', '.join(DRAWINGS)}.")

    def draw(states: Sequence[Any], returns: Sequence[float], width: int, height: int) -> Frames:
        return draw_frames(task, states, params, returns, width, height)

    return Picture(lambda state: state, 1 / float(getattr(params, "dt", 0.05)), draw)


def draw_frames(
    task: str, states: Sequence[Any], params: Any, returns: Sequence[float], width: int, height: int
) -> Frames:
    """Draws states of a task.

    Args:
        task: its name, one of `DRAWINGS`.
        states: the task's states.
        params: the task's parameters.
        returns: the return so far at each state, for the caption.
        width: of a frame, in pixels.
        height: of a frame, in pixels.
    """
    return pictures.draw_frames(
        task, lambda axes, state: DRAWINGS[task](axes, state, params), states, returns, width, height
    )


def _square(axes: Any, limit: float) -> None:
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    axes.set_aspect("equal")


def _circle(axes: Any, centre: Any, radius: float, **style: Any) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((float(centre[0]), float(centre[1])), radius, **style))


def _pendulum(axes: Any, state: Any, params: Any) -> None:
    length = float(params.l)
    _square(axes, 1.3 * length)
    angle = float(state.theta)  # from upright, counterclockwise
    tip = -length * np.sin(angle), length * np.cos(angle)
    axes.plot([0, tip[0]], [0, tip[1]], color="tab:blue", linewidth=6, solid_capstyle="round")
    _circle(axes, (0, 0), 0.05 * length, color="black")
    torque = float(np.ravel(state.last_u)[0]) / float(params.max_torque)
    axes.plot([0, torque * length], [-1.2 * length] * 2, color="tab:orange", linewidth=4)


def _mountain_car(axes: Any, state: Any, params: Any) -> None:
    x = np.linspace(float(params.min_position), float(params.max_position), 200)
    axes.plot(x, np.sin(3 * x), color="0.5")
    axes.set_ylim(-1.2, 1.4)
    goal, position = float(params.goal_position), float(state.position)
    axes.plot([goal, goal], [np.sin(3 * goal), np.sin(3 * goal) + 0.3], color="tab:green", linewidth=3)
    axes.plot(position, np.sin(3 * position) + 0.06, "o", color="tab:blue", markersize=12)


def _point_robot(axes: Any, state: Any, params: Any) -> None:
    _square(axes, 1.6 * float(params.circle_radius))
    _circle(axes, state.goal, float(params.goal_radius), color="tab:green", alpha=0.4)
    axes.plot(*np.asarray(state.pos), "o", color="tab:blue", markersize=8)


def _reacher(axes: Any, state: Any, params: Any) -> None:
    angles = np.asarray(state.angles)
    _square(axes, 1.2 * len(angles))
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1), 0)])
    axes.plot(points[:, 0], points[:, 1], "o-", color="tab:blue", linewidth=5, solid_capstyle="round")
    axes.plot(*np.asarray(state.goal_xy), "*", color="tab:green", markersize=14)


def _swimmer(axes: Any, state: Any, params: Any) -> None:
    _square(axes, 1.5)
    for urchin in np.reshape(state.urchin_xys, (-1, 2)):
        axes.plot(*urchin, "X", color="tab:red", markersize=10)
    axes.plot(*np.ravel(state.goal_xy), "*", color="tab:green", markersize=14)
    axes.plot(*np.ravel(state.xy), "o", color="tab:blue", markersize=10)


DRAWINGS: dict[str, Draw] = {
    "Pendulum-v1": _pendulum,
    "MountainCarContinuous-v0": _mountain_car,
    "PointRobot-misc": _point_robot,
    "Reacher-misc": _reacher,
    "Swimmer-misc": _swimmer,
}
