import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.losses import NoAuxiliary, SelfPrediction

SIZE = 4
VALUE = st.floats(-10, 10, width=32)
EMBEDDING = arrays(np.float32, SIZE, elements=VALUE)
PREDICTION = arrays(np.float32, 1 + SIZE, elements=VALUE)
WEIGHT = st.floats(0, 5, width=32)


@eqx.filter_jit
def loss_and_gradient(auxiliary, prediction, embedding, reward, ended):
    return jax.value_and_grad(auxiliary.loss)(prediction, embedding, reward, ended)


@given(WEIGHT, PREDICTION, EMBEDDING, VALUE, st.booleans())
def test_self_prediction_is_the_mean_squared_error_of_reward_and_embedding(weight, prediction, embedding, reward, end):
    value, gradient = loss_and_gradient(
        SelfPrediction(weight), prediction, embedding, jnp.float32(reward), jnp.asarray(end)
    )
    total = (float(prediction[0]) - reward) ** 2
    for i in range(SIZE):
        total += (float(prediction[1 + i]) - float(embedding[i])) ** 2
    expected = 0 if end else weight * total / (1 + SIZE)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    error = prediction - np.array([reward, *embedding])
    np.testing.assert_allclose(gradient, 0 if end else 2 * weight * error / (1 + SIZE), rtol=1e-5, atol=1e-5)


@given(PREDICTION, EMBEDDING, VALUE, st.booleans())
def test_weight_0_is_no_auxiliary_task(prediction, embedding, reward, ended):
    ended = jnp.asarray(ended)
    for auxiliary in (SelfPrediction(0.0), NoAuxiliary()):
        value, gradient = loss_and_gradient(auxiliary, prediction, embedding, jnp.float32(reward), ended)
        assert value == 0
        np.testing.assert_array_equal(gradient, np.zeros(1 + SIZE))


def test_sizes():
    assert SelfPrediction().size(512) == 513
    assert NoAuxiliary().size(512) == 0
    assert NoAuxiliary().loss(None, jnp.zeros(SIZE), jnp.float32(1.0), jnp.array(False)) == 0
