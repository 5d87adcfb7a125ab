"""Programs of parts of a run, over the lanes of a batch: each is compiled once for all batches that ask for the same.

What is the same is said by the arguments: their code and the shapes of their arrays, not the numbers in them. So two
arms whose policies are alike share what collects and what evaluates, whatever their critics are.

Between programs all that they read and write lies in a dictionary of parts: by the name of an argument or a result, the
leaves of its tree. Trees are put together inside of programs alone, which saves a millisecond an iteration.
"""

import contextlib
import functools
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jax.extend import core
from jaxtyping import PyTree

from reppo.training.steps import Parts

MOST_KEPT = 12
"""Pieces that are kept for the next program: those that were asked for last, so that what is shared stays."""

_SPLIT, _WHOLE = jax.sharding.PartitionSpec("lanes"), jax.sharding.PartitionSpec()


@final
class Places(NamedTuple):
    """Where and how lanes run.

    Attributes:
        mode: `"map"` or `"vmap"`.
        at_once: lanes that run at the same time, on all devices.
        devices: over how many devices of this process they are split evenly.
    """

    mode: str
    at_once: int
    devices: int

    @property
    def mesh(self) -> jax.sharding.Mesh:
        """The devices."""
        return jax.sharding.Mesh(np.array(jax.local_devices()[: self.devices]), ("lanes",))

    @property
    def split(self) -> jax.sharding.NamedSharding:
        """Of what each lane has of its own."""
        return jax.sharding.NamedSharding(self.mesh, _SPLIT)

    @property
    def whole(self) -> jax.sharding.NamedSharding:
        """Of what all lanes share."""
        return jax.sharding.NamedSharding(self.mesh, _WHOLE)


@final
class Form(NamedTuple):
    """A tree without the numbers in it; hashable.

    Attributes:
        structure: of the tree.
        leaves: code, and a `jax.ShapeDtypeStruct` in place of each array.
        types: of the leaves, since 1 and 1.0 are equal.
    """

    structure: Any
    leaves: tuple[Any, ...]
    types: tuple[type, ...]

    @classmethod
    def of(cls, tree: PyTree) -> "Form":
        """The form of a tree whose arrays may be abstract already."""
        leaves, structure = jax.tree.flatten(tree)
        abstract = lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if eqx.is_array(leaf) else leaf
        return cls(structure, tuple(map(abstract, leaves)), tuple(map(type, map(abstract, leaves))))

    @property
    def arrays(self) -> tuple[jax.ShapeDtypeStruct, ...]:
        """The abstract arrays."""
        return tuple(filter(_is_abstract, self.leaves))

    def fill(self, arrays: Any) -> PyTree:
        """The tree with arrays in their places."""
        given = iter(arrays)
        return jax.tree.unflatten(self.structure, [next(given) if _is_abstract(leaf) else leaf for leaf in self.leaves])

    def tree(self) -> PyTree:
        """The tree with abstract arrays."""
        return jax.tree.unflatten(self.structure, self.leaves)


@final
class _Recipe(NamedTuple):
    """All that a piece depends on; hashable."""

    function: Callable[..., Mapping[str, PyTree]]
    arguments: tuple[tuple[str, Form], ...]
    shared: frozenset[str]
    donated: frozenset[str]
    precision: str | None
    places: Places


