"""Finding ablations: those of the installed catalogs, and those declared in files that were imported."""

from reppo.ablation.ablation import Ablation, _registered
from reppo.errors import unknown_name
from reppo.runtime.packages import load_announced

GROUP = "reppo.ablations"
"""Entry-point group under which a package announces modules that declare ablations."""

DECLARED = "If an experiment file declares it, name that: --file FILE; in Python, import it."
"""What to do about a name that the library does not know."""


def all_ablations() -> dict[str, Ablation]:
    """Every registered ablation by name, in the order of names."""
    load_announced(GROUP)
    return dict(sorted(_registered.items()))


def find_ablation(name: str) -> Ablation:
    """The ablation of that name.

    Raises:
        ConfigurationError: if there is none; names close matches.
    """
    known = all_ablations()
    if name not in known:
        raise unknown_name("ablation", name, known, f"{DECLARED} List them by: reppo list ablations")
    return known[name]
