"""Lanes: the runs of a batch, in compiled programs for their start, their iterations and their evaluation.

Lanes share their shapes and code and differ in seeds and scalars. On a CPU they run one after another (`map`), one at a
time on each device: narrow layers thread badly when batched, and a lane then computes exactly what it would alone. On
accelerators they run together (`vmap`), and a run's last bits depend on the width of the program, which is recorded.
"""

import functools
import operator
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from reppo.environments import AbstractEnvironment
from reppo.spec import Spec
from reppo.summary import Summary
from reppo.training.faults import suspects
from reppo.training.loop import ChunkReport, TrainState, assess, init, iterate, make_environment, repeat
from reppo.training.memory import abstract_state, lane_bytes, tree_bytes
from reppo.training.programs import AbstractProgram, LaneView


def lanes_mode() -> str:
    """How lanes run on this machine's default backend: `"map"` on CPUs, `"vmap"` elsewhere."""
    return "map" if jax.default_backend() == "cpu" else "vmap"


def lane_devices() -> int:
    """How many devices lanes are split over: all of this process, and with jax 0.11 a single one.

    Both partitioners of jaxlib 0.11.2 end the process while they compile a physics engine for several devices.
    """
    return len(jax.local_devices()) if jax.__version_info__ < (0, 11) else 1


def lanes_at_once(mode: str, width: int, devices: int) -> int:
    """Lanes that train at the same time: all of them, or one on each device that the width can be split over evenly."""
    return width if mode == "vmap" else _devices_used(width, devices)


def _devices_used(width: int, devices: int) -> int:
    return max(number for number in range(1, devices + 1) if width % number == 0)


def compile_key(spec: Spec) -> Any:
    """What two specs must share to run in one program: all but the values of their scalars."""
    arrays, code = eqx.partition(spec, eqx.is_array)
    leaves, structure = jax.tree.flatten(code)
    return jax.tree.structure(arrays), structure, tuple(leaves)


@final
class LaneStates(NamedTuple):
    """The states of all lanes, stacked, `[lane, ...]`.

    Attributes:
        arrays: the arrays of each lane's `TrainState`.
        metrics: summaries over the updates and steps since the last evaluation.
    """

    arrays: Any
    metrics: dict[str, Summary]


