"""What is asked of a suite of tasks. All of it can be read without importing JAX or a simulator."""

import dataclasses
import importlib
import keyword
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, final

from reppo.errors import ConfigurationError, require


@final
class TaskEntry(NamedTuple):
    """What is known of a task.

    Attributes:
        family: the part of the suite that the task belongs to.
        horizon: the time limit in steps, with default settings.
        reward_range: the least and the greatest reward of one step, with default settings; `None`: not known.
        range_settings: the settings that the reward range depends on, apart from those of the suite.
        randomizes: whether the suite can randomize the physics of the task.
        lasting_range: the least and the greatest reward of a step after which the episode goes on, where the reward
            range is wider because of a reward that comes only with the end; `None`: the reward range.
        scored: whether the reward range goes from failing to solving the task at every step: returns are then scores.
        needs: what has to be fetched before the task can be made; empty where nothing has.
        observation: how many numbers the actor observes, with default settings; `None`: not known, or no vector.
        privileged: how many the critic observes, where it observes others; `None`: as the actor.
        action: the size of an action, or how many there are to choose from; `None`: not known.
        discrete: whether actions are a discrete set.
        image: height, width and channels of the image that the actor observes; `None`: no image.
        pace: `(rate, burst)`: the rewards of any n steps of an episode add up to at most `rate * n + burst` in
            magnitude, with default settings, where that says more than the reward range; `None`: it does not.
    """

    family: str
    horizon: int
    reward_range: tuple[float, float] | None = None
    range_settings: tuple[str, ...] = ()
    randomizes: bool = False
    lasting_range: tuple[float, float] | None = None
    scored: bool = False
    needs: str = ""
    observation: int | None = None
    privileged: int | None = None
    action: int | None = None
    discrete: bool = False
    image: tuple[int, int, int] | None = None
    pace: tuple[float, float] | None = None


@final
class Look(NamedTuple):
    """What `reppo doctor` says of one thing: its arguments are those of `reppo.cli.findings.Finding`."""

    what: str
    verdict: Literal["ok", "warning", "wrong"]
    found: str
    cure: str = ""


@final
@dataclasses.dataclass(frozen=True)
class DeviceChecks:
    """What the check of a GPU does with a suite, besides training its example for a few iterations.

    Attributes:
        backends: the values of the argument `backend` of its tasks, the main one first, each with the package that it
            needs, or an empty text.
        sharing: a task whose copies share a buffer, by the backend on which they do.
        published: the task on which a preset of published size is timed; empty for none.
        quickstart: whether the quickstart trains the suite's example.
        costly: whether programs of the suite take long to compile, so that a rehearsal does less of it.
        learned: the return above which the example is learned after 60 iterations of a tiny network; `None`: not known.
    """

    backends: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sharing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    published: str = ""
    quickstart: bool = False
    costly: bool = False
    learned: float | None = None


def _nothing(*_: Any) -> Iterator[Any]:
    return iter(())


@final
@dataclasses.dataclass(frozen=True)
class Suite:
    """A suite of tasks. Its module holds its specs and environments, and is imported when one of them is wanted.

    Attributes:
        name: short. A function of this name in `module` names a task: `environments.<name>(task, ...)` gives its spec.
        module: the full name of that module.
        component: the class of its specs, by which records name it.
        tasks: what is known of each task, by name.
        example: one of them, small: what is shown and checked where no other is asked for.
        samples: tasks that are compiled and run in moments, none like the other, for property tests.
        refused: names of tasks that exist and cannot be trained; the function says why.
        exports: other names that `reppo.environments` offers, by the full name of the module that holds them.
        horizon_setting: the setting that is the time limit of every task; empty if there is none.
        range_settings: settings that the reward range of every task depends on.
        packages: the packages that it needs, with the version of each that is tested.
        broken: what is known not to work, and the cure, for installed packages by name, as `packaging` versions.
        examine: what `reppo doctor` looks at besides.
        device: what the check of a GPU does with it.
        works: a BibTeX file with the works that the docstrings of its specs name; `None`: they name none of their own.
        rank: its place in lists, from 0; suites of one rank are in the order of names.

    Raises:
        ConfigurationError: if the name cannot be that of a function, or a task is named that is not in the
            table.
    """

    name: str
    module: str
    component: str
    tasks: Mapping[str, TaskEntry]
    example: str
    samples: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    exports: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    horizon_setting: str = ""
    range_settings: tuple[str, ...] = ()
    packages: Mapping[str, str] = dataclasses.field(default_factory=dict)
    broken: Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]] = _nothing
    examine: Callable[[], Iterator[Look]] = _nothing
    device: DeviceChecks = DeviceChecks()
    works: Path | None = None
    rank: int = 100

    def __post_init__(self) -> None:
        require(
            self.name.isidentifier() and not keyword.iskeyword(self.name),
            f"The name of a suite is that of a function; {self.name!r} cannot be one.",
        )
        for what in (self.example, *self.samples, *self.device.sharing.values(), self.device.published or self.example):
            require(
                what in self.tasks,
                f"The suite {self.name!r} names the task {what!r}, which is not in its table. Add it, or name another.",
            )

    def load(self) -> ModuleType:
        """The module of its specs and environments, imported.

        Raises:
            ConfigurationError: if that fails, as where the module needs a package that is not installed.
        """
        return self._import(self.module)

    @property
    def offers(self) -> dict[str, str]:
        """What `reppo.environments` offers of this suite, by name, with the module that holds it."""
        return {self.name: self.module} | {name: module for module, names in self.exports.items() for name in names}

    def offer(self, name: str) -> Any:
        """One of them, imported.

        Raises:
            ConfigurationError: if that fails.
        """
        module = self._import(self.offers[name])
        require(
            hasattr(module, name),
            f"The suite {self.name!r} offers {name!r}, which {self.offers[name]} does not define.",
        )
        return getattr(module, name)

    def _import(self, module: str) -> ModuleType:
        try:
            return importlib.import_module(module)
        except ConfigurationError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"The suite {self.name!r} cannot be used, because importing {module} fails: {type(error).__name__}: "
                f"{error}. Install what it needs, or mend it."
            ) from error

    def declare(self, task: str, **arguments: Any) -> Any:
        """The spec of a task, as `environments.<name>(task, ...)` gives it.

        Raises:
            ConfigurationError: if there is no such task, or it cannot be used with these arguments.
        """
        return self.offer(self.name)(task, **arguments)

    def possible_returns(self, task: str, changed: Mapping[str, Any]) -> tuple[float, float] | None:
        """The least and the greatest return of an episode, which may end at once; `None` where they are not known.

        Args:
            task: its name.
            changed: the settings that are not the task's defaults.
        """
        entry = self.tasks.get(task)
        if entry is None or entry.reward_range is None:
            return None
        if changed.keys() & {*entry.range_settings, *self.range_settings}:
            return None
        horizon = changed.get(self.horizon_setting, entry.horizon)
        low, high = entry.reward_range
        return min(0.0, low * horizon), max(0.0, high * horizon)

    def __contains__(self, task: str) -> bool:
        """Whether a name is that of a task, also of one that is refused."""
        return task in self.tasks or task in self.refused
