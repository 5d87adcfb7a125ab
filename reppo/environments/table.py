"""All tasks that the adapters know, so that names can be checked without importing a simulator.

A test keeps these tables equal to the registries of gymnax and MuJoCo Playground.
"""

import math
from typing import NamedTuple, final


@final
class TaskEntry(NamedTuple):
    """What is known of a task.

    Attributes:
        family: the part of the suite that the task belongs to.
        horizon: the time limit in steps, with default settings.
        reward_range: the least and the greatest reward of one step, with default settings; `None`: not known.
        range_settings: the settings that the reward range depends on, apart from `action_repeat`, which multiplies it.
        randomizes: whether the suite can randomize the physics of the task.
        lasting_range: the least and the greatest reward of a step after which the episode goes on, where the reward
            range is wider because of a reward that comes only with the end; `None`: the reward range.
    """

    family: str
    horizon: int
    reward_range: tuple[float, float] | None = None
    range_settings: tuple[str, ...] = ()
    randomizes: bool = False
    lasting_range: tuple[float, float] | None = None


_CONTROL = (
    "AcrobotSwingup AcrobotSwingupSparse BallInCup CartpoleBalance CartpoleBalanceSparse CartpoleSwingup "
    "CartpoleSwingupSparse CheetahRun FingerSpin FingerTurnEasy FingerTurnHard FishSwim HopperHop HopperStand "
    "HumanoidStand HumanoidWalk HumanoidRun PendulumSwingup PointMass ReacherEasy ReacherHard SwimmerSwimmer6 "
    "WalkerRun WalkerStand WalkerWalk"
).split()


def _locomotion(horizon: int = 1000, *, randomizes: bool = False) -> TaskEntry:
    return TaskEntry("locomotion", horizon, randomizes=randomizes)


def _manipulation(horizon: int, *, randomizes: bool = False) -> TaskEntry:
    return TaskEntry("manipulation", horizon, randomizes=randomizes)


PLAYGROUND: dict[str, TaskEntry] = {
    # Rewards of the control suite are products and means of tolerances, each in [0, 1].
    **{name: TaskEntry("control suite", 1000, (0.0, 1.0), ("vision",)) for name in _CONTROL},
    "ApolloJoystickFlatTerrain": _locomotion(),
    "BarkourJoystick": _locomotion(),
    "BerkeleyHumanoidJoystickFlatTerrain": _locomotion(randomizes=True),
    "BerkeleyHumanoidJoystickRoughTerrain": _locomotion(randomizes=True),
    "G1JoystickFlatTerrain": _locomotion(randomizes=True),
    "G1JoystickRoughTerrain": _locomotion(randomizes=True),
    "Go1JoystickFlatTerrain": _locomotion(randomizes=True),
    "Go1JoystickRoughTerrain": _locomotion(randomizes=True),
    "Go1Getup": _locomotion(300, randomizes=True),
    "Go1Handstand": _locomotion(500, randomizes=True),
    "Go1Footstand": _locomotion(500, randomizes=True),
    "H1InplaceGaitTracking": _locomotion(),
    "H1JoystickGaitTracking": _locomotion(),
    "Op3Joystick": _locomotion(),
    "SpotFlatTerrainJoystick": _locomotion(),
    "SpotGetup": _locomotion(300),
    "SpotJoystickGaitTracking": _locomotion(),
    "T1JoystickFlatTerrain": _locomotion(randomizes=True),
    "T1JoystickRoughTerrain": _locomotion(randomizes=True),
    "AlohaHandOver": _manipulation(250),
    "AlohaSinglePegInsertion": _manipulation(500),  # 1000 steps of the task, each action held for 2
    "PandaPickCube": _manipulation(150),
    "PandaPickCubeOrientation": _manipulation(150),
    "PandaPickCubeCartesian": _manipulation(200),
    "PandaOpenCabinet": _manipulation(150),
    "PandaRobotiqPushCube": _manipulation(750),  # 3000 steps of the task, each action held for 4
    "LeapCubeReorient": _manipulation(1000, randomizes=True),
    "LeapCubeRotateZAxis": _manipulation(500, randomizes=True),
    "AeroCubeRotateZAxis": _manipulation(500, randomizes=True),
}
"""The tasks of MuJoCo Playground by name. The robots' models are fetched separately; the control suite is complete."""

GYMNAX: dict[str, TaskEntry] = {
    # -(angle^2 + 0.1 speed^2 + 0.001 torque^2), with |angle| <= pi, |speed| <= 8, |torque| <= 2.
    "Pendulum-v1": TaskEntry("classic control", 200, (-(math.pi**2 + 6.4 + 0.004), 0.0), ("max_speed", "max_torque")),
    # -0.1 action^2, and 100 at the goal, where the episode ends.
    "MountainCarContinuous-v0": TaskEntry(
        "classic control", 999, (-0.1, 100.0), ("min_action", "max_action"), lasting_range=(-0.1, 0.0)
    ),
    "PointRobot-misc": TaskEntry("misc", 100, (0.0, 1.0), ("dense_reward",)),
    "Reacher-misc": TaskEntry("misc", 100, (0.0, 1.0)),
    "Swimmer-misc": TaskEntry("misc", 500, (0.0, 1.0)),
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
