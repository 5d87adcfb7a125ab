"""Arms that start from another preset than the base's."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import final

from reppo.ablation import Ablation, Arm
from reppo.environments import AbstractEnvironmentSpec
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results.names import SEARCH
from reppo.spec import Spec, difference, parse_value, replace_path
from reppo.sweep.declared import BASE, checked_arms, checked_search

Preset = Callable[[AbstractEnvironmentSpec], Spec]

_NAME = re.compile(r"[a-z0-9_]+")


@final
@dataclasses.dataclass(frozen=True)
class Rival:
    """Another preset that is compared with the base: an arm, named by it, and its ablations, `name+ablation`.

    No such name is an ablation's: those have a slash or an equals sign.

    Attributes:
        preset: a function from environment spec to spec.
        name: lower-case letters, digits and `_`; that of the function by default.
        arms: ablations of this preset, or several of them joined by `+`.
        search: settings of this preset's own hyperparameters; see `Experiment.search`.

    Raises:
        ConfigurationError: if one of these is something else.
    """

    preset: Preset
    name: str = ""
    arms: Sequence[Ablation | Arm] = ()
    search: Sequence[Arm] = ()

    def __post_init__(self) -> None:
        require(
            callable(self.preset),
            f"{self.preset!r} is no preset; a rival is one, such as presets.reppo_reference, or Rival(preset).",
        )
        object.__setattr__(self, "name", self.name or getattr(self.preset, "__name__", ""))
        require(
            isinstance(self.name, str) and bool(_NAME.fullmatch(self.name)) and self.name not in (BASE, SEARCH),
            f"A rival is named {self.name!r}; give it a name of lower-case letters, digits and _, other than {BASE!r} "
            f"and {SEARCH!r}: Rival(preset, name=...).",
        )
        object.__setattr__(self, "arms", checked_arms(self.arms, f"The rival {self.name!r} has arms that"))
        object.__setattr__(self, "search", checked_search(self.search, f"The search of the rival {self.name!r}"))

    @classmethod
    def of(cls, given: "Preset | Rival") -> "Rival":
        """A rival of its preset alone, or what is one already."""
        return given if isinstance(given, cls) else cls(given)  # pyright: ignore[reportArgumentType]


def make_starts(
    base: Preset, rivals: Sequence[Rival], environment: AbstractEnvironmentSpec, overrides: Sequence[str]
) -> tuple[dict[str, Spec], list[bool]]:
    """What arms start from on an environment: the base (named `base`) and each rival, after the overrides.

    A rival is evaluated as the base is: it has the base's evaluation before the overrides.

    Returns:
        The specs by name, and for each override whether it has an effect there.

    Raises:
        ConfigurationError: if a preset gives no spec or changes the task, or an override does not fit.
    """
    starts = {BASE: _made(base, environment)}
    for rival in rivals:
        spec = _made(rival.preset, environment)
        require(
            spec.environment == starts[BASE].environment,
            f"The rival {rival.name!r} is trained on {spec.environment!r}, and the base on "
            f"{starts[BASE].environment!r}. Take the task's settings out of the preset, and give them in the "
            "experiment's environments.",
        )
        starts[rival.name] = dataclasses.replace(spec, evaluation=starts[BASE].evaluation)
    effects = []
    for override in overrides:
        changed = _overridden(starts, override)
        effects.append(any(difference(starts[name], spec) for name, spec in changed.items()))
        starts |= changed
    return starts, effects


def require_effect(override: str, effect: bool) -> None:
    """Raises `ConfigurationError` if a setting has no effect anywhere."""
    scope = scope_of(override)
    which = "the base" if scope in (None, BASE) else f"{scope!r}"
    require(effect, f"The setting {override!r} has no effect: {which} is already so.")


def _made(preset: Preset, environment: AbstractEnvironmentSpec) -> Spec:
    spec = preset(environment)
    require(isinstance(spec, Spec), f"The preset {preset!r} gave {spec!r}, not a spec.")
    return spec


def scope_of(override: str) -> str | None:
    """What a setting `name:path=value` is for; None for `path=value`, which is for all."""
    scope, colon, _ = override.partition("=")[0].rpartition(":")
    return scope.strip() if colon else None


def _overridden(starts: dict[str, Spec], override: str) -> dict[str, Spec]:
    """What changes by a setting `path=value` of everything that arms start from, or `name:path=value` of one."""
    path, equals, text = override.partition("=")
    require(bool(equals), f"The setting {override!r} is not of the form path=value.")
    scope, path = scope_of(override), path.rpartition(":")[2]
    if scope is not None and scope not in starts:
        raise unknown_name("arm", scope, starts, f"In {override!r} it says what the setting is for: base or a rival.")
    changed = {}
    for name in starts if scope is None else [scope]:
        try:
            changed[name] = replace_path(starts[name], path.strip(), parse_value(text.strip()))
        except ConfigurationError as error:
            where = f" the rival {name!r}" if name != BASE else ""
            cure = "" if scope is not None or name == BASE else f" For one of them alone: --set {BASE}:{override}"
            raise ConfigurationError(f"The setting {override!r} does not fit{where}. {error}{cure}") from None
    return changed
