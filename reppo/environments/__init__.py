"""Environments: the contract, spaces of actions, the wrapper around all tasks, and the suites that tasks come from.

Names are resolved when they are first used, so that the tables of tasks can be read without importing JAX. Each suite
adds its own: the function that names one of its tasks, its classes and tables. The block below is for editors and type
checkers: a suite that is not in it is reachable all the same.
"""

import importlib
from typing import TYPE_CHECKING, Any

from reppo.environments.suites import all_suites, load_suites

if TYPE_CHECKING:
    from reppo.environments.contract import AbstractEnvironment as AbstractEnvironment
    from reppo.environments.contract import AbstractEnvironmentSpec as AbstractEnvironmentSpec
    from reppo.environments.contract import Interface as Interface
    from reppo.environments.contract import Observation as Observation
    from reppo.environments.contract import Transition as Transition
    from reppo.environments.episodes import Episodes as Episodes
    from reppo.environments.episodes import EpisodeState as EpisodeState
    from reppo.environments.episodes import TimeStep as TimeStep
    from reppo.environments.pictures import Picture as Picture
    from reppo.environments.spaces import ActionSpace as ActionSpace
    from reppo.environments.spaces import Box as Box
    from reppo.environments.spaces import Discrete as Discrete
    from reppo.environments.suites import Suite as Suite
    from reppo.environments.suites import TaskEntry as TaskEntry
    from reppo.environments.suites import register as register
    from reppo.environments.suites.gymnax.adapter import GymnaxEnvironment as GymnaxEnvironment
    from reppo.environments.suites.gymnax.adapter import GymnaxTask as GymnaxTask
    from reppo.environments.suites.gymnax.adapter import gymnax as gymnax
    from reppo.environments.suites.gymnax.table import GYMNAX as GYMNAX
    from reppo.environments.suites.gymnax.table import GYMNAX_DISCRETE as GYMNAX_DISCRETE
    from reppo.environments.suites.gymnax.table import GYMNAX_REFUSED as GYMNAX_REFUSED
    from reppo.environments.suites.playground.adapter import PlaygroundEnvironment as PlaygroundEnvironment
    from reppo.environments.suites.playground.adapter import PlaygroundTask as PlaygroundTask
    from reppo.environments.suites.playground.adapter import playground as playground
    from reppo.environments.suites.playground.table import PLAYGROUND as PLAYGROUND
    from reppo.environments.suites.probes.adapter import ProbeTask as ProbeTask
    from reppo.environments.suites.probes.adapter import probe as probe
    from reppo.environments.suites.probes.probes import PROBES as PROBES
    from reppo.environments.suites.probes.probes import AbstractProbe as AbstractProbe
    from reppo.environments.suites.probes.probes import BestAction as BestAction
    from reppo.environments.suites.probes.probes import BestChoice as BestChoice
    from reppo.environments.suites.probes.probes import ConstantReward as ConstantReward
    from reppo.environments.suites.probes.probes import DelayedChoice as DelayedChoice
    from reppo.environments.suites.probes.probes import Discounting as Discounting
    from reppo.environments.suites.probes.probes import NonFinite as NonFinite
    from reppo.environments.suites.probes.probes import ObservationValue as ObservationValue
    from reppo.environments.suites.probes.probes import PrivilegedValue as PrivilegedValue
    from reppo.environments.suites.probes.probes import TerminalStep as TerminalStep
    from reppo.environments.suites.probes.probes import TruncatedStep as TruncatedStep
    from reppo.environments.task import AbstractTask as AbstractTask

    __all__ = [
        "AbstractEnvironment",
        "AbstractEnvironmentSpec",
        "AbstractTask",
        "Interface",
        "Observation",
        "Transition",
        "Episodes",
        "EpisodeState",
        "TimeStep",
        "Picture",
        "ActionSpace",
        "Box",
        "Discrete",
        "Suite",
        "TaskEntry",
        "register",
        "GymnaxEnvironment",
        "GymnaxTask",
        "gymnax",
        "GYMNAX",
        "GYMNAX_DISCRETE",
        "GYMNAX_REFUSED",
        "PlaygroundEnvironment",
        "PlaygroundTask",
        "playground",
        "PLAYGROUND",
        "ProbeTask",
        "probe",
        "PROBES",
        "AbstractProbe",
        "BestAction",
        "BestChoice",
        "ConstantReward",
        "DelayedChoice",
        "Discounting",
        "NonFinite",
        "ObservationValue",
        "PrivilegedValue",
        "TerminalStep",
        "TruncatedStep",
    ]

OWN = {
    "AbstractEnvironment": "contract",
    "AbstractEnvironmentSpec": "contract",
    "AbstractTask": "task",
    "Interface": "contract",
    "Observation": "contract",
    "Transition": "contract",
    "Episodes": "episodes",
    "EpisodeState": "episodes",
    "TimeStep": "episodes",
    "Picture": "pictures",
    "ActionSpace": "spaces",
    "Box": "spaces",
    "Discrete": "spaces",
    "Suite": "suites",
    "TaskEntry": "suites",
    "register": "suites",
}
"""What is offered whatever suites there are, with the module that holds it."""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [*OWN, *(name for suite in all_suites() for name in suite.offers)]
    if name in OWN:
        found = getattr(importlib.import_module(f"{__name__}.{OWN[name]}"), name)
    else:
        suite = next((suite for suite in all_suites() if name in suite.offers), None)
        if suite is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = suite.offer(name)
    load_suites()  # whoever uses an environment may read a spec, which names components by their classes
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
