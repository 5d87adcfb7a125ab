"""Laws of the actor's objective at one state."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.losses import (
    AbstractObjective,
)
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats


def check_objective(objective: AbstractObjective, *, skip: Collection[str] = ()) -> None:
    """Holds a per-state objective against the laws of its slot: `LAWS[AbstractObjective]`.

    Args:
        objective: the component.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractObjective, objective, skip)


@eqx.filter_jit
def _objective(objective: AbstractObjective, numbers: dict[str, Any], inside: Any) -> tuple[Any, dict[str, Any]]:
    weights = {name: numbers[name] for name in ("temperature", "kl_multiplier")}
    varied = {name: numbers[name] for name in ("q", "log_prob", "kl")}
    return jax.value_and_grad(lambda x: jnp.asarray(objective(**x, **weights, inside=inside)))(varied)


_NUMBERS = st.fixed_dictionaries(
    {
        "q": floats(-10, 10),
        "log_prob": floats(-5, 5),
        "kl_over_bound": floats(0, 2),  # the kl itself, where there is no bound
        "temperature": floats(0.0625, 1),
        "kl_multiplier": floats(0.0625, 1),
    }
)


def _slopes(objective: AbstractObjective, numbers: dict[str, float], inside: bool) -> tuple[Any, dict[str, Any]]:
    return _objective(objective, _scaled(objective, numbers), np.array(inside))


def _scaled(objective: AbstractObjective, numbers: dict[str, float]) -> dict[str, np.float32]:
    bound = float(objective.kl_bound) if np.isfinite(objective.kl_bound) else 1.0
    scaled = {name: np.float32(number) for name, number in numbers.items() if name != "kl_over_bound"}
    return scaled | {"kl": np.float32(numbers["kl_over_bound"] * bound)}


@law(AbstractObjective, "shape", "a finite number of shape (), with finite gradients")
def _objective_shape(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float], inside: bool) -> None:
        value, gradients = _slopes(objective, numbers, inside)
        ensure(value.shape == () and np.isfinite(value), f"{value}")
        ensure(all(np.isfinite(gradient) for gradient in gradients.values()), f"the gradients {gradients}")

    for_all(body, numbers=_NUMBERS, inside=st.booleans())


@law(
    AbstractObjective, "value", "a better action never costs more, and costs less where the policy is within the bound"
)
def _objective_value(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float], inside: bool) -> None:
        gradient = _slopes(objective, numbers, inside)[1]["q"]
        within = inside and numbers["kl_over_bound"] < 1
        ensure(gradient < 0 or (gradient == 0 and not within), f"a gradient in q of {gradient}")

    for_all(body, numbers=_NUMBERS, inside=st.booleans())


@law(AbstractObjective, "entropy", "a likelier action never costs less")
def _objective_entropy(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float], inside: bool) -> None:
        gradient = _slopes(objective, numbers, inside)[1]["log_prob"]
        ensure(gradient >= 0, f"a gradient in log_prob of {gradient}")

    for_all(body, numbers=_NUMBERS, inside=st.booleans())


@law(AbstractObjective, "divergence", "to move away from the old policy is never rewarded")
def _objective_divergence(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float], inside: bool) -> None:
        gradient = _slopes(objective, numbers, inside)[1]["kl"]
        ensure(gradient >= 0, f"a gradient in kl of {gradient}")

    for_all(body, numbers=_NUMBERS, inside=st.booleans())


@law(AbstractObjective, "bound", "the bound is positive; where it is finite, states beyond it are pulled back")
def _objective_bound(objective: AbstractObjective) -> None:
    ensure(np.shape(objective.kl_bound) == () and objective.kl_bound > 0, f"the bound {objective.kl_bound}")

    def body(numbers: dict[str, float], beyond: float) -> None:
        gradient = _slopes(objective, numbers | {"kl_over_bound": beyond}, False)[1]["kl"]
        ensure(gradient > 0, f"a gradient in kl of {gradient} beyond the bound")

    if np.isfinite(objective.kl_bound):
        for_all(body, numbers=_NUMBERS, beyond=floats(1.0625, 4))


@law(AbstractObjective, "verdict", "without the gate's verdict, a state is within the bound if its kl is below it")
def _objective_verdict(objective: AbstractObjective) -> None:
    def body(numbers: dict[str, float]) -> None:
        arrays = _scaled(objective, numbers)
        without, told = (
            _objective(objective, arrays, told)[0] for told in (None, np.array(arrays["kl"] < objective.kl_bound))
        )
        ensure(np.allclose(without, told), f"{without} without the verdict, {told} with it")

    for_all(body, numbers=_NUMBERS)
