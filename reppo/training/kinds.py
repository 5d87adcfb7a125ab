"""Which kind of program trains a spec."""

from reppo.errors import ConfigurationError
from reppo.spec import Spec
from reppo.training.lanes import BatchProgram
from reppo.training.programs import AbstractProgram

KINDS: list[type[AbstractProgram]] = [BatchProgram]
"""All kinds; the first that fits a spec trains it."""


def kind_of_program(spec: Spec) -> type[AbstractProgram]:
    """The kind of program that trains a spec.

    Raises:
        ConfigurationError: if none does.
    """
    for kind in KINDS:
        if kind.fits(spec):
            return kind
    raise ConfigurationError(
        f"No kind of program trains {spec.environment.name}: {type(spec.environment).__name__}.make() gives no "
        "AbstractEnvironment, and no kind of reppo.training.KINDS is for what it gives. Add yours there."
    )


def make_program(spec: Spec, width: int, mode: str, devices: int | None = None) -> AbstractProgram:
    """The program of a batch, not compiled yet (see `AbstractProgram`).

    Args:
        spec: any of those that share the program.
        width: number of lanes, at least 1.
        mode: how lanes run, `"map"` or `"vmap"`.
        devices: most devices to split the lanes over, at least 1; all by default.
    """
    return kind_of_program(spec)(spec, width, mode, devices=devices)
