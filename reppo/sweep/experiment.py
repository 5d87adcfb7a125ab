"""The declaration of an experiment, and the runs that it stands for."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, final

from reppo.ablation import Ablation, Arm
from reppo.component import as_plain
from reppo.environments import AbstractEnvironmentSpec
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.spec import (
    Spec,
    difference,
    from_json,
    get_path,
    parse_value,
    replace_path,
    resolve,
    run_id,
    spec_id,
    to_json,
)

Preset = Callable[[AbstractEnvironmentSpec], Spec]


@final
@dataclasses.dataclass(frozen=True)
class Run:
    """One arm on one environment with one seed.

    Attributes:
        arm: name of the arm.
        ablations: names of the ablations that made it from the base.
        spec: the resolved spec.
        seed: the seed.
        settings: whole paths of the values that ablations have set, in the order of their names; None if unknown.
    """

    arm: str
    ablations: tuple[str, ...]
    spec: Spec
    seed: int
    settings: tuple[str, ...] | None = None

    @functools.cached_property
    def id(self) -> str:
        """Hash of spec and seed."""
        return run_id(self.spec, self.seed)

    @property
    def environment(self) -> str:
        """Name of the environment."""
        return self.spec.environment.name

    def settings_in_json(self) -> dict[str, Any] | None:
        """The values that ablations have set, by path, as the record has them."""
        return None if self.settings is None else {path: to_json(get_path(self.spec, path)) for path in self.settings}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "run_id": self.id,
            "arm": self.arm,
            "environment": self.environment,
            "ablations": list(self.ablations),
            "seed": self.seed,
            "settings": None if self.settings is None else list(self.settings),
            "spec": to_json(self.spec),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Run":
        """Reads what `to_json` gave."""
        settings = data.get("settings")
        known = None if settings is None else tuple(settings)
        return cls(data["arm"], tuple(data["ablations"]), from_json(data["spec"]), data["seed"], known)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """Arms x environments x seeds x budget. The base is always an arm, named `base`.

    Everything is resolved and validated when it is declared.

    Attributes:
        name: names the folder of results.
        base: a preset: a function from environment spec to spec.
        environments: environment specs.
        arms: ablations, or several of them joined by `+`.
        seeds: whole numbers from 0 to 2^32 - 1.
        steps: environment steps of each run, rounded up to whole iterations.
        overrides: `path=value` settings, applied to the base before the arms.

    Raises:
        ConfigurationError: if any of it cannot be run.
    """

    name: str
    base: Preset
    environments: Sequence[AbstractEnvironmentSpec]
    arms: Sequence[Ablation | Arm] = ()
    seeds: Iterable[int] = (0,)
    steps: int
    overrides: Sequence[str] = ()

    def __post_init__(self) -> None:
        for field in ("environments", "arms", "seeds", "overrides"):
            try:
                object.__setattr__(self, field, tuple(getattr(self, field)))
            except TypeError:
                raise ConfigurationError(
                    f"An experiment's {field} must be a list, not {getattr(self, field)!r}."
                ) from None
        require(
            isinstance(self.name, str) and self.name not in ("", ".", "..") and not set(self.name) & set("/\\\0"),
            f"The experiment's name is {self.name!r}; it names a folder, so give a text without slashes.",
        )
        require(
            callable(self.base), f"The experiment's base is {self.base!r}; give a preset, such as presets.reppo_small."
        )
        require(bool(self.environments), "The experiment has no environments; give at least one.")
        for environment in self.environments:
            require(
                isinstance(environment, AbstractEnvironmentSpec),
                f"{environment!r} is no environment spec; use environments.playground(...) or gymnax(...).",
            )
        names = [environment.name for environment in self.environments]
        require(len(set(names)) == len(names), f"An environment is listed twice: {', '.join(_twice(names))}.")
        for arm in self.arms:
            require(
                isinstance(arm, Ablation | Arm), f"{arm!r} is no ablation; import one from the catalog, or declare it."
            )
        arms = [arm.name for arm in self.arms]
        require(len(set(arms)) == len(arms), f"An arm is listed twice: {', '.join(_twice(arms))}.")
        object.__setattr__(self, "seeds", as_plain(self.seeds))
        object.__setattr__(self, "steps", as_plain(self.steps))
        seeds = list(self.seeds)
        require(bool(seeds), "The experiment has no seeds; give at least one.")
        for seed in seeds:
            require(
                type(seed) is int and 0 <= seed < 2**32,
                f"The seed {seed!r} is not a whole number from 0 to 4294967295.",
            )
        require(len(set(seeds)) == len(seeds), f"A seed is listed twice: {', '.join(map(str, _twice(seeds)))}.")
        require(
            type(self.steps) is int and self.steps >= 1,
            f"The experiment's steps are {self.steps!r}; give a whole number of at least 1.",
        )
        object.__setattr__(self, "_runs", tuple(self._declared_runs()))

    @property
    def id(self) -> str:
        """Identity of the folder of results. What its runs are is checked run by run."""
        return hashlib.sha256(f"reppo experiment {self.name}".encode()).hexdigest()[:12]

    def runs(self) -> list[Run]:
        """Every run, by environment, arm (base first) and seed."""
        return list(self._runs)  # pyright: ignore[reportAttributeAccessIssue]

    def _declared_runs(self) -> list[Run]:
        runs = []
        for environment in self.environments:
            base = self.base_spec(environment)
            arms = [(arm, resolve(arm(base))) for arm in [Arm(), *(Arm() + arm for arm in self.arms)]]
            kept: dict[str, str] = {}  # id of the spec -> arm; those that no grid made come first
            for arm, spec in sorted(arms, key=lambda made: made[0].may_be_base):
                other = kept.setdefault(spec_id(spec), arm.name)
                require(
                    other == arm.name or arm.may_be_base,
                    f"The arms {other!r} and {arm.name!r} are the same on {environment.name}: their specs are equal, "
                    "so every run would be trained twice. Leave one of them out.",
                )
            for arm, spec in arms:
                if kept[spec_id(spec)] != arm.name:
                    continue  # a value of a grid that another arm has: its runs are that arm's
                names = tuple(ablation.name for ablation in arm.ablations)
                settings = arm.settings(base)
                runs += [Run(arm.name, names, spec, seed, settings) for seed in self.seeds]
        return runs

    def base_spec(self, environment: AbstractEnvironmentSpec) -> Spec:
        """The base on an environment, after the overrides and before any ablation."""
        spec = self.base(environment)
        require(isinstance(spec, Spec), f"The preset {self.base!r} gave {spec!r}, not a spec.")
        for override in self.overrides:
            path, equals, text = override.partition("=")
            require(bool(equals), f"The setting {override!r} is not of the form path=value.")
            try:
                changed = replace_path(spec, path.strip(), parse_value(text.strip()))
            except ConfigurationError as error:
                raise ConfigurationError(f"The setting {override!r} does not fit. {error}") from None
            require(bool(difference(spec, changed)), f"The setting {override!r} has no effect: the base is already so.")
            spec = changed
        return spec

    def select(
        self,
        *,
        arms: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        steps: int | None = None,
        overrides: Sequence[str] = (),
    ) -> "Experiment":
        """A copy that keeps some arms and environments (by name), or has other seeds, steps or settings.

        Raises:
            ConfigurationError: for a name that is not in the experiment.
        """
        chosen: dict[str, Any] = {}
        if arms is not None:
            known = {arm.name: arm for arm in self.arms}
            chosen["arms"] = [_find("arm", name, known) for name in arms if name != "base"]
        if environments is not None:
            known = {environment.name: environment for environment in self.environments}
            chosen["environments"] = [_find("environment", name, known) for name in environments]
        if seeds is not None:
            chosen["seeds"] = seeds
        if steps is not None:
            chosen["steps"] = steps
        return dataclasses.replace(self, **chosen, overrides=(*self.overrides, *overrides))

    def main(self) -> None:
        """Runs the experiment from the command line, as `reppo run FILE` does, and exits."""
        from reppo.cli import run_declared

        raise SystemExit(run_declared(self))

    def results_path(self, out: str | Path = "results") -> Path:
        """The folder of results below `out`."""
        return Path(out) / self.name


def _find(kind: str, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise unknown_name(kind, name, known, "These are the ones of this experiment.")
    return known[name]


def _twice(items: Sequence[Any]) -> list[Any]:
    return sorted({item for item in items if items.count(item) > 1})
