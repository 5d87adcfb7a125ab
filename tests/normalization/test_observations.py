import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.normalization import NoNormalization, RunningMeanVariance

ROWS, SIZE = 12, 3
SHAPES = {"vector": jax.ShapeDtypeStruct((SIZE,), jnp.float32), "image": jax.ShapeDtypeStruct((2, 1), jnp.int32)}
DATA = st.fixed_dictionaries(
    {
        "vector": arrays(np.float32, (ROWS, SIZE), elements=st.floats(-10, 10, width=32)),
        "image": arrays(np.int32, (ROWS, 2, 1), elements=st.integers(0, 255)),
    }
)
CHUNKS = [(12,), (6, 6), (1, 11), (4, 2, 6), (11, 1), (1,) * 12]
OFFSET = st.sampled_from([0.0, 1e3, -1e4])

update = jax.jit(lambda statistics, observations: RunningMeanVariance().update(statistics, observations))
normalize = jax.jit(lambda normalizer, statistics, observation: normalizer(statistics, observation))


def cut(data, sizes):
    """Splits all leaves into chunks of these sizes."""
    pieces = {name: np.split(leaf, np.cumsum(sizes)[:-1]) for name, leaf in data.items()}
    return [{name: leaf[i] for name, leaf in pieces.items()} for i in range(len(sizes))]


@given(DATA, OFFSET, st.sampled_from(CHUNKS))
def test_updates_in_chunks_equal_mean_and_variance_of_all_data(data, offset, sizes):
    data["vector"] = data["vector"] + np.float32(offset)
    statistics = RunningMeanVariance().init(SHAPES)
    for chunk in cut(data, sizes):
        statistics = update(statistics, chunk)
    assert statistics.count == ROWS
    for name in data:
        exact = data[name].astype(float)
        # float32 holds numbers near the offset to one part in 2^24.
        rounding = 2**-22 * (abs(offset) + 1)
        np.testing.assert_allclose(statistics.mean[name], exact.mean(0), rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(statistics.variance[name], exact.var(0), rtol=1e-3, atol=1e-3 + 20 * rounding)


@given(DATA, st.sampled_from([(3, 4), (12, 1), (1, 12)]))
def test_leading_axes_do_not_matter(data, axes):
    statistics = RunningMeanVariance().init(SHAPES)
    rollout = jax.tree.map(lambda x: x.reshape(*axes, *x.shape[1:]), data)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6),
        update(statistics, rollout),
        update(statistics, data),
    )


@given(DATA, DATA, st.sampled_from([1e-8, 1e-2, 1.0]))
def test_normalizes_by_the_statistics_of_the_past(data, new, epsilon):
    statistics = update(RunningMeanVariance().init(SHAPES), data)
    actual = normalize(RunningMeanVariance(epsilon), statistics, jax.tree.map(lambda x: x[0], new))
    for name in data:
        mean, variance = data[name].astype(float).mean(0), data[name].astype(float).var(0)
        assert actual[name].shape == SHAPES[name].shape and actual[name].dtype == jnp.float32
        if np.all((variance > 1e-2) | (epsilon > 1e-3)):
            expected = (new[name][0] - mean) / np.sqrt(variance + epsilon)
            np.testing.assert_allclose(actual[name], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (100.0, 3.0), (-5.0, 30.0)])
def test_normalized_data_has_mean_0_and_deviation_1(offset, scale):
    data = np.random.default_rng(0).normal(offset, scale, (50, 20, SIZE)).astype(np.float32)
    normalizer = RunningMeanVariance()
    statistics = normalizer.init(jax.ShapeDtypeStruct((SIZE,), jnp.float32))
    for chunk in np.split(data, 5):
        statistics = update(statistics, chunk)
    normalized = np.asarray(jax.vmap(jax.vmap(lambda x: normalizer(statistics, x)))(jnp.asarray(data)))
    np.testing.assert_allclose(normalized.mean((0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(normalized.std((0, 1)), (1 + 0.01 / scale**2) ** -0.5, atol=1e-2)


def test_before_anything_was_seen_observations_are_nearly_as_they_are():
    normalizer = RunningMeanVariance()
    observation = jnp.array([3.0, -2.0, 0.0])
    actual = normalizer(normalizer.init(jax.ShapeDtypeStruct((SIZE,), jnp.float32)), observation)
    np.testing.assert_allclose(actual, observation / 1.01**0.5, rtol=1e-6)


def test_a_constant_is_normalized_to_0_whatever_its_size():
    statistics = RunningMeanVariance().init(jax.ShapeDtypeStruct((SIZE,), jnp.float32))
    constant = np.full((ROWS, SIZE), 1234.5, np.float32)
    for _ in range(3):
        statistics = update(statistics, constant)
    np.testing.assert_allclose(RunningMeanVariance()(statistics, jnp.asarray(constant[0])), 0, atol=1e-2)


def test_an_observation_of_another_shape_is_refused_not_broadcast():
    normalizer = RunningMeanVariance()
    statistics = normalizer.init(jax.ShapeDtypeStruct((SIZE,), jnp.float32))
    with pytest.raises(ValueError, match="rank_promotion"):
        normalizer(statistics, jnp.zeros((5, SIZE)))
    with pytest.raises(TypeError, match="cannot reshape"):
        normalizer.update(statistics, jnp.zeros((5, SIZE + 1)))


@given(DATA)
def test_no_normalization_is_the_identity_and_remembers_nothing(data):
    normalizer = NoNormalization()
    statistics = normalizer.init(SHAPES)
    observation = {name: jnp.asarray(value) for name, value in data.items()}
    assert normalizer.update(statistics, observation) == statistics == ()
    assert normalizer(statistics, observation) is observation
