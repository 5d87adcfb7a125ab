"""Pictures of gymnax's tasks, by matplotlib without a display."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from reppo.environments import pictures
from reppo.environments.pictures import Frames, Picture
from reppo.errors import require

Draw = Callable[[Any, Any, Any], None]


def picture(task: Any, params: Any, camera: str | None) -> Picture:
    """How a task is drawn: by its function in `DRAWINGS`, else by what it shows.

    Args:
        task: the task of gymnax.
        params: its parameters.
        camera: none.

    Raises:
        ConfigurationError: if a camera is asked for.
    """
    require(camera is None, f"The camera is {camera!r}, but tasks of gymnax have none. Leave it out.")

    def draw(states: Sequence[Any], returns: Sequence[float], width: int, height: int) -> Frames:
        return draw_frames(task, states, params, returns, width, height)

    return Picture(lambda state: state, 1 / float(getattr(params, "dt", getattr(params, "tau", 0.05))), draw)


def draw_frames(
    task: Any, states: Sequence[Any], params: Any, returns: Sequence[float], width: int, height: int
) -> Frames:
    """Draws states of a task.

    Args:
        task: the task of gymnax.
        states: the task's states.
        params: the task's parameters.
        returns: the return so far at each state, for the caption.
        width: of a frame, in pixels.
        height: of a frame, in pixels.
    """

    def draw(axes: Any, state: Any) -> None:
        if task.name in DRAWINGS:
            DRAWINGS[task.name](axes, state, params)
        elif hasattr(task, "env_map"):
            _maze(axes, task.env_map, state)
        elif hasattr(task, "desc"):
            _lake(axes, task.desc, state)
        else:
            _shown(axes, task, state, params)

    return pictures.draw_frames(task.name, draw, states, returns, width, height)


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


def _cart_pole(axes: Any, state: Any, params: Any) -> None:
    limit = float(params.x_threshold)
    axes.set(xlim=(-1.2 * limit, 1.2 * limit), ylim=(-0.5, 2), aspect="equal")
    axes.axhline(0, color="0.7")
    axes.plot([-limit, -limit, limit, limit], [0.2, 0, 0, 0.2], color="tab:red")
    x, angle, length = float(state.x), float(state.theta), 2 * float(params.length)
    axes.plot([x - 0.25, x + 0.25], [0.05, 0.05], color="black", linewidth=10, solid_capstyle="butt")
    axes.plot([x, x + length * np.sin(angle)], [0.1, 0.1 + length * np.cos(angle)], color="tab:blue", linewidth=5)


def _acrobot(axes: Any, state: Any, params: Any) -> None:
    lengths = float(params.link_length_1), float(params.link_length_2)
    _square(axes, 1.1 * sum(lengths))
    axes.axhline(1.0, color="tab:green")
    angles = np.cumsum([float(state.joint_angle1), float(state.joint_angle2)])  # from hanging down
    x = np.cumsum([0, *(length * np.sin(angle) for length, angle in zip(lengths, angles))])
    y = np.cumsum([0, *(-length * np.cos(angle) for length, angle in zip(lengths, angles))])
    axes.plot(x, y, "o-", color="tab:blue", linewidth=5)


def _board(axes: Any, cells: Any) -> None:
    """Cells of numbers from 0, seen from above; each number has a color of its own, 0 is white."""
    axes.imshow(np.asarray(cells), cmap="nipy_spectral_r", vmin=0, vmax=12, interpolation="nearest")
    axes.set_aspect("equal")


def _maze(axes: Any, free: Any, state: Any) -> None:
    _board(axes, 12 - 12 * np.asarray(free, int))
    (y, x), (goal_y, goal_x) = np.asarray(state.pos), np.asarray(state.goal)
    axes.plot(goal_x, goal_y, "*", color="tab:green", markersize=12)
    axes.plot(x, y, "o", color="tab:blue", markersize=8)


def _lake(axes: Any, tiles: Any, state: Any) -> None:
    _board(axes, np.asarray([1, 0, 12, 0])[np.asarray(tiles)])  # start, ice, hole, goal
    goal_y, goal_x = np.argwhere(np.asarray(tiles) == 3)[0]
    axes.plot(goal_x, goal_y, "*", color="tab:green", markersize=18)
    y, x = divmod(int(state.position), np.shape(tiles)[1])
    axes.plot(x, y, "o", color="tab:blue", markersize=12)


def _shown(axes: Any, task: Any, state: Any, params: Any) -> None:
    """What the task shows of a state: a board whose cells have the color of their last channel, or bars of numbers."""
    state = jax.tree.map(jax.numpy.asarray, state)
    seen = np.asarray(task.observe(jax.random.key(0), state, None, params), float)
    if seen.ndim == 3:
        _board(axes, np.max((seen > 0) * (1 + np.arange(seen.shape[-1])), axis=-1))
    elif seen.ndim == 2 and seen.size > 1:
        _board(axes, 8 * seen)
    else:
        axes.bar(np.arange(seen.size), seen.ravel(), color="tab:blue")
        axes.axhline(0, color="black")
        axes.set(xlim=(-0.6, max(seen.size, 4) - 0.4), ylim=(min(-1.1, *seen.ravel()), max(1.1, *seen.ravel())))


DRAWINGS: dict[str, Draw] = {
    "Pendulum-v1": _pendulum,
    "MountainCarContinuous-v0": _mountain_car,
    "MountainCar-v0": _mountain_car,
    "CartPole-v1": _cart_pole,
    "Acrobot-v1": _acrobot,
    "PointRobot-misc": _point_robot,
    "Reacher-misc": _reacher,
    "Swimmer-misc": _swimmer,
}
