"""Lanes: the runs of a batch, in one compiled program each for `init` and `train_chunk`.

Lanes share their shapes and code and differ in seeds and scalars. On a CPU they run one after another (`map`): narrow
layers thread badly when batched, and a lane then computes exactly what it would alone. On accelerators they run
together (`vmap`), and a run's last bits depend on the width of the program, which is therefore recorded.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reppo.environments import AbstractEnvironment
from reppo.spec import Spec
from reppo.training.loop import ChunkReport, TrainState, init, train_chunk


def lanes_mode() -> str:
    """How lanes run on this machine's default backend: `"map"` on CPUs, `"vmap"` elsewhere."""
    return "map" if jax.default_backend() == "cpu" else "vmap"


def compile_key(spec: Spec) -> Any:
    """What two specs must share to run in one program: all but the values of their scalars."""
    arrays, code = eqx.partition(spec, eqx.is_array)
    leaves, structure = jax.tree.flatten(code)
    return jax.tree.structure(arrays), structure, tuple(leaves)


class BatchProgram:
    """The compiled programs of a batch.

    Compilation is explicit (`compile`), so that it can be timed apart and done ahead, in another thread. Batches of
    one width whose specs share a `compile_key` share a program.
    """

    def __init__(
        self,
        spec: Spec,
        width: int,
        mode: str,
        environment: AbstractEnvironment | None = None,
        devices: int | None = None,
    ):
        """Prepares, but does not compile.

        Args:
            spec: any spec of the group.
            width: number of lanes.
            mode: `"map"` or `"vmap"`.
            environment: `spec.environment.make()`, where it was made already.
            devices: most devices to split the lanes over; all of this process by default.
        """
        self.width = width
        self.mode = mode
        self.compile_seconds = 0.0
        environment = spec.environment.make() if environment is None else environment
        self._environment, static_environment = eqx.partition(environment, eqx.is_array)
        scalars, static_spec = eqx.partition(spec, eqx.is_array)
        state = eqx.filter_eval_shape(init, spec, 0, environment)
        is_abstract = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
        self._abstract_lane, self._static_state = eqx.partition(state, is_abstract)
        batched = lambda tree: jax.tree.map(lambda x: jax.ShapeDtypeStruct((width, *x.shape), x.dtype), tree)
        self._scalars = batched(scalars)

        def init_lane(lane: tuple[Any, Any], environment: Any) -> Any:
            scalars, seed = lane
            spec, environment = eqx.combine(scalars, static_spec), eqx.combine(environment, static_environment)
            return eqx.filter(init(spec, seed, environment), eqx.is_array)

        def chunk_lane(lane: tuple[Any, Any], environment: Any, iterations: Any) -> tuple[Any, ChunkReport]:
            scalars, arrays = lane
            spec, environment = eqx.combine(scalars, static_spec), eqx.combine(environment, static_environment)
            state, report = train_chunk(spec, eqx.combine(arrays, self._static_state), iterations, environment)
            return eqx.filter(state, eqx.is_array), report

        # Lanes are split evenly over the devices of this process; each device runs its own as if there were no others.
        count = max(n for n in range(1, (devices or len(jax.local_devices())) + 1) if width % n == 0)
        mesh = jax.sharding.Mesh(np.array(jax.local_devices()[:count]), ("lanes",))
        split, whole = jax.sharding.PartitionSpec("lanes"), jax.sharding.PartitionSpec()

        def compiled(function: Callable[..., Any], *sharding: Any, donate: tuple[int, ...] = ()) -> Any:
            sharded = jax.shard_map(function, mesh=mesh, in_specs=sharding, out_specs=split, check_vma=False)
            shardings = tuple(jax.sharding.NamedSharding(mesh, spec) for spec in sharding)
            return jax.jit(sharded, in_shardings=shardings, donate_argnums=donate)

        self._split = jax.sharding.NamedSharding(mesh, split)
        self._environment = jax.device_put(self._environment, jax.sharding.NamedSharding(mesh, whole))

        self._init_function = compiled(
            lambda scalars, seeds, active, environment: self._over_lanes(
                lambda lane: init_lane(lane, environment), (scalars, seeds), active
            ),
            *(split, split, split, whole),
        )
        self._chunk_function = compiled(
            lambda states, scalars, active, environment, iterations: self._over_lanes(
                lambda lane: chunk_lane(lane, environment, iterations), (scalars, states), active
            ),
            *(split, split, split, whole, whole),
            donate=(0,),
        )
        self._init: Callable[..., Any] | None = None
        self._chunk: Callable[..., Any] | None = None

    @property
    def abstract_states(self) -> Any:
        """Shapes and dtypes of the arrays of all lanes' states, as a checkpoint holds them."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((self.width, *x.shape), x.dtype), self._abstract_lane)

    def compile(self) -> "BatchProgram":
        """Compiles both programs, once; `compile_seconds` says how long it took, tracing included."""
        if self._chunk is None:
            start = time.perf_counter()
            seeds = jax.ShapeDtypeStruct((self.width,), jnp.uint32)
            active = jax.ShapeDtypeStruct((self.width,), bool)
            iterations = jax.ShapeDtypeStruct((), jnp.int32)
            self._init = self._init_function.lower(self._scalars, seeds, active, self._environment).compile()
            self._chunk = self._chunk_function.lower(
                self.abstract_states, self._scalars, active, self._environment, iterations
            ).compile()
            self.compile_seconds = time.perf_counter() - start
        return self

    def start(self, specs: Sequence[Spec], seeds: Sequence[int]) -> Any:
        """States before training, stacked; lanes beyond the given runs are padding."""
        self.compile()
        assert self._init is not None
        return self._init(self._stack(specs), self._pad(seeds, np.uint32), self._active(len(seeds)), self._environment)

    def advance(self, states: Any, specs: Sequence[Spec], iterations: int) -> tuple[Any, ChunkReport]:
        """Trains every lane for a number of iterations and evaluates it. Consumes `states`."""
        self.compile()
        assert self._chunk is not None
        # Restored states come from one device, and arrays without elements lose their placement on the way.
        states = jax.device_put(states, self._split)
        return self._chunk(
            states, self._stack(specs), self._active(len(specs)), self._environment, np.int32(iterations)
        )

    def lane(self, states: Any, number: int) -> TrainState:
        """The state of one lane."""
        return eqx.combine(jax.tree.map(lambda x: x[number], states), self._static_state)

    def _over_lanes(self, lane_function: Callable[[Any], Any], lanes: Any, active: Any) -> Any:
        if self.mode == "vmap":
            return jax.vmap(lane_function)(lanes)

        def one(item: tuple[Any, Any]) -> Any:
            lane, is_active = item
            function = jax.jit(lane_function)
            empty = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(function, lane))
            # A real branch, as lanes run one after another: padding costs nothing.
            return jax.lax.cond(is_active, function, lambda _: empty, lane)

        return jax.lax.map(one, (lanes, active))

    def _stack(self, specs: Sequence[Spec]) -> Any:
        padded = [*specs, *[specs[-1]] * (self.width - len(specs))]
        return jax.tree.map(lambda *x: np.stack(x), *[eqx.filter(spec, eqx.is_array) for spec in padded])

    def _pad(self, values: Sequence[int], dtype: Any) -> Any:
        return np.array([*values, *[values[-1]] * (self.width - len(values))], dtype)

    def _active(self, number: int) -> Any:
        return np.arange(self.width) < number
