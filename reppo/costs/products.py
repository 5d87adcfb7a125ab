"""The matrix products of a program: the operations that they take, and the time that this machine takes for them."""

import math
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jax.extend import core

from reppo.training.memory import inner_programs

_OPERATIONS = 10**8
"""A product is timed in calls of about so many operations, so that what a call costs does not count."""

_CALLS = 5


@final
class Product(NamedTuple):
    """A product of two arrays, as `jax.lax.dot_general` makes it.

    Attributes:
        left: shape.
        right: shape.
        dimensions: contracted axes of both, then batch axes of both.
        dtype: of both.
        precision: in which the operations are made, as JAX has it.
        result: dtype of the product, where it is another.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    dimensions: tuple[tuple[Any, Any], tuple[Any, Any]]
    dtype: str
    precision: Any = None
    result: Any = None

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        (_, contracted), (_, batch) = self.dimensions
        free = [length for axis, length in enumerate(self.right) if axis not in (*contracted, *batch)]
        return 2 * math.prod(self.left) * math.prod(free)

    def seconds(self) -> float:
        """Time that this machine takes for it: of the fastest of several calls that make it again and again."""
        rounds = max(1, _OPERATIONS // self.operations)
        left, right = (jnp.ones((rounds, *shape), self.dtype) for shape in (self.left, self.right))

        def product(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
            return jax.lax.dot_general(pair[0], pair[1], self.dimensions, self.precision, self.result)

        made = jax.jit(lambda left, right: jax.lax.map(product, (left, right)))
        made(left, right).block_until_ready()
        spent = []
        for _ in range(_CALLS):
            start = time.perf_counter()
            made(left, right).block_until_ready()
            spent.append(time.perf_counter() - start)
        return min(spent) / rounds


def products(program: core.Jaxpr, times: int = 1) -> Counter[Product]:
    """How often a program makes each product.

    A loop whose number of rounds is known counts so often, any other loop and every branch once. Convolutions are no
    products here.
    """
    found: Counter[Product] = Counter()
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            shapes: Any = [variable.aval for variable in equation.invars]
            left, right = shapes
            how = (equation.params[name] for name in ("precision", "preferred_element_type"))
            product = Product(left.shape, right.shape, equation.params["dimension_numbers"], str(left.dtype), *how)
            if product.operations:  # physics engines multiply arrays without elements
                found[product] += times
        rounds = equation.params["length"] if equation.primitive.name == "scan" else 1
        for inner in inner_programs(equation):
            found.update(products(inner, times * rounds))
    return found


def operations(made: Mapping[Product, int]) -> int:
    """Multiplications and additions of products that are made so often."""
    return sum(times * product.operations for product, times in made.items())


def seconds(made: Mapping[Product, int]) -> float:
    """Time that this machine takes for products that are made so often, one after another."""
    return sum(times * product.seconds() for product, times in made.items())
