"""One run as plain functions: collect, make targets, improve, evaluate. Sweeps make the same steps in lanes."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree, UInt32

from reppo.algorithms import AlgorithmState
from reppo.environments import AbstractEnvironment, EpisodeState
from reppo.rollout import AbstractPolicy, Evaluated
from reppo.spec import Spec
from reppo.summary import Summary
from reppo.training.steps import Order, Parts, plainly


class TrainState(eqx.Module):
    """All that evolves in a run, and so all that a checkpoint holds.

    No random key is in it: each is derived from the seed, its purpose and the iteration.

    Attributes:
        seed: the run's seed.
        iteration: iterations done. Environment steps are this times the algorithm's steps per iteration.
        algorithm: the algorithm's state.
        episodes: states of the training environments, `[environment, ...]`.
        memory: the policy's memories, likewise.
        evaluation_starts: the starts of the evaluation episodes, `[episode, ...]`, the same at every evaluation.
        diverged_at: the iteration whose update gave numbers that are not finite; -1 if none did. From then on
            the algorithm's state stands still at the last finite one.
        diverged_by: the place in `faults.suspects` of the first quantity of that iteration that was not finite; -1 if
            none was.
        best_return: mean return of the best evaluation so far.
        best_broken: its number of episodes in which the simulation broke. Fewer of them are better than any return.
        best_policy: the policy of that evaluation.
    """

    seed: UInt32[Array, ""]
    iteration: Int[Array, ""]
    algorithm: AlgorithmState
    episodes: EpisodeState
    memory: PyTree
    evaluation_starts: EpisodeState
    diverged_at: Int[Array, ""]
    diverged_by: Int[Array, ""]
    best_return: Float[Array, ""]
    best_broken: Int[Array, ""]
    best_policy: AbstractPolicy


FIELDS = tuple(field.name for field in dataclasses.fields(TrainState))
"""The parts of a run that are its state."""


class ChunkReport(eqx.Module):
    """What is told of the iterations since the last evaluation, and of the one after them.

    Attributes:
        evaluated: outcome of the evaluation at its end.
        metrics: summaries over all updates and steps of the iterations, and over the episodes of the evaluation.
        diverged_at: as in the state.
    """

    evaluated: Evaluated
    metrics: dict[str, Summary]
    diverged_at: Int[Array | np.ndarray, "*lanes"]

    @property
    def evaluation_steps(self) -> int:
        """Environment steps of the evaluation, of all lanes: the episodes of each go on until its last one is over.

        Where lanes run together (`vmap`) all of them take as many as the longest; those are not counted here.
        """
        lengths = np.asarray(self.evaluated.episode_length)
        return int(lengths.max(axis=-1).sum()) * lengths.shape[-1]


def init(
    spec: Spec, seed: UInt32[Array, ""] | Int[Array, ""] | int, environment: AbstractEnvironment | None = None
) -> TrainState:
    """The state of a run before training.

    Args:
        spec: a resolved spec.
        seed: the run's seed, a whole number from 0 to 2^32 - 1.
        environment: `make_environment(spec)`, where it was made already.
    """
    order, constants = _order(spec, environment)
    return state_of(order.first(plainly, constants | {"seed": jnp.asarray(seed, jnp.uint32)}))


def _in_its_precision(function: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a function of a spec with the precision of matrix products that the spec asks for."""

    @functools.wraps(function)
    def inside(spec: Spec, *arguments: Any) -> Any:
        with jax.default_matmul_precision(spec.matmul_precision):
            return function(spec, *arguments)

    return inside


def train_chunk(
    spec: Spec,
    state: TrainState,
    iterations: Int[Array, ""] | int,
    environment: AbstractEnvironment | None = None,
) -> tuple[TrainState, ChunkReport]:
    """A number of iterations, then an evaluation.

    Args:
        spec: a resolved spec.
        state: as `init` or an earlier chunk gave it.
        iterations: how many; traced, so that any number runs the same program. 0 only evaluates.
        environment: `make_environment(spec)`, where it was made already.
    """
    environment = make_environment(spec) if environment is None else environment
    arrays, static = eqx.partition(state, eqx.is_array)

    @jax.jit  # traced once, for the names of its metrics and for the loop
    def step(arrays: PyTree) -> tuple[PyTree, dict[str, Summary]]:
        state, metrics = iterate(spec, eqx.combine(arrays, static), environment)
        return eqx.filter(state, eqx.is_array), metrics

    def body(_: Array, carry: tuple[PyTree, dict[str, Summary]]) -> tuple[PyTree, dict[str, Summary]]:
        arrays, new = step(carry[0])
        return arrays, {name: metric.merge(new[name]) for name, metric in carry[1].items()}

    nothing = {name: Summary.none() for name in jax.eval_shape(step, arrays)[1]}
    arrays, metrics = jax.lax.fori_loop(0, iterations, body, (arrays, nothing))
    return assess(spec, eqx.combine(arrays, static), metrics, environment)


@_in_its_precision
def iterate(
    spec: Spec, state: TrainState, environment: AbstractEnvironment | None = None
) -> tuple[TrainState, dict[str, Summary]]:
    """One iteration: collect with the current policy, learn from what was collected."""
    order, constants = _order(spec, environment)
    after = order.iteration(plainly, constants | _parts(state))
    return state_of(after), after["metrics"]


@_in_its_precision
def assess(
    spec: Spec, state: TrainState, metrics: dict[str, Summary], environment: AbstractEnvironment | None = None
) -> tuple[TrainState, ChunkReport]:
    """Evaluates the current policy, keeps it if it is the best so far, and adds the episodes' metrics to others."""
    order, constants = _order(spec, environment)
    after = order.evaluation(plainly, constants | _parts(state))
    metrics = metrics | after["evaluation_metrics"]
    return state_of(after), ChunkReport(after["evaluated"], metrics, state.diverged_at)


def make_environment(spec: Spec, lanes: int = 1) -> AbstractEnvironment:
    """The environment of a spec, with room for the copies that so many lanes reset or step at the same time."""
    return spec.environment.make().with_worlds(lanes * (spec.algorithm.num_environments + spec.evaluation.episodes))


def state_of(parts: Parts) -> TrainState:
    """The state among the parts of a run."""
    return TrainState(**{name: parts[name] for name in FIELDS})


def _parts(state: TrainState) -> Parts:
    return {name: getattr(state, name) for name in FIELDS}


def _order(spec: Spec, environment: AbstractEnvironment | None) -> tuple[Order, Parts]:
    environment = make_environment(spec) if environment is None else environment
    order = Order.of(spec, environment)
    return order, order.constants(spec, environment)
