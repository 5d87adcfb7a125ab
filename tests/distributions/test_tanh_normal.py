import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.distributions import TanhNormal

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "data" / "golden.npz")
SIZE = 3
SEED = st.integers(0, 2**31 - 1)
LOC = arrays(np.float32, SIZE, elements=st.floats(-3, 3, width=32))
SCALE = arrays(np.float32, SIZE, elements=st.floats(0.0625, 3, width=32))
ACTION = arrays(np.float32, SIZE, elements=st.floats(-0.984375, 0.984375, width=32))

log_prob = jax.jit(lambda loc, scale, action: TanhNormal(loc, scale).log_prob(action))
sample = jax.jit(lambda loc, scale, key: TanhNormal(loc, scale).sample(key))
sample_and_log_prob = jax.jit(lambda loc, scale, key: TanhNormal(loc, scale).sample_and_log_prob(key))
kl = jax.jit(lambda loc, scale, other_loc, other_scale: TanhNormal(loc, scale).kl(TanhNormal(other_loc, other_scale)))


def reference(loc, scale, action):
    """Change of variables in float64, dimension by dimension."""
    loc, scale, action = (np.asarray(x, np.float64) for x in (loc, scale, action))
    return scipy.stats.norm.logpdf(np.arctanh(action), loc, scale) - np.log(1 - action**2)


def tolerance(scale):
    """The rounding of one float32 step in the pre-tanh action, in units of the standard deviation."""
    return 1e-4 * np.max(1 / np.asarray(scale)) ** 2


@given(LOC, SCALE, ACTION)
def test_log_prob_equals_the_change_of_variables_summed_over_dimensions(loc, scale, action):
    actual = log_prob(loc, scale, action)
    assert actual.shape == ()
    np.testing.assert_allclose(actual, reference(loc, scale, action).sum(), rtol=2e-4, atol=tolerance(scale))


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (1.0, 0.3), (-0.7, 0.5), (0.0, 2.0)])
def test_density_integrates_to_one(loc, scale):
    # Substituting a = tanh(u) makes the grid fine where the density piles up at the borders.
    u = np.linspace(loc - 8 * scale, loc + 8 * scale, 4001)
    action = np.tanh(u).astype(np.float32)
    inside = np.abs(action) < 1
    density = np.exp(jax.vmap(lambda a: TanhNormal(jnp.array([loc]), jnp.array([scale])).log_prob(a[None]))(action))
    mass = np.trapezoid((density * (1 - np.tanh(u) ** 2))[inside], u[inside])
    np.testing.assert_allclose(mass, 1, atol=2e-3)


@given(LOC, SCALE, SEED)
def test_log_prob_of_a_sample_is_that_given_with_it(loc, scale, seed):
    action, given_log_prob = sample_and_log_prob(loc, scale, jax.random.key(seed))
    if np.abs(action).max() < 0.99:
        np.testing.assert_allclose(log_prob(loc, scale, action), given_log_prob, rtol=1e-3, atol=10 * tolerance(scale))


@given(LOC, SCALE, SEED)
def test_the_log_prob_given_with_a_sample_equals_the_reference_before_the_tanh(loc, scale, seed):
    _, given_log_prob = sample_and_log_prob(loc, scale, jax.random.key(seed))
    noise = np.asarray(jax.random.normal(jax.random.key(seed), (SIZE,)), np.float64)
    u = loc + scale * noise
    log_determinant = 2 * (np.log(2) - np.logaddexp(u, -u))
    expected = (scipy.stats.norm.logpdf(u, loc, scale) - log_determinant).sum()
    np.testing.assert_allclose(given_log_prob, expected, rtol=1e-5, atol=1e-4)


