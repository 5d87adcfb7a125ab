"""The declaration of an experiment, and the runs that it stands for."""

import copy
import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, final

from reppo.ablation import Ablation, Arm
from reppo.component import as_plain
from reppo.environments import AbstractEnvironmentSpec
from reppo.environments.suites import all_suites
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.results.names import search_name
from reppo.spec import Spec, from_json, get_path, resolve, run_id, spec_id, to_json
from reppo.sweep.declared import (
    BASE,
    DeclaredArm,
    checked_arms,
    checked_search,
    checked_search_seeds,
    checked_thresholds,
    parts_of,
)
from reppo.sweep.rivals import Preset, Rival, make_starts, require_effect, scope_of
from reppo.training.plan import evaluation_interval, evaluation_points


@final
@dataclasses.dataclass(frozen=True)
class Run:
    """One arm on one environment with one seed.

    Attributes:
        arm: name of the arm.
        ablations: names of the ablations that made it from the base, or from its rival.
        spec: the resolved spec.
        seed: the seed.
        rival: name of the rival that the arm starts from; empty for the base.
        settings: the values that ablations have set, as JSON data by whole path, in the order of the ablations' names,
            before anything is resolved; None if unknown.
        search: whether the arm is one of the settings of a search.
    """

    arm: str
    ablations: tuple[str, ...]
    spec: Spec
    seed: int
    rival: str = ""
    settings: dict[str, Any] | None = dataclasses.field(default=None, hash=False)
    search: bool = False

    @functools.cached_property
    def id(self) -> str:
        """Hash of spec and seed."""
        return run_id(self.spec, self.seed)

    @property
    def environment(self) -> str:
        """Name of the environment."""
        return self.spec.environment.name

    @property
    def group(self) -> str:
        """The arm, or what stands for all settings of its search."""
        return search_name(self.rival) if self.search else self.arm

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "run_id": self.id,
            "arm": self.arm,
            "environment": self.environment,
            "ablations": list(self.ablations),
            "rival": self.rival,
            "seed": self.seed,
            "settings": self.settings,
            "search": self.search,
            "spec": to_json(self.spec),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Run":
        """Reads what `to_json` gave."""
        ablations, settings = tuple(data["ablations"]), data.get("settings")
        known, spec = settings if isinstance(settings, dict) else None, from_json(data["spec"])
        searched = data.get("search", False) is True
        return cls(data["arm"], ablations, spec, data["seed"], data.get("rival", ""), known, searched)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """Arms x environments x seeds x budget. The base is always an arm, named `base`.

    Everything is resolved and validated when it is declared.

    Attributes:
        name: names the folder of results.
        base: a preset: a function from environment spec to spec.
        environments: environment specs.
        arms: ablations of the base, or several of them joined by `+`.
        rivals: other presets, or `Rival`s, which have ablations of their own; each is an arm, paired by seed with the
            base as all are, and evaluated as the base is.
        search: settings of the base's hyperparameters, such as `designs.random_search` draws. They are no arms that are
            compared one by one: the report shows how scores are distributed over them. Each rival may have a search of
            its own.
        search_seeds: those of the seeds that every setting of a search is run with; or how many, at least 1: the first.
        seeds: whole numbers from 0 to 2^32 - 1; or how many, at least 1: 4 is `range(4)`.
        thresholds: by name of an environment the mean evaluation return that counts as learned there, written down
            before anything is run: times to it, and the share of settings above it, are in the report. For others
            a threshold follows from the base's curve.
        steps: environment steps of each run, rounded up to whole iterations.
        overrides: settings, applied before the arms: `path=value` to the base and all rivals, `name:path=value` to the
            rival of that name, or to `base`, alone.

    Raises:
        ConfigurationError: if any of it cannot be run.
    """

    name: str
    base: Preset
    environments: Sequence[AbstractEnvironmentSpec]
    arms: Sequence[Ablation | Arm] = ()
    rivals: Sequence[Preset | Rival] = ()
    search: Sequence[Arm] = ()
    search_seeds: Iterable[int] | int = 1
    seeds: Iterable[int] | int = (0,)
    thresholds: Mapping[str, float | int] = dataclasses.field(default_factory=dict, hash=False)
    steps: int
    overrides: Sequence[str] = ()
    _specs: dict[tuple[str, str], Spec] = dataclasses.field(init=False, repr=False, compare=False)
    _settings: dict[tuple[str, str], dict[str, Any]] = dataclasses.field(init=False, repr=False, compare=False)
    _bases: dict[str, Spec] = dataclasses.field(init=False, repr=False, compare=False)
    _runs: tuple[Run, ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        number = as_plain(self.seeds)
        if type(number) is int:
            require(number >= 1, f"The experiment has {number} seeds; give at least 1, or a list of them.")
            object.__setattr__(self, "seeds", range(number))
        for field in ("environments", "arms", "rivals", "seeds", "overrides"):
            given = getattr(self, field)
            try:
                listed = None if isinstance(given, str) else tuple(given)
            except TypeError:
                listed = None
            require(listed is not None, f"An experiment's {field} must be a list, not {given!r}.")
            object.__setattr__(self, field, listed)
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
                f"{environment!r} is no environment spec; use "
                f"{' or '.join(f'environments.{suite.name}(...)' for suite in all_suites())}.",
            )
        names = [environment.name for environment in self.environments]
        require(len(set(names)) == len(names), f"An environment is listed twice: {', '.join(_twice(names))}.")
        for override in self.overrides:
            require(isinstance(override, str), f"{override!r} is no setting; write it as the text 'path=value'.")
        checked_arms(self.arms)
        object.__setattr__(self, "search", checked_search(self.search))
        object.__setattr__(self, "rivals", tuple(map(Rival.of, self.rivals)))
        arms = [arm.name for arm in self.declared_arms()]
        require(len(set(arms)) == len(arms), f"An arm is listed twice: {', '.join(_twice(arms))}.")
        seeds = as_plain(self.seeds)
        object.__setattr__(self, "seeds", seeds)
        object.__setattr__(self, "steps", as_plain(self.steps))
        require(bool(seeds), "The experiment has no seeds; give at least one.")
        for seed in seeds:
            require(
                type(seed) is int and 0 <= seed < 2**32,
                f"The seed {seed!r} is not a whole number from 0 to 4294967295.",
            )
        require(len(set(seeds)) == len(seeds), f"A seed is listed twice: {', '.join(map(str, _twice(seeds)))}.")
        object.__setattr__(self, "search_seeds", checked_search_seeds(self.search_seeds, seeds))
        object.__setattr__(self, "thresholds", checked_thresholds(self.thresholds, names))
        require(
            type(self.steps) is int and self.steps >= 1,
            f"The experiment's steps are {self.steps!r}; give a whole number of at least 1.",
        )
        if not hasattr(self, "_specs"):  # a selection has those of what it was selected from
            self._resolve()
        object.__setattr__(self, "_runs", tuple(run for task in self.environments for run in self._runs_on(task.name)))
        tasks = [self._specs[task.name, BASE].environment.name for task in self.environments]
        require(
            len(set(tasks)) == len(tasks),
            f"With the settings of the base, environments are the same: {', '.join(_twice(tasks))}. Leave one out.",
        )

    @property
    def id(self) -> str:
        """Identity of the folder of results. What its runs are is checked run by run."""
        return hashlib.sha256(f"reppo experiment {self.name}".encode()).hexdigest()[:12]

    def declared_arms(self) -> list[DeclaredArm]:
        """Every arm: the base, its ablations and its search, then each rival before its own."""
        arms = []
        for name, own, search in (
            ("", self.arms, self.search),
            *((r.name, r.arms, r.search) for r in self._own_rivals),
        ):
            arms += [DeclaredArm(name, Arm() + arm) for arm in (Arm(), *own)]
            arms += [DeclaredArm(name, arm, search=True) for arm in search]
        return arms

    @property
    def _own_rivals(self) -> tuple[Rival, ...]:
        """The rivals, as they are since the declaration."""
        return cast(tuple[Rival, ...], self.rivals)

    def runs(self) -> list[Run]:
        """Every run, by environment, arm (base first) and seed."""
        return list(self._runs)

    def evaluation_points(self, spec: Spec, done: int | None = None) -> list[int]:
        """The iterations after which a run is evaluated (see `reppo.training.plan.evaluation_points`).

        A run whose iterations are of another length than the base's is evaluated as soon as it has the environment
        steps at which the base is, unless its arm has an interval of its own.

        Args:
            spec: of the run.
            done: iterations done already; None for a run that has not begun.
        """
        base = self._bases.get(spec.environment.name)
        if base is None or spec.evaluation.interval != base.evaluation.interval:
            return evaluation_points(spec, self.steps, done)
        return evaluation_points(spec, self.steps, done, evaluation_interval(base))

    def _resolve(self) -> None:
        """Makes the spec of each environment and arm, what the arm sets, and the base where it is trained."""
        specs, settings, bases = {}, {}, {}
        made_on = [self._starts(environment) for environment in self.environments]
        for number, override in enumerate(self.overrides):
            require_effect(override, any(effects[number] for _, effects in made_on))
        for environment, (starts, _) in zip(self.environments, made_on, strict=True):
            for arm in self.declared_arms():
                start, cell = starts[arm.rival or BASE], (environment.name, arm.name)
                try:
                    made = arm.arm(start)
                    specs[cell] = resolve(made)
                except ConfigurationError as error:
                    raise ConfigurationError(f"{f'The rival {arm.rival!r}: ' * bool(arm.rival)}{error}") from None
                # Of what was not resolved yet: that may replace the component that holds a value.
                settings[cell] = {path: to_json(get_path(made, path)) for path in arm.arm.settings(start)}
                bases.setdefault(specs[cell].environment.name, specs[environment.name, BASE])
            bases[specs[environment.name, BASE].environment.name] = specs[environment.name, BASE]
        for name, value in (("_specs", specs), ("_settings", settings), ("_bases", bases)):
            object.__setattr__(self, name, value)

    def _runs_on(self, environment: str) -> list[Run]:
        arms = [(arm, spec := self._specs[environment, arm.name], spec_id(spec)) for arm in self.declared_arms()]
        kept: dict[str, str] = {}  # id of the spec -> arm; those that no grid made come first
        for arm, _, id in sorted(arms, key=lambda made: made[0].arm.may_be_base):
            other = kept.setdefault(id, arm.name)
            require(
                other == arm.name or arm.arm.may_be_base,
                f"The arms {other!r} and {arm.name!r} are the same on {environment}: their specs are equal, "
                "so every run would be trained twice. Leave one of them out.",
            )
        runs = []
        for arm, spec, id in arms:
            if kept[id] == arm.name:  # else a value of a grid that another arm has: its runs are that arm's
                names = tuple(ablation.name for ablation in arm.arm.ablations)
                settings = self._settings[environment, arm.name]
                seeds = cast("tuple[int, ...]", self.search_seeds if arm.search else self.seeds)
                runs += [Run(arm.name, names, spec, seed, arm.rival, settings, arm.search) for seed in seeds]
        return runs

    def starts(self, environment: AbstractEnvironmentSpec) -> dict[str, Spec]:
        """The base (`"base"`) and the rivals by name on an environment, after the overrides, before any ablation."""
        return self._starts(environment)[0]

    def _starts(self, environment: AbstractEnvironmentSpec) -> tuple[dict[str, Spec], list[bool]]:
        return make_starts(self.base, self._own_rivals, environment, self.overrides)

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

        The base stays, and so does each rival of which an arm is kept. Settings of searches keep those of their seeds
        that are chosen; where none is, they are left out.

        Args:
            arms: names, and `search` or `RIVAL+search` for all settings of a search; all by default.
            environments: names; all by default.
            seeds: whole numbers from 0 to 2^32 - 1; the same by default.
            steps: environment steps of each run, at least 1; the same by default.
            overrides: further settings, after those that are there.

        Raises:
            ConfigurationError: for a name that is not in the experiment.
        """
        chosen: dict[str, Any] = {}
        if arms is not None:
            kept = self._named(arms)
            chosen |= parts_of(kept, "")
            chosen["rivals"] = [
                dataclasses.replace(rival, **parts_of(kept, rival.name))
                for rival in self._own_rivals
                if any(arm.rival == rival.name for arm in kept)
            ]
            left = {None, BASE, *(rival.name for rival in chosen["rivals"])}
            chosen["overrides"] = [override for override in self.overrides if scope_of(override) in left]
        if environments is not None:
            known = {environment.name: environment for environment in self.environments}
            chosen["environments"] = [_find("environment", name, known) for name in environments]
            chosen["thresholds"] = {name: self.thresholds[name] for name in environments if name in self.thresholds}
        if seeds is not None:
            chosen["seeds"] = seeds
            chosen["search_seeds"] = [seed for seed in cast("tuple[int, ...]", self.search_seeds) if seed in seeds]
            if not chosen["search_seeds"]:
                chosen |= {"search": (), "search_seeds": 1}
                rivals = chosen.get("rivals", self._own_rivals)
                chosen["rivals"] = [dataclasses.replace(rival, search=()) for rival in rivals]
        if steps is not None:
            chosen["steps"] = steps
        if overrides:
            chosen["overrides"] = (*chosen.get("overrides", self.overrides), *overrides)
            return dataclasses.replace(self, **chosen)
        selected = copy.copy(self)  # with the specs that are resolved already
        for name, value in chosen.items():
            object.__setattr__(selected, name, value)
        selected.__post_init__()
        return selected

    def declared_thresholds(self) -> dict[str, float]:
        """The thresholds by the names that the environments have in runs, after the settings."""
        known = cast("dict[str, float]", self.thresholds)
        return {self._specs[name, BASE].environment.name: value for name, value in known.items()}

    def _named(self, names: Sequence[str]) -> list[DeclaredArm]:
        """The arms of some names, that of a search for all of its settings."""
        known: dict[str, list[DeclaredArm]] = {}
        for arm in self.declared_arms():
            for name in {arm.name, arm.group}:
                known.setdefault(name, []).append(arm)
        return [arm for name in names if name != BASE for arm in _find("arm", name, known)]

    def results_path(self, out: str | Path = "results") -> Path:
        """The folder of results below `out`."""
        return Path(out) / self.name


def _find(kind: str, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise unknown_name(kind, name, known, "These are the ones of this experiment.")
    return known[name]


def _twice(items: Sequence[Any]) -> list[Any]:
    return sorted({item for item in items if items.count(item) > 1})
