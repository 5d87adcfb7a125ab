import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.normalization import (
    MergedTwice,
    NoNormalization,
    PerStepStatistics,
    RunningMeanDeviation,
    RunningMeanVariance,
)

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


@given(DATA, DATA)
def test_epsilon_may_be_added_to_the_standard_deviation(data, new):
    statistics = update(RunningMeanDeviation().init(SHAPES), data)
    actual = normalize(RunningMeanDeviation(0.5), statistics, jax.tree.map(lambda x: x[0], new))
    for name in data:
        exact = data[name].astype(float)
        expected = (new[name][0] - exact.mean(0)) / (exact.std(0) + 0.5)
        np.testing.assert_allclose(actual[name], expected, rtol=1e-3, atol=1e-2)


@given(DATA, DATA)
def test_merging_twice_doubles_the_count_and_leaves_mean_and_variance(data, more):
    once, twice = RunningMeanVariance().init(SHAPES), MergedTwice().init(SHAPES)
    for chunk in (data, more):
        once, twice = update(once, chunk), merge_twice(twice, chunk)
    assert twice.count == 2 * once.count
    for name in data:
        np.testing.assert_allclose(twice.mean[name], once.mean[name], rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(twice.variance[name], once.variance[name], rtol=1e-3, atol=1e-2)


merge_twice = jax.jit(lambda statistics, observations: MergedTwice().update(statistics, observations))
over_rollout = jax.jit(lambda normalizer, *arguments: normalizer.rollout(*arguments))
TIME, ENVIRONMENTS = 4, 3


def as_rollout(data):
    return jax.tree.map(lambda x: x.reshape(TIME, ENVIRONMENTS, *x.shape[1:]), data)


@given(DATA, DATA, DATA)
def test_at_every_step_a_rollout_is_normalized_by_all_that_was_seen_by_then(past, data, following):
    normalizer = PerStepStatistics()
    statistics = update(RunningMeanVariance().init(SHAPES), past)
    now, after = over_rollout(normalizer, statistics, as_rollout(data), as_rollout(following))
    for name in data:
        rows, next_rows = as_rollout(data)[name], as_rollout(following)[name]
        for t in range(TIME):
            for actual, row, last in ((now, rows, t), (after, next_rows, min(t + 1, TIME - 1))):
                seen = np.concatenate([past[name], rows[: last + 1].reshape(-1, *past[name].shape[1:])]).astype(float)
                expected = (row[t] - seen.mean(0)) / np.sqrt(seen.var(0) + 1e-2)
                np.testing.assert_allclose(actual[name][t], expected, rtol=1e-2, atol=2e-2)


@given(DATA, DATA)
def test_frozen_statistics_normalize_a_whole_rollout_alike(past, data):
    normalizer = RunningMeanVariance()
    statistics = update(normalizer.init(SHAPES), past)
    assert normalizer.observe(statistics, jax.tree.map(jnp.asarray, data)) is statistics
    now, after = over_rollout(normalizer, statistics, as_rollout(data), as_rollout(data))
    for name in data:
        np.testing.assert_array_equal(now[name], after[name])
        row = normalize(normalizer, statistics, jax.tree.map(lambda x: x[5], data))[name]
        np.testing.assert_allclose(now[name][1, 2], row, rtol=1e-5, atol=1e-6)


def test_after_the_rollout_both_know_the_same():
    data = as_rollout({"vector": jnp.asarray(np.random.default_rng(0).normal(size=(ROWS, SIZE)), jnp.float32)})
    shapes = {"vector": SHAPES["vector"]}
    moving = PerStepStatistics()
    statistics = moving.init(shapes)
    for row in data["vector"]:
        statistics = moving.observe(statistics, {"vector": row})
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        statistics,
        moving.update(moving.init(shapes), data),
    )


@pytest.mark.parametrize("normalizer", [RunningMeanVariance(), RunningMeanDeviation(), PerStepStatistics()])
@pytest.mark.parametrize("seen_before", [False, True])
@pytest.mark.parametrize("size", [1e7, -1e12, 1e20])
def test_a_few_absurd_numbers_do_not_spoil_the_statistics(normalizer, seen_before, size):
    shape = {"x": jax.ShapeDtypeStruct((2,), jnp.float32)}
    sane = 1 + 2 * jax.random.normal(jax.random.key(0), (1000, 2))
    absurd = sane.at[7, 0].set(size)
    statistics = normalizer.init(shape)
    if seen_before:
        statistics = normalizer.update(statistics, {"x": sane})
    assert normalizer.far(statistics, {"x": sane}) == 0
    np.testing.assert_allclose(normalizer.far(statistics, {"x": absurd}), 1 / 2000, rtol=1e-5)
    spoilt, whole = (normalizer.update(statistics, {"x": x}) for x in (absurd, sane))
    assert abs(spoilt.mean["x"][0] - 1) < 2 and 1 < spoilt.variance["x"][0] < 1e3
    np.testing.assert_array_equal(spoilt.variance["x"][1], whole.variance["x"][1])
    assert abs(normalizer(whole, {"x": jnp.full(2, size)})["x"]).max() < 1e3
