import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.losses import (
    EmbeddingPrediction,
    NoAuxiliary,
    NoMask,
    RewardPrediction,
    SelfPrediction,
    UnlessTruncated,
    WithinEpisodes,
)

SIZE = 4
VALUE = st.floats(-10, 10, width=32)
EMBEDDING = arrays(np.float32, SIZE, elements=VALUE)
PREDICTION = arrays(np.float32, 1 + SIZE, elements=VALUE)
WEIGHT = st.floats(0, 5, width=32)
ENDS = st.sampled_from([(False, False), (True, False), (False, True)])
MASKS = [
    # mask, whether it counts (a step within, a terminated one, a truncated one)
    (WithinEpisodes(), (True, False, False)),
    (UnlessTruncated(), (True, True, False)),
    (NoMask(), (True, True, True)),
]


@eqx.filter_jit
def loss_and_gradient(auxiliary, prediction, embedding, reward, terminated, truncated):
    return jax.value_and_grad(auxiliary.loss)(prediction, embedding, reward, terminated, truncated)


def reference(auxiliary, prediction, embedding, reward):
    """Mean squared error and its gradient in the prediction, in float64, of a step that counts."""
    target = {
        SelfPrediction: [reward, *embedding],
        EmbeddingPrediction: list(embedding),
        RewardPrediction: [reward],
    }[type(auxiliary)]
    error = [float(prediction[i]) - float(target[i]) for i in range(len(target))]
    weight = float(auxiliary.weight)
    value = weight * sum(e**2 for e in error) / len(error)
    return value, [2 * weight * e / len(error) for e in error]


@pytest.mark.parametrize("kind", [SelfPrediction, EmbeddingPrediction, RewardPrediction])
@given(WEIGHT, PREDICTION, EMBEDDING, VALUE, ENDS)
def test_the_loss_is_the_mean_squared_error_of_what_is_predicted(kind, weight, prediction, embedding, reward, ends):
    auxiliary = kind(weight)
    prediction = prediction[: auxiliary.size(SIZE)]
    value, gradient = loss_and_gradient(
        auxiliary, prediction, embedding, jnp.float32(reward), *(jnp.asarray(flag) for flag in ends)
    )
    expected, slope = reference(auxiliary, prediction, embedding, reward)
    if any(ends):
        expected, slope = 0, np.zeros(prediction.size)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("mask", "counts"), MASKS, ids=[type(mask).__name__ for mask, _ in MASKS])
@pytest.mark.parametrize("kind", [SelfPrediction, EmbeddingPrediction, RewardPrediction])
def test_the_mask_decides_which_steps_count(kind, mask, counts):
    auxiliary = kind(mask=mask)
    prediction, embedding = jnp.arange(1.0, 1 + auxiliary.size(SIZE)), jnp.zeros(SIZE)
    expected = reference(auxiliary, prediction, embedding, 0.0)[0]
    for ends, count in zip([(False, False), (True, False), (False, True)], counts, strict=True):
        flags = (jnp.asarray(flag) for flag in ends)
        value, _ = loss_and_gradient(auxiliary, prediction, embedding, jnp.float32(0), *flags)
        np.testing.assert_allclose(value, expected if count else 0, rtol=1e-6)


@given(PREDICTION, EMBEDDING, VALUE, ENDS)
def test_weight_0_is_no_auxiliary_task(prediction, embedding, reward, ends):
    flags = [jnp.asarray(flag) for flag in ends]
    for auxiliary in (SelfPrediction(0.0), NoAuxiliary()):
        value, gradient = loss_and_gradient(auxiliary, prediction, embedding, jnp.float32(reward), *flags)
        assert value == 0
        np.testing.assert_array_equal(gradient, np.zeros(1 + SIZE))


def test_sizes():
    assert SelfPrediction().size(512) == 513
    assert EmbeddingPrediction().size(512) == 512
    assert RewardPrediction().size(512) == 1
    assert NoAuxiliary().size(512) == 0
    no = jnp.array(False)
    assert NoAuxiliary().loss(None, jnp.zeros(SIZE), jnp.float32(1.0), no, no) == 0
