import pathlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo import environments
from reppo.errors import ConfigurationError
from reppo.losses import DecodedMSE, FixedSupport, HLGauss, ScalarValue, SupportFromRewards, TwoHot, hl_gauss, two_hot
from reppo.presets import reppo_small
from reppo.spec import replace_path, resolve

GOLDEN = np.load(pathlib.Path(__file__).parents[1] / "data" / "golden.npz")
BINS = 51
LOW = st.floats(-100, 10, width=32)
SPAN = st.floats(1, 200, width=32)
SIGMA = st.floats(0.25, 3, width=32)
LOGITS = arrays(np.float32, BINS, elements=st.floats(-5, 5, width=32))

histogram = jax.jit(hl_gauss, static_argnums=3)
loss = eqx.filter_jit(lambda value, logits, target: value.loss(logits, target))
decode = eqx.filter_jit(lambda value, logits: value.decode(logits))


def reference(value, low, high, num_bins, sigma=0.75):
    """Mass of a normal distribution in each bin, in float64."""
    width = (high - low) / (num_bins - 1)
    edges = np.concatenate([np.linspace(low, high, num_bins) - width / 2, [high + width / 2]])
    cdf = scipy.stats.norm.cdf(edges, np.clip(value, low, high), sigma * width)
    return (cdf[1:] - cdf[:-1]) / (cdf[-1] - cdf[0])


@given(LOW, SPAN, st.floats(-0.5, 1.5), SIGMA)
def test_hl_gauss_is_the_mass_of_a_normal_in_each_bin(low, span, position, sigma):
    value = low + span * position
    actual = histogram(value, low, low + span, BINS, sigma)
    np.testing.assert_allclose(actual, reference(value, low, low + span, BINS, sigma), atol=2e-4)
    np.testing.assert_allclose(actual.sum(), 1, atol=1e-5)
    assert np.all(actual >= 0)


@given(LOW, SPAN, st.floats(0.125, 1000, width=32), st.booleans())
def test_values_outside_the_support_are_clipped_to_it(low, span, beyond, above):
    low, high = np.float32(low), np.float32(low) + np.float32(span)
    actual = histogram(high + beyond if above else low - beyond, low, high, BINS, 0.75)
    np.testing.assert_array_equal(actual, histogram(high if above else low, low, high, BINS, 0.75))
    assert np.argmax(actual) == (BINS - 1 if above else 0)


@given(LOW, SPAN, st.floats(0.1, 0.9))
def test_decoding_the_histogram_gives_the_value_back(low, span, position):
    value = HLGauss(FixedSupport(low, low + span), num_bins=BINS)
    target = jnp.float32(low + span * position)
    logits = jnp.log(histogram(target, *value.support.bounds(), BINS, 0.75) + 1e-30)
    np.testing.assert_allclose(decode(value, logits), target, atol=1e-4 * span + 1e-6 * abs(low))


@given(LOGITS, LOW, SPAN)
def test_decode_is_the_mean_over_the_centers(logits, low, span):
    value = HLGauss(FixedSupport(low, low + span), num_bins=BINS)
    probabilities = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum()
    expected = probabilities @ np.linspace(float(value.support.low), float(value.support.high), BINS)
    np.testing.assert_allclose(decode(value, logits), expected, rtol=1e-5, atol=1e-5 * (span + abs(low)))


@given(LOGITS, LOW, SPAN, st.floats(-0.5, 1.5), SIGMA)
def test_loss_is_the_cross_entropy(logits, low, span, position, sigma):
    value = HLGauss(FixedSupport(low, low + span), BINS, sigma)
    target = np.float32(low + span * position)
    log_softmax = logits.astype(float) - np.log(np.exp(logits.astype(float)).sum())
    expected = -reference(target, low, low + span, BINS, sigma) @ log_softmax
    np.testing.assert_allclose(loss(value, logits, jnp.asarray(target)), expected, rtol=1e-3, atol=1e-3)


@given(LOGITS, st.floats(-10, 160, width=32))
def test_gradient_of_the_loss_is_softmax_minus_histogram(logits, target):
    value = HLGauss(num_bins=BINS)
    gradient = loss_gradient(value, logits, jnp.asarray(target, jnp.float32))
    probabilities = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum()
    np.testing.assert_allclose(gradient, probabilities - reference(target, 0, 150, BINS), atol=2e-4)


loss_gradient = eqx.filter_jit(lambda value, logits, target: jax.grad(value.loss)(logits, target))


@pytest.mark.parametrize("value", [HLGauss(num_bins=BINS), ScalarValue()], ids=["HLGauss", "ScalarValue"])
def test_gradients_of_loss_and_decoding_equal_finite_differences(value):
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=value.size), jnp.float32)
    direction = jnp.asarray(rng.normal(size=value.size), jnp.float32)
    for function in (lambda x: value.loss(x, jnp.float32(7.0)), lambda x: value.decode(x)):
        function = jax.jit(jax.value_and_grad(function))
        slope = (function(logits + 1e-2 * direction)[0] - function(logits - 1e-2 * direction)[0]) / 2e-2
        np.testing.assert_allclose(np.dot(function(logits)[1], direction), slope, rtol=2e-2, atol=1e-3)


