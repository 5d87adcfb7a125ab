import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reppo.distributions import Categorical, CategoricalHead, TanhNormal, TanhNormalHead
from reppo.environments import Box, Discrete
from reppo.errors import ConfigurationError

OUTPUTS = arrays(np.float32, 6, elements=st.floats(-5, 3, width=32))

distribution = jax.jit(lambda head, outputs: head(outputs))


@given(OUTPUTS, st.sampled_from([0.0, 1e-6, 0.1, 0.5]))
def test_scale_is_exp_of_log_std_plus_the_floor(outputs, floor):
    policy = distribution(TanhNormalHead(floor), outputs)
    np.testing.assert_array_equal(policy.loc, outputs[:3])
    np.testing.assert_allclose(policy.scale, np.exp(outputs[3:].astype(float)) + floor, rtol=1e-6)


@pytest.mark.parametrize("floor", [0.0, 1e-6, 0.1])
def test_the_floor_is_what_the_scale_tends_to(floor):
    outputs = jnp.array([0.0, 0.0, -1e6, 0.0])
    scale = TanhNormalHead(floor)(outputs).scale
    np.testing.assert_allclose(scale, [np.exp(-10) + floor, 1 + floor], rtol=1e-6)


def test_the_default_adds_nothing_and_overflow_is_impossible():
    assert TanhNormalHead().floor == 0
    scale = TanhNormalHead()(jnp.array([0.0, jnp.float32(1e30)])).scale
    np.testing.assert_allclose(scale, np.exp(4.0), rtol=1e-6)


@pytest.mark.parametrize("action_size", [1, 6, 21])
def test_size_counts_mean_and_log_std(action_size):
    assert TanhNormalHead().size(Box.unit(action_size)) == 2 * action_size
    assert TanhNormalHead()(jnp.zeros(2 * action_size)).loc.shape == (action_size,)


@pytest.mark.parametrize("log_std", [-14.0, 7.0, 1e4])
def test_a_log_std_beyond_its_limits_is_learned_back(log_std):
    target = TanhNormal(jnp.zeros(1), jnp.ones(1))
    optimizer = optax.adam(0.05 if abs(log_std) < 100 else 100.0)
    loss = lambda outputs: target.kl(TanhNormalHead()(outputs))

    def step(state, _):
        outputs, optimizer_state = state
        updates, optimizer_state = optimizer.update(jax.grad(loss)(outputs), optimizer_state)
        return (outputs + updates, optimizer_state), outputs[1]

    outputs = jnp.array([0.0, log_std])
    _, path = jax.jit(lambda state: jax.lax.scan(step, state, None, length=600))((outputs, optimizer.init(outputs)))
    assert np.any((path > -10) & (path < 4))


def test_a_head_is_for_one_kind_of_action():
    assert CategoricalHead().size(Discrete(4)) == 4
    with pytest.raises(ConfigurationError, match=r"TanhNormalHead is for actions in a box.*Choose CategoricalHead"):
        TanhNormalHead().size(Discrete(4))
    with pytest.raises(ConfigurationError, match=r"CategoricalHead is for a discrete set.*Choose TanhNormalHead"):
        CategoricalHead().size(Box.unit(4))


def test_what_is_taken_is_limited_and_densities_are_not():
    policy, head = TanhNormal(jnp.array([3.0]), jnp.array([1.0])), TanhNormalHead(max_action=0.5)
    drawn = policy.draw(jax.random.key(0))
    np.testing.assert_array_equal(head.take(policy, drawn), [0.5])
    np.testing.assert_array_equal(head.take(policy, -drawn), [-0.5])
    np.testing.assert_allclose(head.take(policy, jnp.array([0.1])), np.tanh([0.1]), rtol=1e-6)
    np.testing.assert_array_equal(CategoricalHead().take(Categorical(jnp.zeros(3)), jnp.array(2)), [0, 0, 1])
    assert policy.log_prob_of_draw(drawn) > policy.log_prob(jnp.array([0.5]))


def test_the_entropy_to_aim_for():
    assert TanhNormalHead().aimed_entropy(jax.vmap(TanhNormal)(jnp.zeros((7, 3)), jnp.ones((7, 3)))) == -1.5
    for policy in (Categorical(jnp.zeros(4)), jax.vmap(Categorical)(jnp.zeros((7, 4)))):
        aimed = CategoricalHead(entropy_target=0.5).aimed_entropy(policy)
        np.testing.assert_allclose(aimed, np.log(2.0), rtol=1e-6)


def test_a_head_says_whether_a_gradient_goes_through_its_samples():
    for head, outputs in ((TanhNormalHead(), jnp.zeros(4)), (CategoricalHead(), jnp.zeros(2))):
        jacobian = jax.jacobian(lambda outputs, head=head: head(outputs).sample(jax.random.key(0)))(outputs)
        assert head.pathwise == bool(np.any(jacobian))
