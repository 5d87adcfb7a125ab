"""Batches: rows in the order that JAX's own permutation gives, which every result depends on."""

import jax
import numpy as np
import pytest

from reppo.keys import subkey
from reppo.optimization import Epochs

TIES = 200_000
"""Rows among which some share their 32 random bits: 4.7 pairs are expected."""


@pytest.mark.parametrize("rows", [1, 2, 7, 1625, 1626, 2048, TIES])
def test_epochs_shuffle_as_jax_does(rows):
    key = jax.random.key(3)
    keys = jax.random.split(subkey(key, "shuffle"), 2)
    expected = np.stack([jax.random.permutation(one, rows) for one in keys])
    found = jax.jit(lambda key: Epochs(epochs=2, num_minibatches=1).indices(rows, key))(key)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)


def test_the_largest_of_them_has_ties():
    keys = jax.random.split(subkey(jax.random.key(3), "shuffle"), 2)
    bits = [np.asarray(jax.random.bits(jax.random.split(one)[1], (TIES,))) for one in keys]
    assert min(len(np.unique(one)) for one in bits) < TIES
