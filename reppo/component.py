"""The base of everything that a spec is made of.

A component is a frozen, typed Equinox module. It has a name (its class name), by which it is written to
JSON and found again, and fields of three kinds:

- `hyper(...)`: a scalar hyperparameter, held as `np.float32`. It is traced, so changing it never recompiles.
- `static(...)`: what changes shapes or code (a count, a width, a flag). Changing it recompiles.
- another component: a slot.
"""

import dataclasses
import inspect
import math
import numbers
import re
from typing import TYPE_CHECKING, Any, ClassVar, final

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from reppo.errors import ConfigurationError, require, unknown_name

__all__ = ["Component", "Scalar", "hyper", "slot", "static"]

if TYPE_CHECKING:
    Scalar = Any  # fields take any number and hold a float32: see `hyper`
    """The type of a field that `hyper` declares: any number, held as a float32 of shape `()`."""
else:
    Scalar = Float[np.float32 | np.ndarray, ""]


def as_plain(value: Any) -> Any:
    """Turns numbers, flags and texts of NumPy and JAX into Python's: scalars, arrays without axes, and in tuples.

    A float becomes the shortest decimal that names it: `np.float32(0.2)` is 0.2. Anything else is left as it is.
    """
    if type(value) is tuple:
        return tuple(map(as_plain, value))
    if not isinstance(value, np.generic | np.ndarray | jax.Array) or isinstance(value, Tracer) or value.ndim:
        return value
    kind = getattr(value.dtype, "kind", None)  # keys of JAX have none
    if kind not in ("b", "i", "u", "f", "U"):
        return value
    scalar = np.asarray(value)[()]
    return float(str(scalar)) if kind == "f" else scalar.item()


@final
class AsFloat32:
    """Converts a number to a `np.float32` scalar; leaves arrays that JAX is tracing or batching alone.

    NumPy rather than JAX scalars: making one starts no JAX backend, and `jit` traces both alike.

    Attributes:
        field: what it converts, such as `Adam.learning_rate`; empty until its class is made.
    """

    field: str = ""

    def __call__(self, value: Any) -> Any:
        """The scalar.

        Raises:
            TypeError: if `value` is not a number.
        """
        value = as_plain(value)
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            return np.float32(value)
        if not hasattr(value, "dtype"):
            of = f" for {self.field}" * bool(self.field)
            raise TypeError(f"Expected a number{of}, got {value!r} of type {type(value).__name__}.")
        return value


def hyper(default: Any = dataclasses.MISSING, *, added: bool = False) -> Any:
    """Declares a scalar hyperparameter: a traced `np.float32`, free to differ between the lanes of one program.

    Args:
        default: its default.
        added: whether the field came after the first release. It is then left out of a run's identity at its default,
            which must reproduce the behavior from before.
    """
    return eqx.field(default=default, converter=AsFloat32(), metadata={"added": added})


def static(default: Any = dataclasses.MISSING, *, added: bool = False) -> Any:
    """Declares a field that changes shapes or code, and so the compiled program. Arguments as for `hyper`.

    Numbers of NumPy and JAX are held as Python's (see `as_plain`).
    """
    return eqx.field(default=default, converter=as_plain, static=True, metadata={"added": added})


def slot(default: Any = dataclasses.MISSING, *, added: bool = False) -> Any:
    """Declares a slot, a field that holds another component. Arguments as for `hyper`.

    A plain default does as well; this one can say that the slot came later.
    """
    return eqx.field(default=default, metadata={"added": added})


_FLOAT32 = re.compile(r"\bnp\.float32\(([^()]*)\)")


class Component(eqx.Module):
    """A frozen, typed value that fills one slot of a spec.

    Subclasses are registered under their class name, which is how JSON refers to them. A class defined outside
    the library may not take the name of one of the library's.
    """

    registry: ClassVar[dict[str, type["Component"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Registers the subclass under its name."""
        super().__init_subclass__(**kwargs)
        known = Component.registry.get(cls.__name__)
        if known is not None and known.__module__.startswith("reppo.") and known.__module__ != cls.__module__:
            raise TypeError(
                f"The component name {cls.__name__!r} is taken by {known.__module__}.{known.__name__}. "
                "Specs refer to components by name: choose another one."
            )
        Component.registry[cls.__name__] = cls
        for name, field in vars(cls).items():
            if isinstance(field, dataclasses.Field) and is_hyper(field):
                field.metadata["converter"].field = f"{cls.__name__}.{name}"

    def __repr__(self) -> str:
        """As it is written, without most defaults; scalars are plain numbers."""
        return _FLOAT32.sub(r"\1", super().__repr__())

    def validate(self) -> None:
        """Raises `ConfigurationError` if a field is out of its range.

        Called on the whole spec after every change; a component checks its own fields only. That scalars are finite
        numbers is checked before, for all components alike.
        """

    def fits(self, spec: Any) -> None:
        """Raises `ConfigurationError` if the component does not go with other parts of a spec, with reason and cure.

        Called for every component of a spec when it is declared, and after every change.

        Args:
            spec: the spec that this component is part of; every component of it is valid by itself.
        """

    def concerns(self, spec: Any) -> list[str]:
        """What is legal but deserves a look before the run begins, each in a sentence or two.

        Args:
            spec: the resolved spec that this component is part of.
        """
        return []


def is_hyper(field: dataclasses.Field[Any]) -> bool:
    """Whether a field was declared by `hyper`."""
    return isinstance(field.metadata.get("converter"), AsFloat32)


def require_finite(component: Component) -> None:
    """Raises `ConfigurationError` if a scalar hyperparameter of this component is infinite or not a number."""
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        if is_hyper(field) and np.ndim(value) == 0:
            require(
                math.isfinite(value),
                f"{field.name} is {value!s}; give a finite number. To switch something off, fill its slot with the "
                "component that stands for nothing, such as NoClip() or Unconstrained().",
            )


def find_component(name: str, cure: str = "") -> type[Component]:
    """The component class of that name.

    Raises:
        ConfigurationError: if there is none, or it is abstract: only what can be built is suggested.
    """
    known = concrete_components()
    if name in known:
        return known[name]
    if name in Component.registry:
        fitting = [other for other, cls in known.items() if issubclass(cls, Component.registry[name])]
        raise ConfigurationError(
            f"{name} is abstract: it names a kind of component and cannot be built. Give one of its kind: "
            f"{', '.join(fitting) or 'none is known'}."
        )
    raise unknown_name("component", name, known, cure)


def concrete_components() -> dict[str, type[Component]]:
    """Every component that can be built, by name, in the order of names."""

    def is_abstract(cls: type[Component]) -> bool:
        return inspect.isabstract(cls) or bool(getattr(cls, "__abstractvars__", ()))  # the latter by Equinox

    return {name: cls for name, cls in sorted(Component.registry.items()) if not is_abstract(cls)}