@final
class BatchProgram(AbstractProgram):
    """The compiled programs of a batch, environments included.

    Compilation is explicit (`compile`), so that it can be timed apart. Batches of one width whose specs share a
    `compile_key` share them. States are stacked, `[lane, ...]`; those of a CPU lie in host memory between calls.

    Attributes:
        width: number of lanes.
        mode: how they run, `"map"` or `"vmap"`.
        compile_seconds: how long tracing and compilation took.
        bytes: memory of the arrays of the lanes that train at the same time, on all devices, as the compiler laid them
            out; 0 before compilation, and where the backend does not tell.
        abstract_state: the state of one lane with a `jax.ShapeDtypeStruct` in place of each array.
    """

    def __init__(
        self,
        spec: Spec,
        width: int,
        mode: str,
        devices: int | None = None,
    ):
        """Prepares, but does not compile.

        Args:
            spec: any spec of the group.
            width: number of lanes.
            mode: `"map"` or `"vmap"`.
            devices: most devices to split the lanes over; `lane_devices()` by default.
        """
        self.width = width
        self.mode = mode
        self.compile_seconds = 0.0
        self.bytes = 0
        self._saves_data = spec.algorithm.saves_data
        devices = lane_devices() if devices is None else devices
        self._at_once = lanes_at_once(mode, width, devices)
        used = _devices_used(width, devices)
        environment = make_environment(spec, self._at_once // used)
        environment_arrays, static_environment = eqx.partition(environment, eqx.is_array)
        scalars, static_spec = eqx.partition(spec, eqx.is_array)
        self.abstract_state = eqx.filter_eval_shape(init, spec, 0, environment)
        is_abstract = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
        self._abstract_lane, self._static_state = eqx.partition(self.abstract_state, is_abstract)
        self._abstract_scalars = scalars

        def init_lane(scalars: Any, seed: Any, environment: Any) -> Any:
            spec, environment = whole_spec(scalars, environment)
            return eqx.filter(init(spec, seed, environment), eqx.is_array)

        def whole_spec(scalars: Any, environment: Any) -> tuple[Spec, Any]:
            return eqx.combine(scalars, static_spec), eqx.combine(environment, static_environment)

        @jax.jit  # traced once, for the names of its metrics and for the loop
        def step(scalars: Any, arrays: Any, environment: Any) -> tuple[Any, dict[str, Summary]]:
            spec, environment = whole_spec(scalars, environment)
            state, metrics = iterate(spec, eqx.combine(arrays, self._static_state), environment)
            return eqx.filter(state, eqx.is_array), metrics

        def step_lane(scalars: Any, arrays: Any, environment: Any) -> dict[str, Summary]:
            return step(scalars, arrays, environment)[1]

        def iterate_lane(scalars: Any, states: LaneStates, environment: Any, iterations: Any) -> LaneStates:
            return LaneStates(*repeat(lambda arrays: step(scalars, arrays, environment), *states, iterations))

        def assess_lane(scalars: Any, states: LaneStates, environment: Any) -> tuple[LaneStates, ChunkReport]:
            spec, environment = whole_spec(scalars, environment)
            state = eqx.combine(states.arrays, self._static_state)
            state, report = assess(spec, state, states.metrics, environment)
            nothing = {name: Summary.none() for name in states.metrics}
            return LaneStates(eqx.filter(state, eqx.is_array), nothing), report

        # Lanes are split evenly over the devices of this process; each device runs its own as if there were no others.
        mesh = jax.sharding.Mesh(np.array(jax.local_devices()[:used]), ("lanes",))
        split, whole = jax.sharding.PartitionSpec("lanes"), jax.sharding.PartitionSpec()
        self._split = jax.sharding.NamedSharding(mesh, split)
        self._whole = jax.sharding.NamedSharding(mesh, whole)
        self._environment = jax.device_put(environment_arrays, self._whole)

        def program(lane_function: Callable[..., Any], *shared: Any, donate: bool = True) -> Any:
            def on_device(scalars: Any, lanes: Any, *shared: Any) -> Any:
                function = lambda scalars, lane: lane_function(scalars, lane, *shared)
                if mode == "vmap":
                    return jax.vmap(function)(scalars, lanes)
                only = jax.tree.map(lambda x: x.reshape(x.shape[1:]), (scalars, lanes))
                return jax.tree.map(lambda x: x[None], function(*only))

            specs = (split, split, *shared)
            sharded = jax.shard_map(on_device, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)
            shardings = tuple(jax.sharding.NamedSharding(mesh, spec) for spec in specs)
            return jax.jit(sharded, in_shardings=shardings, donate_argnums=(1,) if donate else ())

        self._step_function = program(step_lane, whole)
        self._functions = (
            program(init_lane, whole),
            program(iterate_lane, whole, whole),
            program(assess_lane, whole, donate=False),  # metrics go through it untouched, which JAX would warn of
        )
        self._init: Callable[..., Any] | None = None
        self._iterate: Callable[..., Any] | None = None
        self._assess: Callable[..., Any] | None = None

    @property
    def abstract_states(self) -> LaneStates:
        """Shapes and dtypes of the states of all lanes."""
        return _stacked_shapes(self._abstract_lanes, self.width)

    def saved(self, states: LaneStates) -> LaneStates:
        """All but the algorithm's data, where it does not save them."""
        return states if self._saves_data else _with_data(states, ())

    def restored(self, saved: LaneStates, specs: Sequence[Spec], seeds: Sequence[int]) -> LaneStates:
        """The states that were saved; data that were not begin anew."""
        return saved if self._saves_data else _with_data(saved, self.start(specs, seeds).arrays.algorithm.data)

    @functools.cached_property
    def _abstract_lanes(self) -> LaneStates:
        """The states of one lane."""
        scalars, arrays = (_stacked_shapes(x, self._at_once) for x in (self._abstract_scalars, self._abstract_lane))
        names = jax.eval_shape(self._step_function, scalars, arrays, self._environment)
        return LaneStates(self._abstract_lane, {name: Summary.none() for name in names})

    def trace(self) -> tuple[Any, Any, Any]:
        """Traces the programs of start, iterations and evaluation, without compiling them."""
        of_start, of_iterations, of_evaluation = self._functions
        scalars, states = (_stacked_shapes(x, self._at_once) for x in (self._abstract_scalars, self._abstract_lanes))
        seeds = jax.ShapeDtypeStruct((self._at_once,), jnp.uint32)
        return (
            of_start.trace(scalars, seeds, self._environment),
            of_iterations.trace(scalars, states, self._environment, jax.ShapeDtypeStruct((), jnp.int32)),
            of_evaluation.trace(scalars, states, self._environment),
        )

    def compile(self) -> "BatchProgram":
        """Compiles all programs, once; `compile_seconds` says how long it took, tracing included."""
        if self._iterate is None:
            start = time.perf_counter()
            lowered = [traced.lower() for traced in self.trace()]
            # At the same time: XLA keeps little more than one core busy with one program.
            with ThreadPoolExecutor() as threads:
                self._init, self._iterate, self._assess = threads.map(lambda program: program.compile(), lowered)
            self.bytes = max(map(_laid_out, (self._iterate, self._assess))) * self._split.mesh.size
            self.compile_seconds = time.perf_counter() - start
        return self

    def start(self, specs: Sequence[Spec], seeds: Sequence[int]) -> LaneStates:
        """States before training; lanes beyond the given runs are padding."""
        self.compile()
        arrays = self._over_lanes(self._init, specs, self._pad(seeds))
        nothing = jax.tree.map(lambda x: np.repeat(x[None], self.width, 0), self._abstract_lanes.metrics)
        return LaneStates(arrays, nothing)

    def iterate(self, states: LaneStates, specs: Sequence[Spec], iterations: int) -> LaneStates:
        """Trains every lane for a number of iterations. Consumes `states`."""
        self.compile()
        return self._over_lanes(self._iterate, specs, states, np.int32(iterations))

    def assess(self, states: LaneStates, specs: Sequence[Spec]) -> tuple[LaneStates, ChunkReport]:
        """Evaluates every lane, and reports what was summarized since the last time."""
        self.compile()
        return self._over_lanes(self._assess, specs, states)

    def lane(self, states: LaneStates, number: int) -> TrainState:
        """The state of one lane.

        Args:
            states: of all lanes.
            number: of the lane, from 0.
        """
        return eqx.combine(jax.tree.map(lambda x: x[number], states.arrays), self._static_state)

    @classmethod
    def fits(cls, spec: Spec) -> bool:
        """Every spec whose environment can be compiled."""
        return isinstance(spec.environment.make(), AbstractEnvironment)

    @classmethod
    def needed_bytes(cls, spec: Spec) -> tuple[int, int]:
        """`lane_bytes` of a spec, and the bytes of its state, from tracing its update."""
        state = abstract_state(spec)
        return lane_bytes(spec, state), tree_bytes(state)

    def is_evaluated(self, states: LaneStates) -> bool:
        """Whether nothing was summarized since the last evaluation, so that there was no iteration either."""
        return not any(np.any(metric.count > 0) for metric in states.metrics.values())

    def diverged_at(self, states: LaneStates) -> Int[np.ndarray, " lanes"]:
        """For each lane the iteration at which it diverged; -1 where it did not."""
        return np.asarray(states.arrays.diverged_at)

    def view(self, states: LaneStates, number: int, spec: Spec) -> LaneView:
        """What one lane, whose spec is given, is recorded by."""
        state = self.lane(states, number)
        diverged_at = int(state.diverged_at)
        named = suspects(spec.algorithm, state.algorithm, states.metrics) if diverged_at >= 0 else ()
        by = named[int(state.diverged_by)] if named else None
        return LaneView(spec.algorithm.policy(state.algorithm), state.best_policy, diverged_at, by)

    def _over_lanes(self, program: Any, specs: Sequence[Spec], lanes: Any, *shared: Any) -> Any:
        """Runs a program on as many lanes at once as it is for, until those of the specs are done."""
        # Arrays without elements lose their placement on the way, and restored states come from one device.
        place = lambda part: jax.device_put(part, self._split)
        both, shared = (self._stack(specs), lanes), (self._environment, *shared)
        if self.mode == "vmap":
            return program(*place(both), *shared)
        parts = []
        for first in range(0, len(specs), self._at_once):
            part = jax.tree.map(operator.itemgetter(slice(first, first + self._at_once)), both)
            parts.append(jax.tree.map(np.asarray, program(*place(part), *shared)))
        missing = self.width - len(parts) * self._at_once
        return jax.tree.map(lambda *x: np.concatenate([*x, np.zeros((missing, *x[0].shape[1:]), x[0].dtype)]), *parts)

    def _stack(self, specs: Sequence[Spec]) -> Any:
        padded = [*specs, *[specs[-1]] * (self.width - len(specs))]
        return jax.tree.map(lambda *x: np.stack(x), *[eqx.filter(spec, eqx.is_array) for spec in padded])

    def _pad(self, seeds: Sequence[int]) -> Any:
        return np.array([*seeds, *[seeds[-1]] * (self.width - len(seeds))], np.uint32)


def _with_data(states: LaneStates, data: Any) -> LaneStates:
    is_nothing = lambda node: isinstance(node, tuple) and not node
    return eqx.tree_at(lambda states: states.arrays.algorithm.data, states, data, is_leaf=is_nothing)


def _laid_out(compiled: Any) -> int:
    """Bytes of the arrays of a compiled program, on one device."""
    needs = compiled.memory_analysis()
    if needs is None:
        return 0
    whole = needs.argument_size_in_bytes + needs.output_size_in_bytes + needs.temp_size_in_bytes
    return int(whole - needs.alias_size_in_bytes)


def _stacked_shapes(tree: Any, number: int) -> Any:
    """Shapes and dtypes of a stack of trees like this one."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((number, *x.shape), x.dtype), tree)
