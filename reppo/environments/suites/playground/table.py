"""All tasks that the adapter knows, so that names can be checked without importing a simulator.

A test keeps this table equal to the registry of MuJoCo Playground.
"""

from reppo.environments.suites.suite import TaskEntry

ROBOTS = "robots' models of mujoco_menagerie"
"""What the robots' tasks need."""

# Numbers that are observed, and the size of an action.
_CONTROL = {
    "AcrobotSwingup": (6, 1),
    "AcrobotSwingupSparse": (6, 1),
    "BallInCup": (8, 2),
    "CartpoleBalance": (5, 1),
    "CartpoleBalanceSparse": (5, 1),
    "CartpoleSwingup": (5, 1),
    "CartpoleSwingupSparse": (5, 1),
    "CheetahRun": (17, 6),
    "FingerSpin": (9, 2),
    "FingerTurnEasy": (12, 2),
    "FingerTurnHard": (12, 2),
    "FishSwim": (24, 5),
    "HopperHop": (15, 4),
    "HopperStand": (15, 4),
    "HumanoidStand": (67, 21),
    "HumanoidWalk": (67, 21),
    "HumanoidRun": (67, 21),
    "PendulumSwingup": (3, 1),
    "PointMass": (4, 2),
    "ReacherEasy": (6, 2),
    "ReacherHard": (6, 2),
    "SwimmerSwimmer6": (25, 5),
    "WalkerRun": (24, 6),
    "WalkerStand": (24, 6),
    "WalkerWalk": (24, 6),
}


def _locomotion(horizon: int = 1000, *, randomizes: bool = False) -> TaskEntry:
    return TaskEntry("locomotion", horizon, randomizes=randomizes, needs=ROBOTS)


def _manipulation(horizon: int, *, randomizes: bool = False) -> TaskEntry:
    return TaskEntry("manipulation", horizon, randomizes=randomizes, needs=ROBOTS)


PLAYGROUND: dict[str, TaskEntry] = {
    # Rewards of the control suite are products and means of tolerances, each in [0, 1].
    **{
        name: TaskEntry(
            "control suite", 1000, (0.0, 1.0), ("vision",), scored=True, observation=observation, action=action
        )
        for name, (observation, action) in _CONTROL.items()
    },
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