@given(LOC, SCALE, SEED, SEED)
def test_samples_differ_with_the_key_and_agree_between_methods(loc, scale, seed, other):
    first, second = (sample(loc, scale, jax.random.key(s)) for s in (seed, other))
    assert np.all(np.abs(first) <= 1)
    np.testing.assert_array_equal(first, sample_and_log_prob(loc, scale, jax.random.key(seed))[0])
    noise = [np.asarray(jax.random.normal(jax.random.key(s), (SIZE,))) for s in (seed, other)]
    np.testing.assert_allclose(first, np.tanh(loc + scale * noise[0]), rtol=1e-5, atol=1e-6)
    assert seed == other or not np.array_equal(*noise)
    assert seed == other or np.abs(first).min() > 0.999 or not np.array_equal(first, second)


FAR = arrays(np.float32, SIZE, elements=st.floats(-20, 20, width=32))


@given(FAR, SCALE, SEED)
def test_of_a_draw_the_density_is_known_however_far_out(loc, scale, seed):
    action, u, log_prob_of_draw = draw(loc, scale, jax.random.key(seed))
    np.testing.assert_array_equal(action, sample(loc, scale, jax.random.key(seed)))
    z = (np.asarray(u, float) - loc) / scale
    log_determinant = 2 * (np.log(2) - np.logaddexp(u, -u, dtype=float))
    expected = -0.5 * z**2 - np.log(scale) - 0.5 * np.log(2 * np.pi) - log_determinant
    np.testing.assert_allclose(log_prob_of_draw, expected.sum(), rtol=1e-4, atol=1e-3)


@jax.jit
def draw(loc, scale, key):
    policy = TanhNormal(loc, scale)
    u = policy.draw(key)
    return jnp.tanh(u), u, policy.log_prob_of_draw(u)


@given(FAR, SCALE, LOC, SCALE, LOC)
def test_the_log_ratio_is_that_of_the_gaussians(u, scale, shift, other_scale, other_shift):
    loc, other_loc = u + shift, u + other_shift
    actual = log_ratio(loc, scale, other_loc, other_scale, u)
    at = lambda *policy: scipy.stats.norm.logpdf(u.astype(float), *(np.asarray(x, float) for x in policy))
    expected = (at(loc, scale) - at(other_loc, other_scale)).sum()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=tolerance(scale) + tolerance(other_scale))
    assert log_ratio(loc, scale, loc, scale, u) == 0


log_ratio = jax.jit(lambda loc, scale, *rest: TanhNormal(loc, scale).log_ratio(TanhNormal(*rest[:2]), rest[2]))


def test_undoing_the_tanh_is_finite_at_the_borders():
    action = jnp.array([-1, -0.5, 0, 0.999, 1])
    np.testing.assert_allclose(
        TanhNormal(jnp.zeros(5), jnp.ones(5)).draw_of(action), [-8.664, -0.5493, 0, 3.8002, 8.664], rtol=1e-3
    )


def test_dimensions_of_a_sample_are_independent():
    policy = TanhNormal(jnp.zeros(SIZE), jnp.ones(SIZE))
    u = np.arctanh(np.asarray(jax.vmap(policy.sample)(jax.random.split(jax.random.key(0), 20_000))))
    np.testing.assert_allclose(np.cov(u.T), np.eye(SIZE), atol=0.05)
    np.testing.assert_allclose(u.mean(0), 0, atol=0.03)


EXTREMES = [-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4]


@given(st.sampled_from(EXTREMES), st.sampled_from([4.5e-5, 1e-3, 1.0, 55.0]), st.sampled_from([-1.0, 0.0, 1.0]), SEED)
def test_extremes_are_finite_in_value_and_gradient(loc, scale, action, seed):
    arguments = np.full(SIZE, loc, np.float32), np.full(SIZE, scale, np.float32)
    value, gradient = extreme_log_prob(*arguments, np.full(SIZE, action, np.float32))
    assert np.isfinite(value) and np.all(np.isfinite(gradient))
    value, gradient = extreme_sample(*arguments, jax.random.key(seed))
    assert np.isfinite(value) and np.all(np.isfinite(gradient))


