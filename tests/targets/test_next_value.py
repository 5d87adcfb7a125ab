import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reppo.distributions import TanhNormal
from reppo.targets import FreshAction

POLICY = TanhNormal(jnp.array([0.3, -0.5]), jnp.array([0.6, 1.2]))
SEED = st.integers(0, 2**31 - 1)

log_prob = jax.jit(lambda action: POLICY.log_prob(action))


def evaluate(action):
    """A Q whose value and embedding tell the action apart from every other."""
    return 3 * action[0] - action[1] ** 2, jnp.concatenate([action, action**2])


@eqx.filter_jit
def estimate(fresh, key):
    return fresh(POLICY, evaluate, key)


@given(SEED)
def test_one_action_serves_value_log_density_and_embedding(seed):
    result = estimate(FreshAction(), jax.random.key(seed))
    action = result.embedding[:2]
    np.testing.assert_allclose(result.value, evaluate(action)[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result.log_prob, log_prob(action), rtol=1e-3, atol=1e-3)


@given(SEED, SEED)
def test_different_keys_draw_different_actions(seed, other):
    first, second = (estimate(FreshAction(), jax.random.key(s)) for s in (seed, other))
    assert bool(jnp.all(first.embedding == second.embedding)) == (seed == other)


def test_many_samples_are_averaged_and_distinct():
    key = jax.random.key(3)
    result = estimate(FreshAction(num_samples=5), key)
    actions = []

    def spy(action):
        jax.debug.callback(lambda a: actions.append(np.array(a)), action)
        return evaluate(action)

    FreshAction(num_samples=5)(POLICY, spy, key)
    jax.effects_barrier()
    assert len({tuple(action) for action in actions}) == 5
    np.testing.assert_allclose(result.value, np.mean([evaluate(a)[0] for a in actions]), rtol=1e-5)
    np.testing.assert_allclose(result.log_prob, np.mean([log_prob(a) for a in actions]), rtol=1e-4)
    assert any(np.allclose(result.embedding[:2], action, rtol=1e-6) for action in actions)


def test_many_samples_estimate_the_expectation():
    # E[Q] by quadrature of the two independent Gaussians.
    grid, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    means = [weight @ np.tanh(0.3 + 0.6 * grid), weight @ np.tanh(-0.5 + 1.2 * grid) ** 2]
    result = estimate(FreshAction(num_samples=20_000), jax.random.key(0))
    np.testing.assert_allclose(result.value, 3 * means[0] - means[1], atol=0.05)