@given(arrays(np.float32, 8, elements=st.floats(-200, 300, width=32)), LOW, SPAN)
def test_outside_marks_the_targets_that_would_be_clipped(targets, low, span):
    value = HLGauss(FixedSupport(low, low + span), num_bins=BINS)
    low, high = value.support.low, value.support.high
    np.testing.assert_array_equal(outside(value, targets), (targets < low) | (targets > high))


outside = eqx.filter_jit(lambda value, targets: value.outside(targets))


def test_the_ends_of_the_support_are_inside():
    np.testing.assert_array_equal(HLGauss().outside(jnp.array([0.0, 150.0, -1e-3, 150.1])), [0, 0, 1, 1])


@given(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32))
def test_scalar_is_the_squared_error_of_its_only_output(output, target):
    logits = jnp.asarray([output], jnp.float32)
    assert decode(ScalarValue(), logits) == np.float32(output) and decode(ScalarValue(), logits).shape == ()
    actual = loss(ScalarValue(), logits, jnp.asarray(target, jnp.float32))
    assert actual.shape == ()
    np.testing.assert_allclose(actual, (output - target) ** 2, rtol=1e-5, atol=1e-6)


def test_scalar_has_one_output_and_no_bounds():
    assert ScalarValue().size == 1 and HLGauss(num_bins=BINS).size == BINS
    np.testing.assert_array_equal(ScalarValue().outside(jnp.array([-1e9, 0.0, 1e9])), np.zeros(3))


