"""Which suites there are: the folders beside this file, those of installed packages, those that a file registers."""

import functools
import importlib
import pkgutil
import sys

from reppo.environments.suites.suite import Suite
from reppo.errors import ConfigurationError, require, unknown_name
from reppo.runtime.packages import load_announced

GROUP = "reppo.suites"
"""Entry-point group under which a package announces modules that register suites."""

_HERE = __name__.rpartition(".")[0]

_registered: dict[str, Suite] = {}


def register(suite: Suite) -> Suite:
    """Makes a suite known: its tasks are then listed, described and found by name like any other's.

    A suite that is registered again, as by a file that is read twice, takes the place of the one before; one of another
    file does not.

    Args:
        suite: the suite.

    Returns:
        The suite.

    Raises:
        ConfigurationError: if its name is that of a suite of another file, it offers a name that `environments` has
            already, or another suite has one of its tasks or its component.
    """
    if not _is_shipped(suite):
        _shipped()
    known = _registered.get(suite.name)
    if known is not None and not _same_file(known.module, suite.module):
        raise ConfigurationError(f"The suite name {suite.name!r} is taken by {known.module}. Choose another one.")
    others = [other for other in _registered.values() if other.name != suite.name]
    if not _is_shipped(suite) and (same := suite.offers.keys() & _own_names().union(*(one.offers for one in others))):
        name = min(same)
        raise ConfigurationError(
            f"The suite {suite.name!r} offers {name!r}, and environments.{name} is something else. Choose another one."
        )
    for other in others:
        if same := [task for task in (*suite.tasks, *suite.refused) if task in other]:
            raise ConfigurationError(
                f"The suites {other.name!r} and {suite.name!r} both have a task {same[0]!r}. Results and commands name "
                "tasks without their suite: rename that of your suite."
            )
        require(
            other.component != suite.component,
            f"The suites {other.name!r} and {suite.name!r} both name {suite.component} as the class of their specs. "
            "Records tell suites apart by it: rename that of your suite.",
        )
    _registered[suite.name] = suite
    return suite


def all_suites() -> list[Suite]:
    """Every suite, by rank and name."""
    _shipped()
    load_announced(GROUP)
    return sorted(_registered.values(), key=lambda suite: (suite.rank, suite.name))


def find_suite(name: str) -> Suite:
    """The suite of that name.

    Raises:
        ConfigurationError: if there is none; names close matches.
    """
    known = {suite.name: suite for suite in all_suites()}
    if name not in known:
        raise unknown_name("suite", name, known, "List suites and tasks by: reppo list environments")
    return known[name]


def suite_of_task(task: str) -> Suite:
    """The suite that has a task, also where it is refused.

    Raises:
        ConfigurationError: if there is none; names close matches among the tasks that can be used.
    """
    for suite in all_suites():
        if task in suite:
            return suite
    known = [name for suite in all_suites() for name in suite.tasks]
    raise unknown_name("environment", task, known, "List them by: reppo list environments")


def suite_of_component(component: str) -> Suite | None:
    """The suite whose specs are of that class, by which records name it; `None` if none is known."""
    return next((suite for suite in all_suites() if suite.component == component), None)


def default_task() -> str:
    """The task on which specs are shown where no other is named: the example of the library's first suite."""
    _shipped()  # alone: the help of a command waits for no other package
    return min(_registered.values(), key=lambda suite: suite.rank).example


def suite_packages() -> dict[str, str]:
    """The packages of all suites, with the versions that are tested."""
    return {name: version for suite in all_suites() for name, version in suite.packages.items()}


def quick_suite() -> Suite:
    """The suite whose example is learned within seconds."""
    return next(suite for suite in all_suites() if suite.device.learned is not None)


def load_suites() -> None:
    """Imports the modules of the library's suites, so that their components are known by name."""
    for suite in all_suites():
        if _is_shipped(suite):
            suite.load()


def _is_shipped(suite: Suite) -> bool:
    return suite.module.startswith(f"{_HERE}.")


@functools.cache
def _shipped() -> None:
    for module in pkgutil.iter_modules(importlib.import_module(_HERE).__path__):
        if module.ispkg:
            importlib.import_module(f"{_HERE}.{module.name}")


def _own_names() -> set[str]:
    """What stands in `reppo.environments` beside the suites."""
    own = importlib.import_module(_HERE.rpartition(".")[0])
    return {*vars(own), *own.OWN, *(module.name for module in pkgutil.iter_modules(own.__path__))}


def _same_file(module: str, other: str) -> bool:
    """Whether two names are those of one module, which may have been imported under both."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in (module, other)]
    return module == other or (files[0] is not None and files[0] == files[1])
