"""Lanes: the runs of a batch, in compiled programs for their steps, from one of which the host goes to the next.

Lanes share their shapes and code and differ in seeds and scalars. On a CPU they run one after another (`map`), one at a
time on each device: narrow layers thread badly when batched, and a lane then computes exactly what it would alone. On
accelerators they run together (`vmap`), and a run's last bits depend on the width of the program, which is recorded.
"""

import dataclasses
import functools
import hashlib
import json
import operator
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, cast, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from reppo.environments import AbstractEnvironment
from reppo.errors import require
from reppo.runtime.machine import return_freed_memory, usable_cores
from reppo.spec import Spec
from reppo.summary import Summary
from reppo.training.faults import suspects
from reppo.training.loop import FIELDS, ChunkReport, TrainState, make_environment, state_of
from reppo.training.memory import abstract_state, lane_bytes, tree_bytes
from reppo.training.pieces import Form, Piece, Places, form_bytes, make_piece, selection, stacked_shapes
from reppo.training.programs import AbstractProgram, LaneView
from reppo.training.steps import (
    TRAITS,
    Call,
    Order,
    Parts,
    Step,
    Traits,
    act,
    arguments,
    begin,
    learn,
    policy_of,
    require_same_form,
)

_SHARED = ("environment", "rows")
"""The arguments of steps that all lanes share."""

