"""Batches: which rows of the data each update sees."""

from abc import abstractmethod
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from reppo.component import Component, static
from reppo.errors import require
from reppo.keys import subkey


class AbstractBatches(Component):
    """Chooses the rows of every minibatch of an iteration, before the first update.

    A row is an entry of the data's leading axis: a step for a memoryless policy, a sequence for a recurrent one.
    """

    @abstractmethod
    def indices(self, rows: int, key: Key[Array, ""]) -> Int[Array, "updates batch"]:
        """The rows of each minibatch, in the order of updates.

        Args:
            rows: how many there are, at least 1.
            key: consumed.
        """

    @abstractmethod
    def check(self, rows: int) -> None:
        """Raises `ConfigurationError` if so many rows cannot be divided into these minibatches.

        Args:
            rows: how many rows an iteration collects, at least 1.
        """


@final
class Epochs(AbstractBatches):
    """All rows once an epoch, shuffled anew for each, in minibatches of one size.

    Attributes:
        epochs: passes over the rows, at least 1.
        num_minibatches: minibatches an epoch, at least 1; must divide the number of rows.
    """

    epochs: int = static(8)
    num_minibatches: int = static(64)

    def indices(self, rows: int, key: Key[Array, ""]) -> Int[Array, "updates batch"]:
        keys = jax.random.split(subkey(key, "shuffle"), self.epochs)
        shuffled = jax.vmap(lambda k: _permutation(k, rows))(keys)
        return shuffled.reshape(self.epochs * self.num_minibatches, rows // self.num_minibatches)

    def check(self, rows: int) -> None:
        require(
            rows % self.num_minibatches == 0,
            f"There are {rows} rows, which {self.num_minibatches} minibatches do not divide. Choose a number of "
            "minibatches that does.",
        )

    def validate(self) -> None:
        require(self.epochs >= 1, f"The number of epochs is {self.epochs}; give at least 1.")
        require(self.num_minibatches >= 1, f"The number of minibatches is {self.num_minibatches}; give at least 1.")


@final
class Sampled(AbstractBatches):
    """Rows drawn uniformly and with replacement, as from a replay buffer (Lin 1992; Mnih et al. 2013, arXiv 1312.5602).

    Attributes:
        updates: minibatches an iteration, at least 1.
        size: rows of each, at least 1.
    """

    updates: int = static(64)
    size: int = static(256)

    def indices(self, rows: int, key: Key[Array, ""]) -> Int[Array, "updates batch"]:
        return jax.random.randint(subkey(key, "sample"), (self.updates, self.size), 0, rows)

    def check(self, rows: int) -> None:
        require(rows >= 1, f"There are {rows} rows to draw from; give at least 1.")

    def validate(self) -> None:
        require(self.updates >= 1, f"The number of updates is {self.updates}; give at least 1.")
        require(self.size >= 1, f"The size of a minibatch is {self.size}; give at least 1.")


def _permutation(key: Key[Array, ""], rows: int) -> Int[Array, " rows"]:
    """What `jax.random.permutation(key, rows)` gives, number by number, in less than a third of its time on a CPU.

    Both sort the rows by random bits, as often as keeps ties rare. JAX sorts pairs of bits and row, which XLA does on a
    CPU by calls of a comparison; here each pair is one number of 64 bits, whose order is the same.

    Args:
        key: consumed.
        rows: how many, at least 1.
    """
    order = jnp.arange(rows, dtype=jnp.int32)
    for _ in range(int(np.ceil(3 * np.log(rows) / np.log(np.iinfo(np.uint32).max)))):
        key, bits_key = jax.random.split(key)
        bits = jax.random.bits(bits_key, (rows,), jnp.uint32)
        with jax.enable_x64(True):
            pairs = bits.astype(jnp.uint64) << jnp.uint64(32) | jnp.arange(rows, dtype=jnp.uint64)
            order = order[jnp.sort(pairs, stable=False).astype(jnp.uint32).astype(jnp.int32)]
    return order