@pytest.mark.parametrize("case", range(4))
def test_golden(case):
    fields = ("values", "logits", "probabilities", "cross_entropy", "expected_value")
    targets, logits, *expected = (jnp.asarray(GOLDEN[f"hl_gauss/{case}/{name}"]) for name in fields)
    num_bins, low, high = GOLDEN[f"hl_gauss/{case}/bins_low_high"]
    value = HLGauss(FixedSupport(low, high), int(num_bins))
    for ours, theirs in zip(all_three(value, targets, logits), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@eqx.filter_jit
def all_three(value, targets, logits):
    probabilities = jax.vmap(lambda target: hl_gauss(target, *value.support.bounds(), value.num_bins))(targets)
    return probabilities, jax.vmap(value.loss)(logits, targets), jax.vmap(value.decode)(logits)


def test_a_support_derived_from_rewards_has_no_bounds_before_the_spec_is_resolved():
    with pytest.raises(ConfigurationError, match=r"before the spec is resolved: call reppo\.resolve"):
        HLGauss(SupportFromRewards(), BINS).decode(jnp.zeros(BINS))


two_bins = jax.jit(two_hot, static_argnums=3)


def c51_projection(value, low, high, num_bins):
    """Algorithm 1 of arXiv 1707.06887 for all mass on one value, in float64."""
    mass = np.zeros(num_bins)
    position = (min(max(value, low), high) - low) / ((high - low) / (num_bins - 1))
    below, above = int(np.floor(position)), int(np.ceil(position))
    if below == above:
        mass[below] = 1
    else:
        mass[below] = above - position
        mass[above] = position - below
    return mass


@given(LOW, SPAN, st.floats(-0.5, 1.5))
def test_two_hot_is_the_projection_of_c51(low, span, position):
    value, high = low + span * position, low + span
    actual = two_bins(value, low, high, BINS)
    np.testing.assert_allclose(actual, c51_projection(value, low, high, BINS), atol=2e-3)
    np.testing.assert_allclose(actual.sum(), 1, atol=1e-5)
    mean = np.asarray(actual, float) @ np.linspace(low, high, BINS)
    np.testing.assert_allclose(mean, np.clip(value, low, high), atol=1e-4 * span + 1e-6 * abs(low))


@pytest.mark.parametrize("bin_", [0, 1, 25, BINS - 1])
def test_two_hot_puts_all_mass_on_a_center(bin_):
    np.testing.assert_allclose(two_bins(float(bin_), 0.0, BINS - 1.0, BINS), np.eye(BINS)[bin_], atol=1e-6)


@given(LOGITS, st.floats(-0.25, 1.25))
def test_the_losses_of_the_categorical_alternatives(logits, position):
    low, high = -4.0, 12.0
    target = low + (high - low) * position
    exact = logits.astype(float)
    probability = np.exp(exact - scipy.special.logsumexp(exact))
    mean = probability @ np.linspace(low, high, BINS)
    expected = {
        TwoHot: -c51_projection(target, low, high, BINS) @ np.log(probability),
        DecodedMSE: (mean - target) ** 2,
    }
    for kind, value in expected.items():
        representation = kind(FixedSupport(low, high), BINS)
        assert representation.size == BINS
        np.testing.assert_allclose(decode(representation, logits), mean, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(loss(representation, logits, jnp.float32(target)), value, rtol=2e-3, atol=2e-2)


def test_the_gradient_of_decoded_mse_is_that_of_the_mean():
    value = DecodedMSE(FixedSupport(-4.0, 12.0), BINS)
    logits = np.random.default_rng(0).normal(size=BINS).astype(np.float32)
    gradient = jax.jit(jax.grad(lambda x: value.loss(x, jnp.float32(3.0))))(logits)
    exact = logits.astype(float)

    def error(logits):
        probability = np.exp(logits - scipy.special.logsumexp(logits))
        return (probability @ np.linspace(-4.0, 12.0, BINS) - 3.0) ** 2

    for i in (0, 20, BINS - 1):
        step = np.zeros(BINS)
        step[i] = 1e-5
        np.testing.assert_allclose(
            gradient[i], (error(exact + step) - error(exact - step)) / 2e-5, rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("value", [HLGauss(), TwoHot(), DecodedMSE(), ScalarValue()], ids=lambda v: type(v).__name__)
def test_targets_beyond_a_support_are_outside(value):
    outside = value.outside(jnp.array([-1.0, 10.0, 151.0]))
    np.testing.assert_array_equal(outside, [0, 0, 0] if isinstance(value, ScalarValue) else [1, 0, 1])


SUPPORTS = {
    "0 at the lower end": (0.0, 150.0, 0.0),
    "0 at the upper end": (-150.0, 0.0, 0.0),
    "0 in the middle": (-10.0, 10.0, 0.0),
    "0 between two bins": (-1.03, 7.0, 0.0),
    "0 near an end": (-1.0, 150.0, 0.0),
    "0 below": (10.0, 20.0, 10.0),
    "0 above": (-20.0, -10.0, -10.0),
}
STARTS = {
    "HLGauss": lambda support, bins: HLGauss(support, bins),
    "HLGauss, narrow": lambda support, bins: HLGauss(support, bins, 0.02),
    "TwoHot": TwoHot,
    "DecodedMSE": DecodedMSE,
}


@pytest.mark.parametrize("bins", [5, 51])
@pytest.mark.parametrize(("low", "high", "nearest"), SUPPORTS.values(), ids=SUPPORTS)
@pytest.mark.parametrize("kind", STARTS)
def test_a_critic_starts_at_the_value_nearest_to_0_and_can_leave_it(kind, low, high, nearest, bins):
    value = STARTS[kind](FixedSupport(low, high), bins)
    targets = jnp.linspace(low, high, 5)
    for scale in (40.0, 80.0):
        decoded, slope, gradients, plain = start_of(value, scale, targets)
        width = (high - low) / (bins - 1)
        assert abs(decoded - nearest) < max(0.6 * width, (high - low) / scale * 1.01)
        away = np.abs(targets - nearest) > 2 * (high - low) / scale + width
        assert np.all(gradients[away] > 0.01 * plain[away])
        assert slope > 0


@eqx.filter_jit
def start_of(value, scale, targets):
    """The value at the start, its steepest slope; norms of the gradient of the loss there, and at outputs of 0."""
    norm = lambda logits: jax.vmap(lambda target: jnp.linalg.norm(jax.grad(value.loss)(logits, target)))(targets)
    logits = scale * value.start(scale)
    decoded, slope = jax.value_and_grad(value.decode)(logits)
    return decoded, jnp.abs(slope).max(), norm(logits), norm(jnp.zeros(value.size))


def test_the_published_start_is_the_target_of_0():
    np.testing.assert_array_equal(HLGauss().start(40.0), jax.jit(hl_gauss, static_argnums=3)(0.0, 0.0, 150.0, 151))
    assert ScalarValue().start(40.0) is None


@pytest.mark.parametrize(("bins_inside", "pull"), [(0, 0.369), (1, 0.047), (2, 0.0013), (3, 0.0)])
@pytest.mark.parametrize("num_bins", [21, 151])
def test_hl_gauss_pulls_values_at_the_ends_inward(num_bins, bins_inside, pull):
    """In bins; the figures of the docstring. The remedy is a support whose ends lie beyond the returns."""
    low, high = -10.0, 10.0
    width = (high - low) / (num_bins - 1)
    centers = np.linspace(low, high, num_bins)
    for target, inward in ((low + bins_inside * width, 1), (high - bins_inside * width, -1)):
        decoded = np.asarray(histogram(target, low, high, num_bins), float) @ centers
        np.testing.assert_allclose((decoded - target) / width, inward * pull, atol=1e-3)


@pytest.mark.parametrize("beyond, learned", [(0.0, 1.41), (3.0, 0.0)])
def test_a_task_without_rewards_settles_at_0_only_where_the_support_reaches_beyond_it(beyond, learned):
    """Q = decode(target of gamma Q), in bins above 0."""
    spec = replace_path(reppo_small(environments.playground("CartpoleBalance")), "beyond", beyond)
    value = resolve(spec).algorithm.value
    low, high = value.support.bounds()
    centers = jnp.linspace(low, high, 51)
    step = lambda q, _: (hl_gauss(0.99 * q, low, high, 51) @ centers, None)
    settled = jax.jit(lambda: jax.lax.scan(step, jnp.float32(0.0), length=5000)[0])()
    np.testing.assert_allclose(settled / ((high - low) / 50), learned, atol=0.02)
