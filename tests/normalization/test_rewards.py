"""The running scale of rewards against a slow reference."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reppo.errors import ConfigurationError
from reppo.losses import FixedSupport, HLGauss
from reppo.normalization import NoRewardScaling, RunningReturnScale
from reppo.spec import validate
from tests.tiny import tiny_ppo, tiny_spec

TIME, ENVIRONMENTS = 5, 3
update = eqx.filter_jit(lambda scaling, *arguments: scaling.update(*arguments))


@settings(max_examples=30)
@given(st.integers(0, 2**31 - 1), st.sampled_from([0.0, 0.9, 0.99, 1.0]))
def test_the_factor_is_one_over_the_deviation_of_all_discounted_sums(seed, gamma):
    random = np.random.default_rng(seed)
    scaling = RunningReturnScale()
    statistics, sums, seen = scaling.init(ENVIRONMENTS), np.zeros(ENVIRONMENTS), []
    for _ in range(3):  # rollouts; sums go on from one to the next
        reward = random.normal(0.5, 3, (TIME, ENVIRONMENTS))
        ended = random.random((TIME, ENVIRONMENTS)) < 0.2
        arrays = jnp.asarray(reward, jnp.float32), jnp.asarray(ended)
        statistics = update(scaling, statistics, *arrays, np.float32(gamma))
        for t in range(TIME):
            for i in range(ENVIRONMENTS):
                sums[i] = gamma * sums[i] + reward[t, i]
                seen.append(sums[i])
                if ended[t, i]:
                    sums[i] = 0
        np.testing.assert_allclose(scaling.factor(statistics), 1 / np.sqrt(np.var(seen) + 1e-8), rtol=1e-4)
    np.testing.assert_allclose(statistics.current, sums, rtol=1e-4, atol=1e-5)


def test_no_scaling_counts_nothing():
    assert NoRewardScaling().init(ENVIRONMENTS) == () and NoRewardScaling().factor(()) == 1


def test_a_support_that_stays_is_refused():
    algorithm = tiny_ppo(reward_scaling=RunningReturnScale(), value=HLGauss(FixedSupport(-5, 5), 21))
    message = r"changes the units of values as it goes, and HLGauss has a support.* algorithm.value=ScalarValue\(\)"
    with pytest.raises(ConfigurationError, match=message):
        validate(tiny_spec(algorithm=algorithm))
    with pytest.raises(ConfigurationError, match="epsilon of the reward scaling is 0.* give a positive one"):
        RunningReturnScale(epsilon=0.0).validate()
