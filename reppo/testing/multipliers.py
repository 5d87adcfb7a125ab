"""Laws of Lagrange multipliers."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.losses import (
    AbstractMultiplier,
)
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats


def check_multiplier(multiplier: AbstractMultiplier, *, skip: Collection[str] = ()) -> None:
    """Holds a Lagrange multiplier against the laws of its slot: `LAWS[AbstractMultiplier]`.

    Arguments and errors as for `check_objective`.
    """
    hold(AbstractMultiplier, multiplier, skip)


@eqx.filter_jit
def _multiplier(multiplier: AbstractMultiplier, parameter: Any, slack: Any) -> dict[str, Any]:
    value = lambda p: jnp.asarray(multiplier.value(p), jnp.float32)
    if parameter is None:
        slope = jax.grad(lambda s: multiplier.loss(None, s))(slack)
        return {"value": value(None), "slope": slope, "gradient": None, "leak": jnp.zeros(())}
    gradient, slope = jax.grad(multiplier.loss, argnums=(0, 1))(parameter, slack)
    return {"value": value(parameter), "slope": slope, "gradient": gradient, "leak": jax.grad(value)(parameter)}


_SLACK = floats(-10, 10)


@law(
    AbstractMultiplier, "positive", "a finite weight of at least 0, of shape (), also after a thousand steps either way"
)
def _multiplier_positive(multiplier: AbstractMultiplier) -> None:
    def body(slack: Any) -> None:
        parameter = multiplier.init()
        for rate in (0.0, 1.0, 1000.0):
            result = _multiplier(multiplier, parameter, jnp.float32(slack))
            value = result["value"]
            ensure(value.shape == () and np.isfinite(value) and value >= 0, f"the weight {value}")
            if parameter is not None:  # the size of Adam's steps does not depend on that of the gradient
                parameter = parameter - 0.01 * rate * np.sign(result["gradient"])

    for_all(body, slack=_SLACK)


@law(AbstractMultiplier, "direction", "it rises while its constraint is violated (negative slack), and falls while not")
def _multiplier_direction(multiplier: AbstractMultiplier) -> None:
    def body(slack: Any) -> None:
        parameter = multiplier.init()
        if parameter is None or slack == 0:
            return
        before = _multiplier(multiplier, parameter, jnp.float32(slack))
        step = 0.125 * np.sign(before["gradient"])
        after = _multiplier(multiplier, parameter - step, jnp.float32(slack))
        rises = after["value"] - before["value"]
        ensure(rises * slack < 0, f"a change of {rises}")

    for_all(body, slack=st.one_of(floats(-10, -0.125), floats(0.125, 10)))


@law(AbstractMultiplier, "way back", "however long it was pushed one way, it is finite, and a gradient leads back")
def _multiplier_way_back(multiplier: AbstractMultiplier) -> None:
    def body(slack: Any) -> None:
        parameter = multiplier.init()
        if parameter is None:
            return
        push = _multiplier(multiplier, parameter, jnp.float32(slack))["gradient"]
        result = _multiplier(multiplier, parameter - 1000 * np.sign(push), jnp.float32(-slack))
        ensure(np.isfinite(result["value"]), f"the weight {result['value']} after a push by the slack {slack}")
        back = result["gradient"]
        ensure(np.isfinite(back) and back * push < 0, f"a gradient of {back} after a push by {push}")

    for_all(body, slack=st.one_of(floats(-10, -0.125), floats(0.125, 10)))


@law(AbstractMultiplier, "constant", "to every loss but its own the weight is a constant")
def _multiplier_constant(multiplier: AbstractMultiplier) -> None:
    leak = _multiplier(multiplier, multiplier.init(), jnp.float32(1.0))["leak"]
    ensure(leak == 0, f"a gradient of the weight of {leak}")


@law(AbstractMultiplier, "slack", "to its own loss the slack is a constant: it does not move the policy")
def _multiplier_slack(multiplier: AbstractMultiplier) -> None:
    def body(slack: Any) -> None:
        slope = _multiplier(multiplier, multiplier.init(), jnp.float32(slack))["slope"]
        ensure(slope == 0, f"a gradient in the slack of {slope}")

    for_all(body, slack=_SLACK)
