"""Modules that installed packages announce, by entry points: suites of tasks, catalogs of ablations."""

import functools
import warnings
from importlib.metadata import EntryPoint, entry_points


@functools.cache
def load_announced(group: str) -> None:
    """Imports what packages announce under an entry-point group, once.

    A package that cannot be imported is named in a warning and left out: results can be read without it.
    """
    for entry_point in entry_points(group=group):
        try:
            entry_point.load()
        except Exception as error:
            warnings.warn(
                f"{_package(entry_point)} announces {entry_point.value!r} ({group}), which cannot be imported and is "
                f"left out: {type(error).__name__}: {error}. Mend the package, or remove it by pip uninstall.",
                stacklevel=2,
            )


def _package(entry_point: EntryPoint) -> str:
    return "A package" if entry_point.dist is None else f"The package {entry_point.dist.name!r}"
