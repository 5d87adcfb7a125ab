"""Divergences between policies, against numpy and against what they must be in theory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.distributions import Categorical, TanhNormal
from reppo.losses import ExactKL, ExactReverseKL, LowVarianceKL, MismatchedKL, PerDimension, SampledKL

SEED = st.integers(0, 2**31 - 1)
LOC = arrays(np.float32, 2, elements=st.floats(-2, 2, width=32))
SCALE = arrays(np.float32, 2, elements=st.floats(0.25, 2, width=32))
SAMPLES = 16

divergence = eqx.filter_jit(lambda kl, old, new, key: kl(old, new, key))
draw = jax.jit(lambda policy, keys: jax.vmap(policy.draw)(keys))


def log_density(policy, action):
    """Of the tanh of a Gaussian, in float64."""
    action = np.asarray(action, float)
    u = np.arctanh(action)
    normal = scipy.stats.norm.logpdf(u, np.asarray(policy.loc, float), np.asarray(policy.scale, float))
    return np.sum(normal - np.log(1 - action**2), -1)


def gaussian(policy, u):
    """Log-density before the tanh in each dimension, in float64."""
    return scipy.stats.norm.logpdf(np.asarray(u, float), np.asarray(policy.loc, float), np.asarray(policy.scale, float))


def policies(loc, scale, other_loc, other_scale):
    return TanhNormal(jnp.asarray(loc), jnp.asarray(scale)), TanhNormal(
        jnp.asarray(other_loc), jnp.asarray(other_scale)
    )


def draws(old, seed):
    return np.asarray(draw(old, jax.random.split(jax.random.key(seed), SAMPLES)))


def actions(old, seed):
    return np.tanh(draws(old, seed))


def clip(action):
    return np.clip(action, -1 + 1e-4, 1 - 1e-4)


@given(LOC, SCALE, LOC, SCALE)
def test_the_reverse_kl_is_the_exact_one_with_the_policies_exchanged(loc, scale, other_loc, other_scale):
    old, new = policies(loc, scale, other_loc, other_scale)
    key = jax.random.key(0)
    actual = divergence(ExactReverseKL(), old, new, key)
    a, b = (np.asarray(x, float) for x in (new.scale, old.scale))
    shift = np.asarray(new.loc, float) - np.asarray(old.loc, float)
    expected = np.sum(np.log(b / a) + (a**2 + shift**2) / (2 * b**2) - 0.5)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(actual, divergence(ExactKL(), new, old, key), rtol=1e-5, atol=1e-6)


def test_the_two_directions_differ():
    old, new = policies([0.0, 0.0], [0.5, 0.5], [0.5, 0.0], [1.0, 1.0])
    forward, reverse = (float(divergence(kl, old, new, jax.random.key(0))) for kl in (ExactKL(), ExactReverseKL()))
    assert reverse > 1.3 * forward


@given(SEED, LOC, SCALE, LOC, SCALE)
def test_estimates_equal_the_slow_reference(seed, loc, scale, other_loc, other_scale):
    old, new = policies(loc, scale, other_loc, other_scale)
    u = draws(old, seed)
    log_ratio = np.sum(gaussian(new, u) - gaussian(old, u), axis=1)
    expected = {
        SampledKL: np.mean(-log_ratio),
        LowVarianceKL: np.mean(np.exp(log_ratio) - 1 - log_ratio),
    }
    # Far out, arctanh in float32 knows the action no better than to a few percent.
    if np.abs(np.tanh(u)).max() < 0.999:
        expected[MismatchedKL] = np.mean(-log_ratio)
    for kind, value in expected.items():
        actual = divergence(kind(SAMPLES), old, new, jax.random.key(seed))
        np.testing.assert_allclose(actual, value, rtol=5e-3, atol=5e-3, err_msg=kind.__name__)


@given(SEED, LOC, SCALE, LOC, SCALE)
def test_the_low_variance_estimate_is_never_negative_and_0_for_equal_policies(seed, loc, scale, other_loc, other_scale):
    old, new = policies(loc, scale, other_loc, other_scale)
    assert divergence(LowVarianceKL(), old, new, jax.random.key(seed)) >= 0
    assert divergence(LowVarianceKL(), old, old, jax.random.key(seed)) == 0


def test_near_policies_the_low_variance_estimate_varies_less():
    old, new = policies([0.2, -0.4], [0.7, 0.4], [0.25, -0.42], [0.7, 0.42])
    spread = lambda kl: np.std([float(divergence(kl, old, new, jax.random.key(seed))) for seed in range(40)])
    assert spread(LowVarianceKL()) < 0.5 * spread(SampledKL())


@pytest.mark.parametrize("kind", [SampledKL, LowVarianceKL, MismatchedKL])
def test_estimates_converge_to_the_exact_divergence(kind):
    old, new = policies([0.2, -0.4], [0.7, 0.4], [0.5, -0.1], [0.5, 0.6])
    exact = float(divergence(ExactKL(), old, new, jax.random.key(0)))
    np.testing.assert_allclose(float(divergence(kind(50_000), old, new, jax.random.key(1))), exact, atol=0.03)


@pytest.mark.parametrize("kind", [SampledKL, LowVarianceKL])
def test_estimates_converge_where_policies_saturate_too(kind):
    old, new = policies([6.0, -9.0], [0.3, 0.3], [5.75, -9.0], [0.3, 0.3])
    key = jax.random.key(0)
    np.testing.assert_allclose(divergence(ExactKL(), old, new, key), 0.5 * (0.25 / 0.3) ** 2, rtol=1e-4)
    np.testing.assert_allclose(divergence(kind(20_000), old, new, key), 0.5 * (0.25 / 0.3) ** 2, atol=0.03)


def test_per_dimension_as_many_dimensions_as_one_likes_are_as_far_away_as_one():
    far = lambda number: policies([0.2] * number, [0.7] * number, [0.5] * number, [0.4] * number)
    key, one = jax.random.key(0), divergence(ExactKL(), *far(1), jax.random.key(0))
    for number in (1, 2, 29):
        np.testing.assert_allclose(divergence(PerDimension(), *far(number), key), one, rtol=1e-5)
    choices = Categorical(jnp.array([0.0, 1.0, 2.0])), Categorical(jnp.zeros(3))
    assert divergence(PerDimension(), *choices, key) == divergence(ExactKL(), *choices, key) > 0
    estimated = divergence(PerDimension(SampledKL()), *far(2), key)
    np.testing.assert_allclose(estimated, divergence(SampledKL(), *far(2), key) / 2, rtol=1e-6)


class Lucky(TanhNormal):
    """Draws where the new policy has nearly all of its mass, which it would do less than once in e^100 draws."""

    def draw(self, key):
        return jnp.zeros_like(self.loc)


@pytest.mark.parametrize("scale", [1e-4, 1e-8])
def test_where_the_new_policy_is_much_denser_the_low_variance_estimate_is_finite_and_leads_back(scale):
    old, new = Lucky(jnp.full(16, 8.0), jnp.ones(16)), TanhNormal(jnp.full(16, 0.5 * scale), jnp.full(16, scale))
    estimate = lambda loc, log_scale: LowVarianceKL()(old, TanhNormal(loc, jnp.exp(log_scale)), jax.random.key(0))
    value, slopes = jax.jit(jax.value_and_grad(estimate, argnums=(0, 1)))(new.loc, jnp.log(new.scale))
    np.testing.assert_allclose(value, np.exp(20) - 21, rtol=1e-5)
    assert all(np.all(np.isfinite(slope)) for slope in slopes)
    # Descending moves the mean away from the draw, and makes the policy wider.
    assert np.all(slopes[0] < 0) and np.all(slopes[1] < 0)


def test_where_policies_saturate_the_mismatched_estimate_is_no_divergence():
    saturated, _ = policies([7.0, 0.0], [0.1, 0.5], [0.0, 0.0], [1.0, 1.0])
    key = jax.random.key(0)
    assert divergence(SampledKL(), saturated, saturated, key) == 0
    # The density at the clipped action, arctanh(0.9999) = 4.95, lies 20 standard deviations from the mean of 7.
    mismatch = divergence(MismatchedKL(), saturated, saturated, key)
    drawn = actions(saturated, 0)
    noise = jax.vmap(lambda k: jax.random.normal(k, (2,)))(jax.random.split(key, SAMPLES))
    u = np.asarray(saturated.loc, float) + np.asarray(saturated.scale, float) * np.asarray(noise, float)
    squash = 2 * (np.log(2) - u - np.logaddexp(0, -2 * u))
    at_drawn = scipy.stats.norm.logpdf(u, saturated.loc, saturated.scale) - squash
    expected = np.mean(at_drawn.sum(-1) - log_density(saturated, clip(drawn)))
    np.testing.assert_allclose(mismatch, expected, rtol=2e-2)
    assert mismatch > 100


@given(SEED)
def test_gradients_of_estimates_are_those_of_their_samples(seed):
    """Common random numbers: the samples come from the old policy, which stands still."""
    old, new = policies([0.2, -0.4], [0.7, 0.4], [0.5, -0.1], [0.5, 0.6])
    u = draws(old, seed).astype(float)
    scale = np.asarray(new.scale, float)
    slope = -((u - np.asarray(new.loc, float)) / scale**2)
    ratio = np.exp(np.sum(gaussian(new, u) - gaussian(old, u), axis=1))
    expected = {SampledKL: slope.mean(0), LowVarianceKL: ((1 - ratio[:, None]) * slope).mean(0)}
    for kind, value in expected.items():
        gradient = loc_gradient(kind(SAMPLES), old, new, jax.random.key(seed))
        np.testing.assert_allclose(gradient, value, rtol=2e-2, atol=2e-2, err_msg=kind.__name__)


@eqx.filter_jit
def loc_gradient(kl, old, new, key):
    return jax.grad(lambda loc: kl(old, TanhNormal(loc, new.scale), key))(new.loc)