extreme_log_prob = jax.jit(
    jax.value_and_grad(lambda loc, scale, action: TanhNormal(loc, scale).log_prob(action), argnums=(0, 1))
)
extreme_sample = jax.jit(
    jax.value_and_grad(lambda loc, scale, key: TanhNormal(loc, scale).sample_and_log_prob(key)[1], argnums=(0, 1))
)


@given(LOC, SCALE, LOC, SCALE)
def test_kl_equals_the_closed_form_and_is_not_negative(loc, scale, other_loc, other_scale):
    actual = kl(loc, scale, other_loc, other_scale)
    p_loc, p_scale, q_loc, q_scale = (x.astype(float) for x in (loc, scale, other_loc, other_scale))
    expected = np.log(q_scale / p_scale) + (p_scale**2 + (p_loc - q_loc) ** 2) / (2 * q_scale**2) - 0.5
    np.testing.assert_allclose(actual, expected.sum(), rtol=1e-5, atol=1e-6)
    assert actual >= -1e-6


@given(LOC, SCALE)
def test_kl_of_a_policy_from_itself_is_exactly_zero_and_flat(loc, scale):
    assert kl(loc, scale, loc, scale) == 0
    for gradient in kl_gradient(loc, scale, loc, scale):
        np.testing.assert_allclose(gradient, 0, atol=1e-6)


kl_gradient = jax.jit(
    jax.grad(lambda loc, scale, *other: TanhNormal(*other).kl(TanhNormal(loc, scale)), argnums=(0, 1))
)


def test_kl_equals_its_monte_carlo_estimate_of_squashed_densities():
    p = TanhNormal(jnp.array([0.2, -0.4]), jnp.array([0.7, 0.4]))
    q = TanhNormal(jnp.array([0.5, -0.1]), jnp.array([0.5, 0.6]))
    keys = jax.random.split(jax.random.key(1), 50_000)
    actions = jax.jit(jax.vmap(lambda key: p.sample(key)))(keys)
    ratios = jax.jit(jax.vmap(lambda action: p.log_prob(action) - q.log_prob(action)))(actions)
    error = float(ratios.std()) / 50_000**0.5
    np.testing.assert_allclose(ratios.mean(), p.kl(q), atol=4 * error)
    assert abs(float(p.kl(q) - q.kl(p))) > 10 * error  # so the direction is tested too


@given(LOC, SCALE)
def test_mode_is_tanh_of_the_mean(loc, scale):
    np.testing.assert_allclose(TanhNormal(*map(jnp.asarray, (loc, scale))).mode(), np.tanh(loc), rtol=1e-6, atol=1e-7)


def test_entropy_and_means_are_those_of_the_sample_of_the_key():
    policy, key = TanhNormal(jnp.array([0.3, -2.0]), jnp.array([0.5, 1.5])), jax.random.key(3)
    action, log_prob = policy.sample_and_log_prob(key)
    assert policy.entropy(key) == -log_prob
    mean = policy.expect(lambda action, log_prob: {"action": action, "log_prob": 2 * log_prob}, key)
    np.testing.assert_array_equal(mean["action"], action)
    assert mean["log_prob"] == 2 * log_prob


@pytest.mark.parametrize("case", range(3))
def test_golden(case):
    fields = ("loc", "scale", "action", "new_loc", "new_scale")
    loc, scale, action, new_loc, new_scale = (jnp.asarray(GOLDEN[f"tanh_normal/{case}/{name}"]) for name in fields)
    actual = jax.jit(jax.vmap(log_prob))(loc, scale, action)
    np.testing.assert_allclose(actual, GOLDEN[f"tanh_normal/{case}/log_prob"], rtol=2e-4, atol=2e-4)
    actual = jax.jit(jax.vmap(kl))(loc, scale, new_loc, new_scale)
    np.testing.assert_allclose(actual, GOLDEN[f"tanh_normal/{case}/kl_old_new"], rtol=1e-5, atol=1e-5)
