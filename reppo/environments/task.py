"""A task in one class: an environment that is its own spec."""

import dataclasses
from typing import Any

import equinox as eqx

from reppo.component import as_plain
from reppo.environments.contract import AbstractEnvironment, AbstractEnvironmentSpec, settings_label
from reppo.environments.spaces import ActionSpace, Discrete
from reppo.environments.suites import all_suites
from reppo.errors import require


class AbstractTask(AbstractEnvironment, AbstractEnvironmentSpec):
    """An environment that is its own spec: a task in one class, which an experiment lists as it is.

    Its fields are settings, plain data, each declared by `static` with a default. `action_space` and whatever else is
    no setting stand in the class without an annotation. A task that holds arrays, or needs a simulator to be made, has
    a spec apart: `AbstractEnvironmentSpec`.

    Attributes:
        horizon: the time limit of an episode, in steps; at least 1. Declared as a field, it is a setting.
        action_space: the space of the task's own actions.

    Raises:
        ConfigurationError: if a field is not declared by `static`, or does not hold plain data; if the horizon is below
            1, the reward range is no interval, or the library has a task of that name.
    """

    horizon: eqx.AbstractVar[int]
    action_space: eqx.AbstractVar[ActionSpace]

    def __check_init__(self) -> None:
        name = type(self).__name__
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            require(
                _is_plain(value),
                f"The field {field.name} of {name} is {value!r}. Fields of a task are settings: numbers, texts, flags "
                f"or tuples of them. Leave out the annotation of what is none (`{field.name} = ...`), or write a spec "
                "apart for a task that holds arrays.",
            )
            require(
                getattr(type(self), field.name, field.default) is field.default,
                f"{field.name} stands in {name} without an annotation, but a class below has it as a field. Annotate "
                f"it and declare it by `static`, or give it by {name}({field.name}=...).",
            )
            require(
                field.metadata.get("static"),
                f"The field {field.name} of {name} is not declared by `static`. Write "
                f"`{field.name}: {type(value).__name__} = static({value!r})`.",
            )
        require(
            type(self.horizon) is int and self.horizon >= 1,
            f"The horizon of {name} is {self.horizon!r}; give a whole number of steps of at least 1.",
        )
        require(
            self.suite != "own" or not any(name in suite for suite in all_suites()),
            f"The library has a task {name!r} already, and results and commands name tasks without their suite. Give "
            "the class another name.",
        )
        low_high = self.reward_range
        require(
            low_high is None or (len(low_high) == 2 and low_high[0] <= low_high[1]),
            f"The reward range of {name} is {low_high!r}; give the least and the greatest reward of one step, or None.",
        )

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """The least and the greatest reward of one step; `None`, not known, unless the task says more."""
        return None

    @property
    def name(self) -> str:
        """The name of the class, followed by the settings that are not at their defaults."""
        changed = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        return type(self).__name__ + settings_label(tuple(sorted(changed.items())))

    @property
    def suite(self) -> str:
        """`"own"`: of no suite, unless the task says otherwise."""
        return "own"

    @property
    def discrete(self) -> bool:
        """Whether actions are a discrete set: what `action_space` says."""
        return isinstance(self.action_space, Discrete)

    def make(self) -> AbstractEnvironment:
        """The task itself."""
        return self


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or type(as_plain(value)) in (bool, int, float, str)
