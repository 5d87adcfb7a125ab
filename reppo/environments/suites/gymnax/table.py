"""All tasks that the adapter knows, so that names can be checked without importing gymnax.

A test keeps these tables equal to its registry.
"""

import math

from reppo.environments.suites.suite import TaskEntry

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
    "PointRobot-misc": TaskEntry("misc", 100, (0.0, 1.0), ("dense_reward",), observation=6, action=2),
    "Reacher-misc": TaskEntry("misc", 100, (0.0, 1.0), observation=8, action=2),
    "Swimmer-misc": TaskEntry("misc", 500, (0.0, 1.0), observation=16, action=2),
}
"""The tasks of gymnax with continuous actions, by name."""

GYMNAX_DISCRETE: tuple[str, ...] = (
    "CartPole-v1",
    "Acrobot-v1",
    "MountainCar-v0",
    "Asterix-MinAtar",
    "Breakout-MinAtar",
    "Freeway-MinAtar",
    "Seaquest-MinAtar",
    "SpaceInvaders-MinAtar",
    "Catch-bsuite",
    "DeepSea-bsuite",
    "MemoryChain-bsuite",
    "UmbrellaChain-bsuite",
    "DiscountingChain-bsuite",
    "MNISTBandit-bsuite",
    "SimpleBandit-bsuite",
    "FourRooms-misc",
    "MetaMaze-misc",
    "BernoulliBandit-misc",
    "GaussianBandit-misc",
    "Pong-misc",
    "FrozenLake-misc",
)
"""The tasks of gymnax with discrete actions, which are refused by name."""
