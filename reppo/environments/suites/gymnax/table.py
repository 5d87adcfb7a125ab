"""All tasks that the adapter knows, so that names can be checked without importing gymnax.

A test keeps these tables equal to its registry. Ranges of rewards are read from the source of gymnax 1.0.1.
"""

import math

from reppo.environments.suites.suite import TaskEntry


def _choice(
    family: str, horizon: int, reward_range: tuple[float, float] | None, observation: int, action: int, **facts: object
) -> TaskEntry:
    """A task with discrete actions."""
    return TaskEntry(family, horizon, reward_range, observation=observation, action=action, discrete=True, **facts)  # pyright: ignore[reportArgumentType]


def _minatar(horizon: int, channels: int, action: int, most: float = 1.0, **facts: object) -> TaskEntry:
    """A game on a board of 10 x 10 cells, with rewards that are never negative."""
    board = (10, 10, channels)
    return _choice("MinAtar", horizon, (0.0, most), math.prod(board), action, image=board, **facts)


_ONCE = (0.0, 0.0)
"""The lasting range of a reward that comes only with the end."""

GYMNAX: dict[str, TaskEntry] = {
    # -(angle^2 + 0.1 speed^2 + 0.001 torque^2), with |angle| <= pi, |speed| <= 8, |torque| <= 2.
    "Pendulum-v1": TaskEntry(
        "classic control", 200, (-(math.pi**2 + 6.4 + 0.004), 0.0), ("max_speed", "max_torque"), observation=3, action=1
    ),
    # -0.1 action^2, and 100 at the goal, where the episode ends.
    "MountainCarContinuous-v0": TaskEntry(
        "classic control",
        999,
        (-0.1, 100.0),
        ("min_action", "max_action"),
        lasting_range=(-0.1, 0.0),
        observation=2,
        action=1,
    ),
    # 1 at every step of an episode, also at the one that ends it.
    "CartPole-v1": _choice("classic control", 500, (0.0, 1.0), 4, 2),
    # -1, and 0 at the goal, where the episode ends.
    "Acrobot-v1": _choice("classic control", 500, (-1.0, 0.0), 6, 3),
    # -1, also at the goal, where the episode ends.
    "MountainCar-v0": _choice("classic control", 200, (-1.0, 0.0), 2, 3),
    # 1 for gold. Each row of the board holds one thing, so the player meets one in a step.
    "Asterix-MinAtar": _minatar(1000, 4, 5),
    # 1 for a brick, after which the ball has to leave bricks for a step.
    "Breakout-MinAtar": _minatar(1000, 4, 3, pace=(0.5, 1.0)),
    # 1 at the top, which is 9 moves from the start, with 3 steps for each.
    "Freeway-MinAtar": _minatar(2500, 7, 3, pace=(1 / 27, 1.0)),
    # 1 for each thing that is shot: a bullet leaves every 5 steps and is gone after 9, so there are at most 2.
    # Surfacing with 6 divers gives a tenth of the oxygen in percent, rounded down: at most 9, after a step under water.
    # They are then -1; a new one comes every 30 steps, and stays on the board for less than 90.
    "Seaquest-MinAtar": _minatar(
        1000,
        10,
        6,
        most=11.0,
        range_settings=("shot_cool_down",),
        pace=(1 / 5 + 9 / 210, 3 + 9 * 300 / 210),
    ),
    # 1 for an alien. A bullet leaves every 5 steps and is gone after 9; there are at most 2, at least 5 rows apart, and
    # aliens fill 4 rows, so that one hits in a step.
    "SpaceInvaders-MinAtar": _minatar(1000, 6, 4, range_settings=("shot_cool_down",), pace=(1 / 5, 3.0)),
    # 1 or -1 as the ball comes down, where the episode ends.
    "Catch-bsuite": _choice("bsuite", 1000, (-1.0, 1.0), 50, 3, lasting_range=_ONCE),
    # -0.01 / 8 for a step to the right, and 1 for the last one in the corner, where the episode ends.
    "DeepSea-bsuite": _choice(
        "bsuite",
        8,
        (-0.00125, 0.99875),
        64,
        2,
        range_settings=("deterministic", "unscaled_move_cost"),
        lasting_range=(-0.00125, 0.0),
    ),
    # 1 or -1 for the answer, with which the episode ends.
    "MemoryChain-bsuite": _choice("bsuite", 1000, (-1.0, 1.0), 3, 2, lasting_range=_ONCE),
    # 1 or -1 at random, and for the umbrella at the end, after `chain_length` steps.
    "UmbrellaChain-bsuite": _choice("bsuite", 100, (-1.0, 1.0), 3, 2, pace=(0.0, 10.0)),
    # 1.1 or 1, once an episode.
    "DiscountingChain-bsuite": _choice(
        "bsuite", 100, (0.0, 1.1), 2, 5, range_settings=("optimal_return",), pace=(0.0, 1.1)
    ),
    # From 0 to 1; each episode is one step, and has its own best action.
    "SimpleBandit-bsuite": _choice("bsuite", 100, (0.0, 1.0), 1, 11, lasting_range=_ONCE),
    # 1 at the goal, where the episode ends.
    "FourRooms-misc": _choice("misc", 500, (0.0, 1.0), 4, 4, lasting_range=_ONCE),
    # 10 at the goal, from where the agent is put elsewhere, perhaps next to it.
    "MetaMaze-misc": _choice("misc", 200, (0.0, 10.0), 15, 4, range_settings=("reward", "punishment")),
    "PointRobot-misc": TaskEntry("misc", 100, (0.0, 1.0), ("dense_reward",), observation=6, action=2),
    "BernoulliBandit-misc": _choice("misc", 100, (0.0, 1.0), 4, 2),
    # A normal draw, which has no bounds.
    "GaussianBandit-misc": _choice("misc", 100, None, 4, 2),
    "Reacher-misc": TaskEntry("misc", 100, (0.0, 1.0), observation=8, action=2),
    "Swimmer-misc": TaskEntry("misc", 500, (0.0, 1.0), observation=16, action=2),
    # 1 for each step at which the ball stays on the board.
    "Pong-misc": _choice("misc", 1000, (0.0, 1.0), 3600, 3, image=(30, 40, 3)),
    # 1 at the goal, where the episode ends, as in a hole.
    "FrozenLake-misc": _choice("misc", 100, (0.0, 1.0), 16, 4, lasting_range=_ONCE),
}
"""The tasks of gymnax, by name."""

GYMNAX_DISCRETE: tuple[str, ...] = tuple(name for name, entry in GYMNAX.items() if entry.discrete)
"""Those with discrete actions."""

GYMNAX_REFUSED: tuple[str, ...] = ("MNISTBandit-bsuite",)
"""Tasks that are refused by name: their images come from the network."""