@final
class Piece:
    """A function of one lane, as a program of all lanes that run at the same time."""

    def __init__(self, recipe: _Recipe):
        self._recipe = recipe
        self._results: dict[str, Form] = {}
        self._lowered: Any = None
        self._compiled: Any = None
        self.seconds = 0.0  # of tracing and compilation, so far
        self._lock = threading.RLock()

    def __call__(self, parts: Parts) -> Parts:
        """What it gives for its arguments, which are found by their names among the parts.

        Leaves are `[lane, ...]`, but for those of arguments that all lanes share. Consumes those that are donated.
        """
        for name, places in self._empty.items():  # arrays without elements lose their placement on the way
            leaves = list(parts[name])
            for place in places:
                leaves[place] = jax.device_put(leaves[place], self._recipe.places.split)
            parts = parts | {name: tuple(leaves)}
        return self._compiled(*self._arguments(parts))

    @functools.cached_property
    def _empty(self) -> dict[str, list[int]]:
        """Which leaves of arguments of lanes have no elements."""
        own = {name: form.arrays for name, form in self._recipe.arguments if name not in self._recipe.shared}
        found = {name: [place for place, leaf in enumerate(leaves) if not leaf.size] for name, leaves in own.items()}
        return {name: places for name, places in found.items() if places}

    @functools.cached_property
    def traced(self) -> Any:
        """The program before it is lowered, with its shapes."""
        function, arguments, shared, _, precision, places = self._recipe
        forms = dict(arguments)

        def lane(parts: Parts) -> Parts:
            with jax.default_matmul_precision(precision):
                results = function(**{name: forms[name].fill(leaves) for name, leaves in parts.items()})
            self._results = {name: Form.of(result) for name, result in results.items()}
            return {name: tuple(filter(eqx.is_array, jax.tree.leaves(result))) for name, result in results.items()}

        def on_device(donated: Parts, kept: Parts) -> Parts:  # called like the step in profiles
            parts = donated | kept
            if places.mode == "vmap":
                return jax.vmap(lane, in_axes=({name: None if name in shared else 0 for name in parts},))(parts)
            own = {name: leaves for name, leaves in parts.items() if name not in shared}
            only = jax.tree.map(lambda x: x.reshape(x.shape[1:]), own)
            return jax.tree.map(lambda x: x[None], lane(parts | only))

        on_device.__name__ = getattr(function, "__name__", "on_device")
        shapes = {
            name: form.arrays if name in shared else stacked_shapes(form.arrays, places.at_once)
            for name, form in arguments
        }
        specs = {name: _WHOLE if name in shared else _SPLIT for name in shapes}
        own_specs = self._arguments(specs)
        shardings = jax.tree.map(lambda spec: jax.sharding.NamedSharding(places.mesh, spec), own_specs)
        sharded = jax.shard_map(on_device, mesh=places.mesh, in_specs=own_specs, out_specs=_SPLIT, check_vma=False)
        with self._timed():
            return jax.jit(sharded, in_shardings=shardings, donate_argnums=0).trace(*self._arguments(shapes))

    @functools.cached_property
    def results(self) -> dict[str, Form]:
        """The forms of what it gives for one lane, by their names."""
        _ = self.traced
        return self._results

    def lower(self) -> None:
        """Traces and lowers, once: what is to be done in the thread that asks for it."""
        with self._lock:
            if self._lowered is None and not self.is_compiled:
                _ = self.results
                with self._timed():
                    self._lowered = self.traced.lower()
                del self.traced

    def compile(self) -> "Piece":
        """Compiles, once, whoever asks for it first."""
        with self._lock:
            if not self.is_compiled:
                self.lower()
                with self._timed():
                    self._compiled = self._lowered.compile()
                self._lowered = None
        return self

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - begun

    @property
    def is_compiled(self) -> bool:
        """Whether somebody compiled it."""
        return self._compiled is not None

    @property
    def working_bytes(self) -> int:
        """Bytes on a device, as the compiler laid them out, of results and of what they need, without the arguments.

        0 where the backend does not tell.
        """
        needs = self._compiled.memory_analysis()
        if needs is None:
            return 0
        return int(needs.output_size_in_bytes + needs.temp_size_in_bytes - needs.alias_size_in_bytes)

    def _arguments(self, parts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Those of the arguments, donated ones apart."""
        donated = self._recipe.donated
        names = [name for name, _ in self._recipe.arguments]
        of = lambda which: {name: parts[name] for name in names if (name in donated) == which}
        return of(True), of(False)


def make_piece(
    function: Callable[..., Mapping[str, PyTree]],
    arguments: Mapping[str, PyTree],
    places: Places,
    shared: tuple[str, ...] = (),
    donated: tuple[str, ...] = (),
    precision: str | None = None,
    keep: bool = True,
) -> Piece:
    """The piece of a function, not compiled yet unless another program has asked for the same.

    Args:
        function: of one lane, from arguments to results by name; told apart by identity.
        arguments: trees of code and arrays, of which abstract ones do.
        places: where and how lanes run.
        shared: names of the arguments that all lanes share.
        donated: names of the arguments whose memory the results may take.
        precision: of matrix products; JAX's by default.
        keep: whether it is kept for other programs.
    """
    forms = tuple((name, Form.of(tree)) for name, tree in arguments.items())
    shared_here = frozenset(name for name in shared if name in arguments)
    recipe = _Recipe(function, forms, shared_here, frozenset(donated), precision, places)
    return _kept(recipe) if keep else Piece(recipe)


_kept = functools.lru_cache(MOST_KEPT)(Piece)


def forget() -> None:
    """Keeps no pieces any more: those that are asked for next are compiled anew."""
    _kept.cache_clear()


def selection(
    function: Callable[..., Mapping[str, PyTree]], arguments: Mapping[str, PyTree]
) -> Callable[[Parts], Parts] | None:
    """A function that only picks leaves of its arguments, without a program; None if it computes something.

    Args:
        function: from arguments to results by name.
        arguments: trees of code and arrays, of which abstract ones do.
    """
    forms = {name: Form.of(tree) for name, tree in arguments.items()}

    def flat(parts: Parts) -> Parts:
        results = function(**{name: forms[name].fill(leaves) for name, leaves in parts.items()})
        return {name: tuple(filter(eqx.is_array, jax.tree.leaves(result))) for name, result in results.items()}

    jaxpr, shapes = jax.make_jaxpr(flat, return_shape=True)({name: form.arrays for name, form in forms.items()})
    places = [(name, number) for name, form in sorted(forms.items()) for number in range(len(form.arrays))]
    from_where = dict(zip(jaxpr.jaxpr.invars, places, strict=True))
    if not all(isinstance(one, core.Var) and one in from_where for one in jaxpr.jaxpr.outvars):
        return None
    picked = jax.tree.unflatten(jax.tree.structure(shapes), [from_where[variable] for variable in jaxpr.jaxpr.outvars])
    return lambda parts: {name: tuple(parts[one][number] for one, number in leaves) for name, leaves in picked.items()}


def stacked_shapes(tree: Any, number: int) -> Any:
    """Shapes and dtypes of a stack of trees like this one."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((number, *x.shape), x.dtype), tree)


def form_bytes(forms: Any) -> int:
    """Bytes of the arrays of forms."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for form in forms for leaf in form.arrays)


def _is_abstract(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)
