"""MuJoCo Playground: https://github.com/google-deepmind/mujoco_playground."""

from pathlib import Path

from reppo.environments.suites.playground.installation import broken, examine
from reppo.environments.suites.playground.table import PLAYGROUND
from reppo.environments.suites.registry import register
from reppo.environments.suites.suite import DeviceChecks, Suite

SUITE = register(
    Suite(
        name="playground",
        module=f"{__name__}.adapter",
        component="PlaygroundTask",
        tasks=PLAYGROUND,
        example="CartpoleBalance",
        exports={
            f"{__name__}.adapter": ("PlaygroundEnvironment", "PlaygroundTask"),
            f"{__name__}.table": ("PLAYGROUND",),
        },
        horizon_setting="episode_length",
        range_settings=("action_repeat",),
        packages={
            "playground": "0.2.0",
            "mujoco": "3.8.1",
            "mujoco-mjx": "3.8.1",
            "warp-lang": "1.12.1",
            "brax": "0.14.2",
        },
        broken=broken,
        examine=examine,
        device=DeviceChecks(
            backends={"warp": "warp-lang", "jax": ""},
            sharing={"warp": "BallInCup"},  # contacts
            published="CartpoleSwingup",
            quickstart=True,
            costly=True,
        ),
        works=Path(__file__).with_name("works.bib"),
        rank=0,
    )
)
