"""Probe environments, whose values are known by theory."""

from reppo.environments.suites.probes.table import TASKS
from reppo.environments.suites.registry import register
from reppo.environments.suites.suite import DeviceChecks, Suite

SUITE = register(
    Suite(
        name="probe",
        module=f"{__name__}.adapter",
        component="ProbeTask",
        tasks=TASKS,
        example="BestAction",
        samples=("BestAction", "ConstantReward", "TruncatedStep", "PrivilegedValue", "BestChoice"),
        exports={
            f"{__name__}.adapter": ("ProbeTask",),
            f"{__name__}.probes": ("PROBES", "AbstractProbe", *TASKS),
        },
        device=DeviceChecks(learned=-0.1),
        rank=2,
    )
)
