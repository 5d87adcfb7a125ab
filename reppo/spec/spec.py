"""The spec, its validation and its resolution."""

import contextlib
import dataclasses
import functools
import inspect
import typing
from collections.abc import Iterator
from typing import Any, TypeVar, final

from reppo.algorithms import AbstractAlgorithm
from reppo.component import Component, require_finite, static
from reppo.environments import AbstractEnvironmentSpec
from reppo.errors import ConfigurationError, require

C = TypeVar("C", bound=Component)

_PLAIN: dict[Any, str] = {int: "a whole number", str: "a text", bool: "True or False"}

MATMUL_PRECISIONS = ("highest", "high", "default")


@final
class Evaluation(Component):
    """The evaluation protocol: whole episodes with the deterministic policy, always from the same starts.

    Attributes:
        interval: environment steps between two evaluations, at least 1; rounded up to whole iterations.
        episodes: episodes of each evaluation, at least 1, each counted once.
    """

    interval: int = static(1_000_000)
    episodes: int = static(32)

    def validate(self) -> None:
        require(self.interval >= 1, f"evaluation.interval is {self.interval} steps; give at least 1.")
        require(self.episodes >= 1, f"evaluation.episodes is {self.episodes}; give at least 1.")


@final
class Spec(Component):
    """What defines a run except its seed and how long it goes on. Frozen, comparable, hashable, JSON both ways.

    Attributes:
        environment: the task and its settings.
        algorithm: the algorithm with its slots filled.
        evaluation: the evaluation protocol.
        matmul_precision: of float32 matrix products on accelerators: "highest" (full float32, as in the reference),
            "high" or "default" (TF32 on NVIDIA GPUs; faster, other results).
    """

    environment: AbstractEnvironmentSpec
    algorithm: AbstractAlgorithm
    evaluation: Evaluation = Evaluation()
    matmul_precision: str = static("highest")

    def validate(self) -> None:
        require(
            self.matmul_precision in MATMUL_PRECISIONS,
            f"matmul_precision is {self.matmul_precision!r}; give one of {', '.join(MATMUL_PRECISIONS)}.",
        )


def validate(spec: C, path: str = "") -> C:
    """Checks a component and all below it: slots hold what they are for, fields are in their ranges, all fit together.

    Returns:
        The component itself.

    Raises:
        ConfigurationError: names the path, the value, what is allowed and the cure.
    """
    hints = _hints(type(spec))
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        here = f"{path}.{field.name}" if path else field.name
        slot = hints.get(field.name)
        if inspect.isclass(slot) and issubclass(slot, Component) and not isinstance(value, slot):
            raise ConfigurationError(f"{here} holds {value!r}, but it is a slot for {slot.__name__}.")
        if slot in _PLAIN and type(value) is not slot:
            raise ConfigurationError(f"{here} is {value!r}; give {_PLAIN[slot]}.")
        if isinstance(value, Component):
            validate(value, here)
    with _at(path or type(spec).__name__):
        require_finite(spec)
        spec.validate()
    if isinstance(spec, Spec):
        for here, component in _components(spec):
            with _at(here):
                component.fits(spec)
    return spec


@functools.cache
def _hints(cls: type[Component]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@contextlib.contextmanager
def _at(path: str) -> Iterator[None]:
    """Names the path in an error."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _components(spec: Component, path: str = "") -> Iterator[tuple[str, Component]]:
    """Every component below one, with its path."""
    for field in dataclasses.fields(spec):
        value, here = getattr(spec, field.name), f"{path}.{field.name}" if path else field.name
        if isinstance(value, Component):
            yield here, value
            yield from _components(value, here)


def concerns(spec: Spec) -> list[str]:
    """What a resolved spec holds that is legal but deserves a look before training begins; see `Component.concerns`."""
    return spec.concerns(spec) + [line for _, component in _components(spec) for line in component.concerns(spec)]


def resolve(spec: Spec) -> Spec:
    """Validates a spec and replaces what is derived from other parts of it by the resolved numbers.

    A component that is derived has a method `resolve(spec)` that gives the component to stand in its place.
    """

    def resolved(component: Any) -> Any:
        if not isinstance(component, Component):
            return component
        if (derived := getattr(component, "resolve", None)) is not None:
            return derived(spec)
        old = {field.name: getattr(component, field.name) for field in dataclasses.fields(component)}
        changed = {name: new for name, value in old.items() if (new := resolved(value)) is not value}
        return dataclasses.replace(component, **changed) if changed else component

    return validate(resolved(validate(spec)))
