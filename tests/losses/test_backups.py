"""What critics learn of a step: the projection of C51, and the choice among several critics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo import environments, presets
from reppo.errors import ConfigurationError
from reppo.losses import (
    DistributionBackup,
    EnsembleQ,
    FixedSupport,
    HLGauss,
    LeastValue,
    MeanBackup,
    MeanValue,
    TwoHot,
    project,
)
from reppo.networks import CriticOutput
from reppo.spec import replace_path, validate

BINS = 5
CENTERS = np.linspace(-2.0, 2.0, BINS)


def slow(histogram, reward, discount):
    """Algorithm 1 of arXiv 1707.06887, one bin after the other."""
    mass = np.zeros(BINS)
    for probability, center in zip(histogram, CENTERS):
        place = (min(max(reward + discount * center, -2.0), 2.0) + 2.0) / (4.0 / (BINS - 1))
        low = min(int(place), BINS - 2)
        mass[low] += probability * (low + 1 - place)
        mass[low + 1] += probability * (place - low)
    return mass


MASSES = st.lists(st.floats(0.0, 1.0), min_size=BINS, max_size=BINS).filter(lambda mass: sum(mass) > 0.1)


@given(mass=MASSES, reward=st.floats(-5.0, 5.0), discount=st.floats(0.0, 1.0))
def test_the_projection_is_that_of_a_loop(mass, reward, discount):
    histogram = np.float32(mass) / np.float32(sum(mass))
    found = np.asarray(project(jnp.asarray(histogram), -2.0, 2.0, reward, discount))
    np.testing.assert_allclose(found, slow(histogram, reward, discount), atol=1e-5)
    assert abs(found.sum() - 1) < 1e-5


# From `categorical_l2_project` of rlax 0.1.9 at these histograms, on the same bins.
GOLDEN = [
    (0.3, 0.9, [0.299, 0.449, 0.009, 0.001, 0.242], [0.1495, 0.4189, 0.1859, 0.0035, 0.2422]),
    (-4.0, 0.5, [0.137, 0.056, 0.063, 0.236, 0.508], [1.0, 0.0, 0.0, 0.0, 0.0]),
    (1.0, 0.0, [0.491, 0.0, 0.339, 0.011, 0.159], [0.0, 0.0, 0.0, 1.0, 0.0]),
    (0.25, 1.0, [0.138, 0.512, 0.058, 0.05, 0.242], [0.1035, 0.4185, 0.1715, 0.052, 0.2545]),
]


@pytest.mark.parametrize(("reward", "discount", "histogram", "expected"), GOLDEN)
def test_the_projection_is_that_of_another_library(reward, discount, histogram, expected):
    np.testing.assert_allclose(project(jnp.array(histogram), -2.0, 2.0, reward, discount), expected, atol=1e-5)


def critics(logits):
    said = jax.vmap(lambda one: CriticOutput(one, jnp.zeros(1), None))(jnp.asarray(logits))
    return lambda observation, action: said


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), reward=st.floats(-0.5, 0.5), bonus=st.floats(-0.5, 0.5))
def test_the_least_critic_alone_is_learned_or_all_alike(seed, reward, bonus):
    logits = np.random.default_rng(seed).normal(size=(2, BINS)).astype(np.float32)
    value = TwoHot(FixedSupport(-2.0, 2.0), BINS)
    histograms = np.asarray(jax.nn.softmax(logits))
    means = histograms @ CENTERS
    for pessimism, mixed in ((LeastValue(), histograms[means.argmin()]), (MeanValue(), histograms.mean(axis=0))):
        q = EnsembleQ(critics(logits), value, pessimism)
        target = DistributionBackup().target(q, jnp.zeros(1), jnp.zeros(1), bonus, reward, 0.5)
        np.testing.assert_allclose(target.histogram, slow(mixed, reward + 0.5 * bonus, 0.5), atol=1e-5)
        alone = MeanBackup().target(q, jnp.zeros(1), jnp.zeros(1), bonus, reward, 0.5)
        np.testing.assert_allclose(target.value, alone.value, rtol=1e-5)
        np.testing.assert_allclose(target.value, reward + 0.5 * (mixed @ CENTERS + bonus), atol=1e-5)
        loss = DistributionBackup().loss(value, jnp.asarray(logits[0]), target)
        np.testing.assert_allclose(loss, -(target.histogram * jax.nn.log_softmax(logits[0])).sum(), rtol=1e-5)


def test_distributions_need_bins_to_be_learned_on():
    spec = presets.sac_small(environments.gymnax("Pendulum-v1"))
    spec = replace_path(spec, "algorithm.backup", DistributionBackup())
    with pytest.raises(ConfigurationError, match=r"critics have ScalarValue\. Choose value=TwoHot.*MeanBackup"):
        validate(spec)
    with pytest.raises(ConfigurationError, match=r"critics have HLGauss"):
        validate(replace_path(spec, "algorithm.value", HLGauss()))
    validate(replace_path(spec, "algorithm.value", TwoHot()))


def test_the_gradient_of_the_least_value_divides_by_nothing():
    """That of `jnp.min` divides by how many equal the least: none, where a compiler rounds them in two ways."""
    np.testing.assert_array_equal(jax.grad(LeastValue())(jnp.array([2.0, 1.0, 1.0])), [0.0, 1.0, 0.0])
    program = lambda f: str(jax.make_jaxpr(jax.grad(f))(jnp.zeros(3)))
    assert " div " in program(jnp.min) and " div " not in program(LeastValue())
