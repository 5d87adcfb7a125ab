"""What a law is, and how a component is held against it."""

import dataclasses
import re
from collections.abc import Callable, Collection
from typing import Any, final

import hypothesis
from hypothesis import strategies as st
from hypothesis.errors import Flaky, HypothesisException

from reppo.errors import unknown_name

LAWS: dict[type, dict[str, "Law"]] = {}
"""The laws of each slot, by name; the slot is named by its abstract class."""


class Broken(Exception):
    """What was found that a law forbids. Law functions raise it; `Law` turns it into an AssertionError."""


@final
@dataclasses.dataclass(frozen=True)
class Law:
    """One law of a slot.

    Attributes:
        slot: the abstract class of the components that fill the slot.
        name: a short name, by which a component may be excused from it.
        says: the law, in one sentence.
        body: raises if a component breaks it.
    """

    slot: type
    name: str
    says: str
    body: Callable[..., None]

    def __call__(self, component: Any, **context: Any) -> None:
        """Holds one component against the law.

        Raises:
            AssertionError: says which law is broken, by what, and at which input.
        """
        try:
            self.body(component, **context)
        except Flaky as error:
            raise self._error(component, "Found: it does not always give the same.") from error
        except HypothesisException:
            raise
        except Broken as error:
            raise self._error(component, f"Found: {error}") from error
        except Exception as error:
            raise self._error(component, f"Found: {_raised(error)}") from error

    def _error(self, component: Any, found: str) -> AssertionError:
        return AssertionError(
            f"{_describe(component)} breaks the law {self.name!r} of {self.slot.__name__}: {self.says}\n{found}"
        )


def law(slot: type, name: str, says: str) -> Callable[[Callable[..., None]], Law]:
    """Declares a function that raises `Broken` as a law of a slot."""

    def declare(body: Callable[..., None]) -> Law:
        made = Law(slot, name, says, body)
        LAWS.setdefault(slot, {})[name] = made
        return made

    return declare


def hold(slot: type, component: Any, skip: Collection[str], **context: Any) -> None:
    """Holds a component against all laws of a slot but those in `skip`.

    Raises:
        AssertionError: for the first law that it breaks; or if it does not fill this slot at all.
        ConfigurationError: if `skip` names no law of this slot.
    """
    laws = LAWS[slot]
    for name in skip:
        if name not in laws:
            raise unknown_name(f"law of {slot.__name__}", name, laws)
    if not isinstance(component, slot):
        raise AssertionError(f"{_describe(component)} is no {slot.__name__}: subclass it.")
    for name, one in laws.items():
        if name not in skip:
            one(component, **context)


def for_all(body: Callable[..., None], examples: int = 25, **inputs: st.SearchStrategy[Any]) -> None:
    """Runs `body` on drawn inputs, always the same ones; the smallest that fails is in the error."""

    @hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    @hypothesis.given(**inputs)
    def run(**drawn: Any) -> None:
        try:
            body(**drawn)
        except HypothesisException:
            raise
        except Broken as error:
            raise Broken(f"{error}\n{_listed(drawn)}") from error
        except Exception as error:
            raise Broken(f"{_raised(error)}\n{_listed(drawn)}") from error

    run()


def ensure(condition: Any, found: str) -> None:
    """Raises `Broken(found)` unless `condition` holds."""
    if not bool(condition):
        raise Broken(found)


def _listed(drawn: dict[str, Any]) -> str:
    return "Input: " + ", ".join(f"{name}={_written(value)}" for name, value in drawn.items())


def _raised(error: Exception) -> str:
    lines = f"it raised {type(error).__name__}: {error}".splitlines()
    return "\n".join(lines[:12])


def _describe(component: Any) -> str:
    text = _written(component)
    return text if len(text) <= 200 else type(component).__name__


def _written(value: Any) -> str:
    """Like `repr`, with numbers for NumPy's scalars."""
    return re.sub(r"np\.\w+\(([^()]*)\)", r"\1", repr(value))
