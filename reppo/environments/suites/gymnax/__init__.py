"""gymnax: https://github.com/RobertTLange/gymnax."""

from pathlib import Path

from reppo.environments.suites.gymnax.table import GYMNAX, GYMNAX_REFUSED
from reppo.environments.suites.registry import register
from reppo.environments.suites.suite import DeviceChecks, Suite

SUITE = register(
    Suite(
        name="gymnax",
        module=f"{__name__}.adapter",
        component="GymnaxTask",
        tasks=GYMNAX,
        example="Pendulum-v1",
        refused=GYMNAX_REFUSED,
        exports={
            f"{__name__}.adapter": ("GymnaxEnvironment", "GymnaxTask"),
            f"{__name__}.table": ("GYMNAX", "GYMNAX_DISCRETE", "GYMNAX_REFUSED"),
        },
        horizon_setting="max_steps_in_episode",
        packages={"gymnax": "1.0.1"},
        device=DeviceChecks(quickstart=True),
        works=Path(__file__).with_name("works.bib"),
        rank=1,
    )
)
