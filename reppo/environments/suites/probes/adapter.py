"""Probe environments as tasks: named, with arguments, and made."""

import dataclasses
import functools
from typing import Any, final

from reppo.component import static
from reppo.environments.contract import AbstractEnvironmentSpec, Settings, freeze_settings, settings_label
from reppo.environments.spaces import Discrete
from reppo.environments.suites.probes.probes import PROBES, AbstractProbe
from reppo.errors import require, unknown_name

_REWARDED_AT_THE_END = (
    "TerminalStep",
    "Discounting",
    "ObservationValue",
    "PrivilegedValue",
    "BestAction",
    "BestChoice",
    "DelayedChoice",
)


def probe(name: str, config: dict[str, Any] | None = None) -> "ProbeTask":
    """Names a probe environment.

    Args:
        name: one of `PROBES`, such as `"ConstantReward"`.
        config: the arguments of its class, such as `{"length": 5}`.

    Raises:
        ConfigurationError: if there is no such probe, or it has no such argument.
    """
    spec = ProbeTask(name, freeze_settings(config))
    spec.validate()
    return spec


@final
class ProbeTask(AbstractEnvironmentSpec):
    """A probe environment: write it as `probe(name, config)`.

    Attributes:
        task: its name in `PROBES`.
        config: arguments of its class, sorted by name.
    """

    task: str = static()
    config: Settings = static(default=())

    @property
    def name(self) -> str:
        """The probe's name, followed by its arguments."""
        return self.task + settings_label(self.config)

    @property
    def suite(self) -> str:
        """`"probe"`."""
        return "probe"

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """The least and the greatest reward of one step."""
        return self.make().reward_range

    @property
    def lasting_range(self) -> tuple[float, float] | None:
        """(0, 0) where the only reward comes with the end of the episode, `reward_range` elsewhere."""
        return (0.0, 0.0) if self.task in _REWARDED_AT_THE_END else self.reward_range

    @property
    def discrete(self) -> bool:
        """Whether actions are a discrete set."""
        return isinstance(self.make().action_space, Discrete)

    @property
    def observes_image(self) -> bool:
        """False."""
        return False

    @property
    def horizon(self) -> int:
        """The time limit in steps."""
        return self.make().horizon

    def validate(self) -> None:
        """Checks the probe's name and its arguments.

        Raises:
            ConfigurationError: if there is no such probe, it has no such argument, or a value does not fit.
        """
        if self.task not in PROBES:
            raise unknown_name("probe", self.task, PROBES)
        defaults = {field.name: field.default for field in dataclasses.fields(PROBES[self.task])}
        allowed = {name: value for name, value in defaults.items() if name not in ("action_space", "reward_range")}
        for key, value in self.config:
            if key not in allowed:
                raise unknown_name(f"argument of {self.task}", key, allowed)
            wanted = type(allowed[key])
            fits = type(value) in ((int, float) if wanted is float else (wanted,))
            require(
                fits and (wanted is not int or value >= 1),
                f"The argument {key!r} of {self.task} is {value!r} of type {type(value).__name__}; "
                f"give {'an integer of at least 1' if wanted is int else 'one'} like its default, {allowed[key]!r}.",
            )

    def make(self) -> AbstractProbe:
        """Builds the environment; equal specs give the same object."""
        return _make(self)


@functools.lru_cache(maxsize=128)
def _make(spec: ProbeTask) -> AbstractProbe:
    spec.validate()
    arguments: dict[str, Any] = {key: float(value) if key == "reward" else value for key, value in spec.config}
    return PROBES[spec.task](**arguments)