_TOLD = {*FIELDS, "so_far", "evaluated", "evaluation_metrics"}
"""The parts that are taken from the lanes of one time to the host."""


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
        metrics: summaries over the updates and steps since the last evaluation, `[lane, metric]`.
    """

    arrays: Any
    metrics: Summary


@final
class BatchProgram(AbstractProgram):
    """The compiled programs of a batch, environments included.

    Compilation is explicit (`compile`), so that it can be timed apart. Batches of one width whose specs share a
    `compile_key` share them. States are stacked, `[lane, ...]`; those of a CPU lie in host memory between calls.

    Attributes:
        width: number of lanes.
        mode: how they run, `"map"` or `"vmap"`.
        at_once: lanes that train at the same time, on all devices.
        compile_seconds: how long tracing and compilation of its steps took, added up, whoever asked for them first.
        bytes: memory of the arrays of the lanes that train at the same time, on all devices, as the compiler laid them
            out; 0 before compilation, and where the backend does not tell.
        shared_steps: how many of its steps another program had compiled before.

    Raises:
        ConfigurationError: if there are not as many devices as are asked for.
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
            devices: most devices to split the lanes over, from 1 to those of this process; `lane_devices()` by default.
        """
        self.width = width
        self.mode = mode
        self.compile_seconds = 0.0
        self.bytes = 0
        self.shared_steps = 0
        self._saves_data = spec.algorithm.saves_data
        devices = lane_devices() if devices is None else devices
        here = len(jax.local_devices())
        require(1 <= devices <= here, f"Lanes are to be split over {devices} devices; give 1 to {here}, as there are.")
        self.at_once = lanes_at_once(mode, width, devices)
        self._places = Places(mode, self.at_once, _devices_used(width, devices))
        environment = make_environment(spec, self.at_once // self._places.devices)
        self._precision = spec.matmul_precision
        self._order = Order.of(spec, environment)
        self._constants = self._order.constants(spec, environment)
        self._shared = {
            name: jax.device_put(tuple(filter(eqx.is_array, jax.tree.leaves(tree))), self._places.whole)
            for name, tree in self._constants.items()
            if name != "method"
        }
        self._is_compiled = False

    @property
    def abstract_states(self) -> LaneStates:
        """Shapes and dtypes of the states of all lanes."""
        return stacked_shapes(self._abstract_lanes, self.width)

    def saved(self, states: LaneStates) -> LaneStates:
        """All but the algorithm's data, where it does not save them."""
        states = states._replace(metrics={self._metrics_digest: states.metrics})
        return states if self._saves_data else _with_data(states, ())

    def restored(self, saved: LaneStates, specs: Sequence[Spec], seeds: Sequence[int]) -> LaneStates:
        """The states that were saved; data that were not begin anew."""
        saved = saved._replace(metrics=cast(Any, saved.metrics)[self._metrics_digest])
        return saved if self._saves_data else _with_data(saved, self._fresh_data(specs, seeds))

    def _fresh_data(self, specs: Sequence[Spec], seeds: Sequence[int]) -> Any:
        """The algorithm's data before training, of all lanes; compiles nothing but what makes them."""
        environment, sizes = self._constants["environment"], self._order.sizes
        fresh = lambda method, seed: begin(method, environment, seed, sizes)["algorithm"].data
        made = eqx.filter_jit(eqx.filter_vmap(fresh, in_axes=(None, 0)))
        return jax.tree.map(np.asarray, made(specs[0].algorithm, self._pad(seeds)))

    @property
    def _metrics_digest(self) -> str:
        """Stands for the names of metrics, so that no summary is taken for that of another metric."""
        return hashlib.sha256(json.dumps(self.metric_names).encode()).hexdigest()[:16]

    @functools.cached_property
    def _abstract_lanes(self) -> LaneStates:
        """The states of one lane."""
        arrays = eqx.filter(self._pieces.state.tree(), lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
        return LaneStates(arrays, _no_metrics(self.metric_names))

    @functools.cached_property
    def _pieces(self) -> "_Pieces":
        """The programs of the steps, made by going through them in their order with shapes alone."""
        pieces = _Pieces()
        learned = eqx.filter_jit(learn)  # traced once, for the names of its metrics and for what is compiled

        def call(step: Step, now: Parts) -> Parts:
            given = {name: now[name] for name in arguments(step)}
            traits = TRAITS.get(step, Traits())
            make = functools.partial(
                make_piece,
                places=self._places,
                shared=_SHARED,
                donated=traits.changes,
                precision=self._precision if traits.own_precision else "highest",
                keep=not traits.of_one_algorithm,
            )
            if step is policy_of and (pick := selection(step, given)):
                pieces.calls[step] = pick
                return eqx.filter_eval_shape(step, **given)
            if step is learn:
                pieces.metrics += make(learned, given, donated=()).results["metrics"].tree()
                so_far = {"so_far": _no_metrics(pieces.metrics), "names": tuple(pieces.metrics)}
                merged = functools.update_wrapper(functools.partial(_merged, learned), learn)
                piece = make(merged, given | so_far, donated=(*traits.changes, "so_far"))
            else:
                piece = make(step, given)
            pieces.calls[step] = piece
            pieces.results.update(piece.results)
            return {name: form.tree() for name, form in piece.results.items()}

        seed = jax.ShapeDtypeStruct((), jnp.uint32)
        first = self._order.first(call, self._constants | {"seed": seed})
        pieces.state = Form.of(eqx.filter_eval_shape(state_of, first))
        now = self._constants | {name: first[name] for name in FIELDS}
        after = self._order.iteration(call, now)
        for name in FIELDS:
            require_same_form(name, now[name], after[name])
        self._order.evaluation(call, after)
        return pieces

    def trace(self) -> tuple[Any, ...]:
        """Traces all programs, without compiling them."""
        return tuple(piece.traced for piece in self._pieces.programs.values())

    def compile(self) -> "BatchProgram":
        """Compiles all programs, once."""
        if not self._is_compiled:
            programs = self._pieces.programs
            self.shared_steps = sum(piece.is_compiled for piece in programs.values())
            for piece in programs.values():
                piece.lower()
            # XLA keeps more than one core busy with a program, and takes half a gigabyte for one of physics: in turn.
            of_physics = [piece for step, piece in programs.items() if "environment" in arguments(step)]
            others = [piece for piece in programs.values() if piece not in of_physics]
            with ThreadPoolExecutor(2 if usable_cores() > 2 else 1) as threads:
                list(threads.map(lambda pieces: [piece.compile() for piece in pieces], (of_physics, others)))
            return_freed_memory()
            self._is_compiled, self.bytes = True, self._laid_out()
            self.compile_seconds = sum(piece.seconds for piece in programs.values())
        return self

    def _laid_out(self) -> int:
        """Bytes of the states, and of the rollout and all else that the hungriest step needs beside them."""
        working = {step: piece.working_bytes for step, piece in self._pieces.programs.items()}
        if not any(working.values()):
            return 0
        of_a_device = self.at_once // self._places.devices
        working[learn] += form_bytes([self._pieces.results["trajectory"]]) * of_a_device
        sizes = self._order.sizes
        starts = form_bytes([self._pieces.results["starts"]]) * of_a_device if sizes.starts else 0
        working[act] += starts
        working[learn] += starts if sizes.sharing > 1 else 0  # they are kept for the next iteration
        return tree_bytes(self._abstract_lanes) * self.at_once + max(working.values()) * self._places.devices

    def start(self, specs: Sequence[Spec], seeds: Sequence[int]) -> LaneStates:
        """States before training; lanes beyond the given runs are padding."""
        after = self._over_lanes(self._order.first, specs, {"seed": (self._pad(seeds),)})
        return LaneStates(self._whole(after), self._nothing)

    def iterate(self, states: LaneStates, specs: Sequence[Spec], iterations: int) -> LaneStates:
        """Trains every lane for a number of iterations. Consumes `states`."""
        sharing = self._order.sizes.sharing

        def repeated(call: Call, now: Parts) -> Parts:
            for done in range(iterations):
                drawn = done > 0 and sharing > 1 and bool(np.all(np.asarray(now["iteration"][0]) % sharing))
                now = self._order.iteration(call, now, drawn)
            return now

        after = self._over_lanes(repeated, specs, self._parts(states))
        return LaneStates(self._whole(after), self._fill("so_far", after))

    def assess(self, states: LaneStates, specs: Sequence[Spec]) -> tuple[LaneStates, ChunkReport]:
        """Evaluates every lane, and reports what was summarized since the last time."""
        after = self._over_lanes(self._order.evaluation, specs, self._parts(states))
        columns = jax.tree.map(lambda x: np.asarray(x).T, states.metrics)
        metrics = columns.apart(self.metric_names)
        metrics |= self._fill("evaluation_metrics", after)
        diverged_at = np.array(after["diverged_at"][0])  # a copy: the next update has the memory of the state's
        report = ChunkReport(self._fill("evaluated", after), metrics, diverged_at)
        return LaneStates(self._whole(after), self._nothing), report

    def time_steps(self, states: LaneStates, specs: Sequence[Spec]) -> tuple[LaneStates, dict[str, float]]:
        """One iteration and an evaluation; seconds of each of their programs, by name, each waited for.

        Consumes `states`.
        """
        seconds: defaultdict[str, float] = defaultdict(float)

        def one_by_one(call: Call, now: Parts) -> Parts:
            def waited(step: Step, now: Parts) -> Parts:
                begun = time.perf_counter()
                made = jax.block_until_ready(call(step, now))
                seconds[step.__name__] += time.perf_counter() - begun
                return made

            return self._order.evaluation(waited, self._order.iteration(waited, jax.block_until_ready(now)))

        after = self._over_lanes(one_by_one, specs, self._parts(states))
        return LaneStates(self._whole(after), self._nothing), {
            name: seconds[name] for name in self.steps if name in seconds
        }

    @property
    def steps(self) -> dict[str, Piece]:
        """The programs of the steps, by name."""
        return {step.__name__: piece for step, piece in self._pieces.programs.items()}

    @property
    def metric_names(self) -> Sequence[str]:
        """Names of what the metrics of states are summaries of."""
        return self._pieces.metrics

    @property
    def _nothing(self) -> Summary:
        """The summaries of all lanes after an evaluation."""
        return jax.tree.map(lambda x: np.repeat(np.asarray(x)[None], self.width, 0), _no_metrics(self.metric_names))

    def _parts(self, states: LaneStates) -> Parts:
        """The parts of the states of all lanes."""
        trees = {name: getattr(states.arrays, name) for name in FIELDS} | {"so_far": states.metrics}
        return {name: tuple(jax.tree.leaves(tree)) for name, tree in trees.items()}

    def _whole(self, now: Parts) -> Any:
        """The arrays of states, of their parts."""
        leaves = [leaf for name in FIELDS for leaf in now[name]]
        return jax.tree.unflatten(jax.tree.structure(self._abstract_lanes.arrays), leaves)

    def _fill(self, name: str, now: Parts) -> Any:
        return self._pieces.results[name].fill(now[name])

    def lane(self, states: LaneStates, number: int) -> TrainState:
        """The state of one lane.

        Args:
            states: of all lanes.
            number: of the lane, from 0.
        """
        return self._pieces.state.fill([leaf[number] for leaf in jax.tree.leaves(states.arrays)])

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
        return not np.any(np.asarray(states.metrics.count) > 0)

    def diverged_at(self, states: LaneStates) -> Int[np.ndarray, " lanes"]:
        """For each lane the iteration at which it diverged; -1 where it did not."""
        return np.asarray(states.arrays.diverged_at)

    def view(self, states: LaneStates, number: int, spec: Spec) -> LaneView:
        """What one lane, whose spec is given, is recorded by."""
        state = self.lane(states, number)
        diverged_at = int(state.diverged_at)
        named = suspects(spec.algorithm, state.algorithm, self.metric_names) if diverged_at >= 0 else ()
        by = named[int(state.diverged_by)] if named else None
        return LaneView(spec.algorithm.policy(state.algorithm), state.best_policy, diverged_at, by)

    def _over_lanes(self, steps: Callable[[Call, Parts], Parts], specs: Sequence[Spec], now: Parts) -> Parts:
        """Makes steps for as many lanes at once as programs are for, until those of the specs are done."""
        self.compile()
        calls, at_once = self._pieces.calls, self.at_once

        def call(step: Step, now: Parts) -> Parts:
            if step is act:  # a rollout is not made beside the update of the one before: both would hold memory
                jax.block_until_ready(now["iteration"])
            return calls[step](now)

        def made(own: Parts) -> Parts:
            # Arrays without elements lose their placement on the way, and restored states come from one device.
            after = steps(call, self._shared | {"names": ()} | jax.device_put(own, self._places.split))
            return {name: leaves for name, leaves in after.items() if name in _TOLD}

        own = now | {"method": self._stack(specs)}
        if self.mode == "vmap":
            return made(own)
        whole: Any = None
        for first in range(0, len(specs), at_once):
            lanes = slice(first, first + at_once)
            after = jax.tree.map(np.asarray, made(jax.tree.map(operator.itemgetter(lanes), own)))
            if whole is None:
                whole = jax.tree.map(lambda x: np.zeros((self.width, *x.shape[1:]), x.dtype), after)
            for all_lanes, some in zip(jax.tree.leaves(whole), jax.tree.leaves(after), strict=True):
                all_lanes[lanes] = some
        return whole

    def _stack(self, specs: Sequence[Spec]) -> tuple[Any, ...]:
        """The numbers of each lane's algorithm."""
        padded = [*specs, *[specs[-1]] * (self.width - len(specs))]
        numbers = [filter(eqx.is_array, jax.tree.leaves(spec.algorithm)) for spec in padded]
        return tuple(np.stack(x) for x in zip(*numbers, strict=True))

    def _pad(self, seeds: Sequence[int]) -> Any:
        return np.array([*seeds, *[seeds[-1]] * (self.width - len(seeds))], np.uint32)


def _with_data(states: LaneStates, data: Any) -> LaneStates:
    is_nothing = lambda node: isinstance(node, tuple) and not node
    return eqx.tree_at(lambda states: states.arrays.algorithm.data, states, data, is_leaf=is_nothing)


@final
@dataclasses.dataclass
class _Pieces:
    """The programs of a batch.

    Attributes:
        calls: what makes a step.
        metrics: names of the metrics of an iteration.
        results: the forms of what steps give, by their names.
        state: the form of a lane's `TrainState`.
    """

    calls: dict[Step, Callable[[Parts], Parts]] = dataclasses.field(default_factory=dict)
    metrics: list[str] = dataclasses.field(default_factory=list)
    results: dict[str, Form] = dataclasses.field(default_factory=dict)
    state: Form = Form.of(())

    @property
    def programs(self) -> dict[Step, Piece]:
        """The steps that are programs, all but a choice of parts."""
        return {step: piece for step, piece in self.calls.items() if isinstance(piece, Piece)}


def _merged(learn: Step, so_far: Summary, names: tuple[str, ...], **given: Any) -> Parts:
    """What `learn` gives, with its metrics merged into those so far."""
    results = learn(**given)
    metrics = results.pop("metrics")
    return results | {"so_far": so_far.merge(Summary.together(metrics[name] for name in names))}


def _no_metrics(names: Sequence[str]) -> Summary:
    return Summary.together([Summary.none()] * len(names))
