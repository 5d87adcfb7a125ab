import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.distributions import Categorical

LOGITS = arrays(np.float32, 4, elements=st.floats(-5, 5, width=32))


def probabilities(logits):
    shifted = np.exp(logits.astype(float) - logits.max())
    return shifted / shifted.sum()


@jax.jit
def asked(logits, other, key):
    policy = Categorical(logits)
    drawn = policy.draw(key)
    return {
        "drawn": drawn,
        "action": policy.action_of(drawn),
        "again": policy.draw_of(policy.action_of(drawn)),
        "log_prob": policy.log_prob_of_draw(drawn),
        "ratio": policy.log_ratio(Categorical(other), drawn),
        "kl": policy.kl(Categorical(other)),
        "entropy": policy.entropy(key),
        "mode": policy.mode(),
        "mean": policy.expect(lambda action, log_prob: {"action": action, "log_prob": log_prob}, key),
    }


@given(LOGITS, LOGITS, st.integers(0, 2**31 - 1))
def test_equals_the_slow_reference(logits, other, seed):
    p, q = probabilities(logits), probabilities(other)
    made = jax.tree.map(np.asarray, asked(logits, other, jax.random.key(seed)))
    close = lambda actual, expected: np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(made["action"], np.eye(4)[made["drawn"]])
    assert made["again"] == made["drawn"]
    close(made["log_prob"], np.log(p[made["drawn"]]))
    close(made["ratio"], np.log(p / q)[made["drawn"]])
    close(made["kl"], np.sum(p * np.log(p / q)))
    close(made["entropy"], -np.sum(p * np.log(p)))
    np.testing.assert_array_equal(made["mode"], np.eye(4)[np.argmax(logits)])
    close(made["mean"]["action"], p)
    close(made["mean"]["log_prob"], np.sum(p * np.log(p)))


def test_draws_are_as_frequent_as_they_are_probable():
    logits = jnp.array([0.0, 1.0, -1.0])
    drawn = jax.vmap(Categorical(logits).draw)(jax.random.split(jax.random.key(0), 20_000))
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, probabilities(np.asarray(logits)), atol=0.02)


def test_the_exact_mean_has_the_exact_gradient():
    value = lambda logits: Categorical(logits).expect(
        lambda action, _: action @ jnp.array([1.0, 2.0]), jax.random.key(0)
    )
    p = probabilities(np.array([0.3, -0.2]))
    np.testing.assert_allclose(jax.grad(value)(jnp.array([0.3, -0.2])), p * (np.array([1, 2]) - p @ [1, 2]), rtol=1e-5)


def test_equals_scipy():
    """`scipy.special.log_softmax` and `scipy.stats.entropy`, of one distribution and of two, of scipy 1.17.1."""
    p, q = Categorical(jnp.array([1.5, -0.5, 0.25, 3.0])), Categorical(jnp.array([0.0, 0.75, -2.0, 1.0]))
    log_softmax = [-1.7755503331752922, -3.775550333175292, -3.025550333175292, -0.2755503331752921]
    np.testing.assert_allclose(p.log_probs, log_softmax, rtol=1e-6)
    np.testing.assert_allclose(p.entropy(jax.random.key(0)), 0.7433318266384428, rtol=1e-5)
    np.testing.assert_allclose([p.kl(q), q.kl(p)], [0.36423310448891283, 0.7191283311708037], rtol=1e-5)
