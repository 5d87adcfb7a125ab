"""The memory that a lane needs while it trains, from abstract evaluation: nothing is compiled and nothing is run."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend import core

from reppo.rollout import Trajectory
from reppo.spec import Spec
from reppo.training.loop import TrainState, init
from reppo.training.steps import Order

LAYOUT_MARGIN = 1.1
"""Gaps in the layout of arrays: where nothing is fused away, XLA's was measured to take 1.07 times their bytes."""


def abstract_state(spec: Spec) -> TrainState:
    """The state of a run with a `jax.ShapeDtypeStruct` in place of each array."""
    return eqx.filter_eval_shape(init, spec, 0, spec.environment.make())


def lane_bytes(spec: Spec, state: TrainState | None = None) -> int:
    """Memory of one lane at the largest moment of an iteration, in bytes.

    That moment is mostly the algorithm's update: the state, the rollout, and all that is alive at once inside the
    update, by the sizes of its intermediate results in the order of the program, with `LAYOUT_MARGIN`; or the rollout,
    where the stored starts of a simulator's episodes are more. XLA fuses many intermediate results away, so that it is
    an upper estimate of the arrays; the simulator's own workspace and the compiler's memory are not in it.

    Args:
        spec: a resolved spec.
        state: `abstract_state(spec)`, where it is known already.
    """
    state = abstract_state(spec) if state is None else state
    trajectory = _abstract_trajectory(spec, state)
    arrays, code = eqx.partition(state.algorithm, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))

    def update(arrays: Any, trajectory: Any) -> Any:
        new, metrics = spec.algorithm.update(eqx.combine(arrays, code), trajectory, jax.random.key(0))
        return eqx.filter(new, eqx.is_array), metrics

    alive = _peak_bytes(jax.make_jaxpr(update)(arrays, trajectory).jaxpr)
    at_work = max(alive, 2 * _starts_bytes(spec, state))  # starts are drawn by row, and taken by environment
    return int(LAYOUT_MARGIN * (tree_bytes(state) + tree_bytes(trajectory) + at_work))


def tree_bytes(tree: Any) -> int:
    """Bytes of the arrays of a tree, abstract ones too."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype"))


def inner_programs(equation: core.JaxprEqn) -> list[core.Jaxpr]:
    """The programs inside of an equation: bodies of loops, branches, called functions."""
    found = []
    for parameter in equation.params.values():
        for value in parameter if isinstance(parameter, tuple | list) else (parameter,):
            value = value.jaxpr if isinstance(value, core.ClosedJaxpr) else value
            found += [value] if isinstance(value, core.Jaxpr) else []
    return found


def _starts_bytes(spec: Spec, state: TrainState) -> int:
    """Bytes of the starts of episodes that are drawn for a rollout."""
    sizes = Order.of(spec, spec.environment.make()).sizes
    return sizes.most_rows * tree_bytes((state.episodes.task, state.episodes.observation)) if sizes.starts else 0


def _abstract_trajectory(spec: Spec, state: TrainState) -> Trajectory:
    """The rollout of one iteration with a `jax.ShapeDtypeStruct` in place of each array."""
    time, number = spec.algorithm.rollout_length, spec.algorithm.num_environments
    first = lambda tree: jax.tree.map(lambda x: x[0], tree)
    stacked = lambda tree: jax.tree.map(lambda x: jnp.zeros((time, number, *jnp.shape(x)), x.dtype), tree)

    def rollout(state: TrainState) -> Trajectory:
        observation, memory, key = first(state.episodes.observation), first(state.memory), jax.random.key(0)
        action, _, extras = spec.algorithm.policy(state.algorithm)(memory, observation, key, False)
        row = (observation, action, extras, jnp.zeros(()), jnp.array(False), jnp.array(False), observation)
        return Trajectory(*map(stacked, row))

    return eqx.filter_eval_shape(rollout, state)


_IN_PLACE = ("scatter", "scatter-add", "dynamic_update_slice")
"""What writes into its first operand where nothing else needs it."""


def _peak_bytes(jaxpr: core.Jaxpr) -> int:
    """The most bytes of intermediate results that are alive at once, without the arguments.

    The state is an argument that is not needed afterwards, so that what is written into a part of it takes no more.
    """
    last_use = {}
    for place, equation in enumerate(jaxpr.eqns):
        last_use |= {variable: place for variable in equation.invars if isinstance(variable, core.Var)}
    last_use |= {variable: len(jaxpr.eqns) for variable in jaxpr.outvars if isinstance(variable, core.Var)}
    own = dict.fromkeys((*jaxpr.invars, *jaxpr.constvars), 0)  # bytes of each variable beside the arguments
    alive, peak = 0, 0
    for place, equation in enumerate(jaxpr.eqns):
        ending = {v for v in equation.invars if isinstance(v, core.Var) and last_use[v] == place}
        own |= {variable: _size(variable) for variable in equation.outvars}
        written = equation.invars[0] if equation.primitive.name in _IN_PLACE else None
        if isinstance(written, core.Var) and written in ending:  # its result stands where it stood
            ending.remove(written)
            own[equation.outvars[0]] = own[written]
            alive -= own[written]
        alive += sum(own[variable] for variable in equation.outvars)
        inside = max((_peak_bytes(inner) for inner in inner_programs(equation)), default=0)
        peak = max(peak, alive + inside)
        unused = [v for v in equation.outvars if v not in last_use]
        alive -= sum(own[variable] for variable in (*ending, *unused))
    return peak


def _size(variable: Any) -> int:
    shape, dtype = getattr(variable.aval, "shape", ()), getattr(variable.aval, "dtype", None)
    size = 1
    for length in shape:
        size *= length
    return size * (dtype.itemsize if dtype is not None else 0)
