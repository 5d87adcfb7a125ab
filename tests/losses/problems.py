"""A policy, a critic and a minibatch for actor losses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.environments import Observation
from reppo.losses import (
    Minibatch,
)

BATCH, OBSERVATION, ACTION = 5, 3, 2
TEMPERATURE, MULTIPLIER = np.float32(0.2), np.float32(0.7)
SEED = st.integers(0, 2**31 - 1)


class LinearPolicy(eqx.Module):
    weight: jax.Array
    log_std: jax.Array

    def __call__(self, observation):
        return TanhNormal(self.weight @ observation, jnp.exp(self.log_std))


class QuadraticCritic(eqx.Module):
    """`-|a - best|^2` plus a number of the observation's own."""

    best: jax.Array

    def __call__(self, observation, action):
        return observation[0] - jnp.sum((action - self.best) ** 2)


def problem(seed, near=True):
    """A policy, a critic, and a batch whose old policies are near the policy, or far from it."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    policy = LinearPolicy(0.3 * draw(ACTION, OBSERVATION), 0.2 * draw(ACTION) - 0.7)
    observation = draw(BATCH, OBSERVATION)
    old = jax.vmap(policy)(observation)
    batch = Minibatch(
        observation=Observation(observation, draw(BATCH, 1)),
        action=jnp.tanh(draw(BATCH, ACTION)),
        old=jax.vmap(TanhNormal)(
            old.loc + (0.01 if near else 1.0) * (1 + jnp.abs(draw(BATCH, ACTION))),
            old.scale * (1.05 if near else 1.5),
        ),
        target=draw(BATCH),
    )
    return policy, QuadraticCritic(draw(ACTION)), batch


@eqx.filter_jit
def run(loss, policy, critic, batch, key):
    """Loss, metrics and the gradient in the policy."""
    (value, metrics), gradient = eqx.filter_value_and_grad(
        lambda policy: loss(at(policy, batch), critic, batch, TEMPERATURE, MULTIPLIER, key), has_aux=True
    )(policy)
    return value, metrics, gradient


def at(policy, batch):
    """The policy's distributions at the observations of a batch."""
    return jax.vmap(policy)(batch.observation.actor)


def close(actual, expected):
    """Equal up to the rounding of differently fused programs."""
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
