"""Errors that a user can mend: each message names the value, what is allowed and the cure."""

import difflib
from collections.abc import Iterable

__all__ = ["ConfigurationError", "DamagedFile", "RunDiverged", "RunsFailed", "require", "unknown_name"]


class ConfigurationError(ValueError):
    """A setting, name or file that the user gave cannot be used. Raised before anything expensive starts."""


class DamagedFile(ConfigurationError):
    """A file is missing, was cut short, or holds something else than what was written."""


class RunsFailed(RuntimeError):
    """Some runs of a sweep failed while they trained; the others are done. The message lists them."""


class RunDiverged(RuntimeError):
    """A run of a sweep diverged, and the sweep was to stop there. The message names the run and says when and why."""


def unknown_name(kind: str, name: str, known: Iterable[str], cure: str = "") -> ConfigurationError:
    """Builds the error for a name that is not in a table, with the closest names that are.

    Args:
        kind: what the name stands for, such as `"ablation"`.
        name: what was given.
        known: all allowed names.
        cure: a closing sentence, such as where to list the names.
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Known: {', '.join(known) or 'none'}."
    return ConfigurationError(f"Unknown {kind} {name!r}. {hint} {cure}".rstrip())


def require(condition: object, message: str) -> None:
    """Raises `ConfigurationError(message)` unless `condition` holds.

    Raises:
        ConfigurationError: unless the condition holds.
    """
    if not condition:
        raise ConfigurationError(message)
