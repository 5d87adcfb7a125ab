"""The limit whose gradient leads back: within it the identity, beyond it a clip that learning returns from."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.numerics import limit

LOW, HIGH = -10.0, 4.0
ANY = arrays(np.float32, 4, elements=st.floats(-1e6, 1e6, width=32))

limited = jax.jit(lambda x: jax.vjp(lambda x: limit(x, LOW, HIGH), x)[0])
pulled = jax.jit(lambda x, gradient: jax.vjp(lambda x: limit(x, LOW, HIGH), x)[1](gradient)[0])


@given(ANY, ANY)
def test_its_value_is_that_of_a_clip_and_its_gradient_points_nowhere_but_back(x, gradient):
    np.testing.assert_array_equal(limited(x), np.clip(x, LOW, HIGH))
    outward = ((x > HIGH) & (gradient < 0)) | ((x < LOW) & (gradient > 0))
    np.testing.assert_array_equal(pulled(x, gradient), np.where(outward, 0, gradient))


def test_the_limits_may_be_traced_and_are_constants_to_the_gradient():
    gradient = jax.jit(jax.grad(lambda low, high: jnp.sum(limit(jnp.array([-20.0, 0.0, 20.0]), low, high)), (0, 1)))
    assert gradient(jnp.float32(LOW), jnp.float32(HIGH)) == (0, 0)


def steps_back(limited, start, pushes):
    """Adam's steps until a parameter that was pushed out for some is within the limits again; infinite if never."""
    optimizer = optax.adam(1e-2)

    def move(loss, state):
        updates, optimizer_state = optimizer.update(jax.grad(loss)(state[0]), state[1])
        return state[0] + updates, optimizer_state

    outward, inward = (lambda x, sign=sign: sign * jnp.sign(start) * limited(x) for sign in (-1, 1))
    state = jax.jit(
        lambda state: jax.lax.fori_loop(0, pushes, lambda _, s: move(outward, s), state)  # noqa: B023
    )((jnp.float32(start), optimizer.init(jnp.float32(start))))
    step = lambda state, _: (move(inward, state), state[0])
    _, path = jax.jit(lambda state: jax.lax.scan(step, state, None, length=2000))(state)
    inside = np.flatnonzero((np.asarray(path) < HIGH) & (np.asarray(path) > LOW))
    return inside[0] if inside.size else np.inf


@pytest.mark.parametrize("start", [HIGH, LOW])
def test_what_was_pushed_out_comes_back_at_once(start):
    assert steps_back(lambda x: limit(x, LOW, HIGH), start, 500) < 20
    # What it is not: the gradient of a clip never comes back, one that always passes has to undo every step.
    assert steps_back(lambda x: jnp.clip(x, LOW, HIGH), start + 0.01 * np.sign(start), 0) == np.inf
    through = lambda x: jax.lax.stop_gradient(jnp.clip(x, LOW, HIGH)) + (x - jax.lax.stop_gradient(x))
    assert steps_back(through, start, 500) > 400
