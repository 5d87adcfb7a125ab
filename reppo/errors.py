"""Errors that a user can mend: each message names the value, what is allowed and the cure."""

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["ConfigurationError", "DamagedFile", "RunDiverged", "RunsFailed", "require", "unknown_name"]


class ConfigurationError(ValueError):
    """A setting, name or file that the user gave cannot be used. Raised before anything expensive starts."""


class DamagedFile(ConfigurationError):
    """A file is missing, was cut short, or holds something else than what was written."""


class RunsFailed(RuntimeError):
    """Some runs of a sweep failed while they trained; the others are done. The message lists them."""


class RunDiverged(RuntimeError):
    """A run of a sweep diverged, and the sweep was to stop there. The message names the run and says when and why."""


MOST_NAMES = 5
"""Most names that an error suggests."""

_NEAR = 0.5
"""From this similarity on, a name may be what was meant; 1 is equal."""

_PART = 0.85
"""The similarity of a name that holds all that was given."""


def unknown_name(kind: str, name: str, known: Iterable[str], cure: str = "") -> ConfigurationError:
    """Builds the error for a name that is not in a table, with the closest names that are, five at most.

    Where none of them is near, what to do comes before them.

    Args:
        kind: what the name stands for, such as `"ablation"`.
        name: what was given.
        known: all allowed names.
        cure: a closing sentence, such as where to list the names.
    """
    known = sorted(known)
    near, close = closest_names(name, known)
    if near:
        parts = [f"Did you mean {' or '.join(map(repr, close))}?", cure]
    elif len(known) <= MOST_NAMES:
        parts = [f"Known: {', '.join(known) or 'none'}.", cure]
    else:
        parts = [cure, f"The closest of the {len(known)} known: {', '.join(close)}."]
    return ConfigurationError(" ".join(filter(None, [f"Unknown {kind} {name!r}.", *parts])))


def closest_names(name: str, known: Iterable[str]) -> tuple[bool, list[str]]:
    """The names of a table that are closest to one, whatever their case, five at most, the closest first.

    Args:
        name: what was given.
        known: the names of the table.

    Returns:
        Whether they are near (else they are only the least far), and the names.
    """
    given = name.lower()

    def nearness(other: str) -> float:
        ratio = difflib.SequenceMatcher(None, other.lower(), given).ratio()
        return max(ratio, _PART) if len(given) >= 3 and given in other.lower() else ratio

    ranked = sorted(((nearness(other), other) for other in known), key=lambda found: (-found[0], found[1]))
    near = [other for ratio, other in ranked if ratio >= _NEAR]
    return bool(near), (near or [other for _, other in ranked])[:MOST_NAMES]


_UNEXPECTED = re.compile(r"(?:([\w.]+)\(\) )?got an unexpected keyword argument '(\w+)'")


def close_arguments(error: Exception, known: Mapping[str, Callable[..., Any]]) -> str:
    """What to add to the error of a call with an argument that is not there: those that may be meant.

    Args:
        error: any error; nothing is added to others, nor where Python itself says it, as from 3.13 on.
        known: what may have been called, by name; a single one was called, if the error says no name.
    """
    found = _UNEXPECTED.fullmatch(str(error)) if isinstance(error, TypeError) else None
    if not found:
        return ""
    named = known.get((found[1] or "").removesuffix(".__init__"))
    called = next(iter(known.values())) if len(known) == 1 and not found[1] else named
    if called is None:
        return ""
    near, close = closest_names(found[2], inspect.signature(called).parameters)
    return f". Did you mean {' or '.join(map(repr, close))}?" if near else f". It takes {', '.join(close)}, ..."


def require(condition: object, message: str) -> None:
    """Raises `ConfigurationError(message)` unless `condition` holds.

    Raises:
        ConfigurationError: unless the condition holds.
    """
    if not condition:
        raise ConfigurationError(message)
