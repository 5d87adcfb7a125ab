"""What is asked of the critic's slopes, against closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reppo.losses import SmoothActionGradient

NUMBERS = st.floats(-2, 2, width=32)
loss = eqx.filter_jit(lambda smoothness, weights, key: smoothness(quadratics(weights), OBSERVATION, ACTION, key))

OBSERVATION, ACTION = {"a": jnp.array([0.3, -1.0]), "b": jnp.array([2.0])}, jnp.array([0.5, -0.25, 0.1])


def quadratics(weights):
    """Critics whose gradient in the action moves with the observation, and whose Hessian's diagonal is known."""

    def values(observation, action):
        place = jnp.sum(observation["a"]) + 3 * observation["b"][0]
        return jnp.stack([w[0] * place * jnp.sum(action) + 0.5 * w[1] * jnp.sum(action**2) + w[2] for w in weights])

    return values


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=2, max_size=2), st.integers(0, 1000))
def test_curvature_costs_what_is_missing_of_the_margin(weights, seed):
    smoothness = SmoothActionGradient(mixed=0.0, curvature=2.0, margin=1.5)
    actual = loss(smoothness, jnp.float32(weights), jax.random.key(seed))
    expected = sum(2 * max(0.0, 3 * curvature + 1.5) for _, curvature, _ in weights)  # of three actions
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_costs_as_it_changes_with_the_observation():
    smoothness, weights = SmoothActionGradient(mixed=0.5, noise=0.1, curvature=0.0), jnp.array([[2.0, 1.0, 0.0]])
    losses = jax.vmap(lambda key: loss(smoothness, weights, key))(jax.random.split(jax.random.key(0), 4000))
    change = 2.0**2 * 0.1**2 * (1 + 1 + 3**2)  # of each action's slope, by noise on each number of the observation
    np.testing.assert_allclose(np.mean(losses), 0.5 * change, rtol=0.1)
    assert loss(smoothness, jnp.array([[0.0, 1.0, 3.0]]), jax.random.key(0)) == 0
