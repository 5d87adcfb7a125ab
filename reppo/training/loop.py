"""The training loop of one run: collect, make targets, improve, evaluate."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, UInt32

from reppo.algorithms import AlgorithmState
from reppo.environments import AbstractEnvironment, Episodes, EpisodeState
from reppo.environments.contract import where_tree
from reppo.keys import subkey
from reppo.rollout import (
    AbstractPolicy,
    EpisodeEnds,
    Evaluated,
    collect,
    evaluate,
    evaluation_memories,
    start_keys,
)
from reppo.spec import Spec
from reppo.summary import Summary
from reppo.training.faults import all_finite, first_fault

MOST_STARTS = 8
"""Most stored starts of an environment: memory of as many states of the task, and as many resets an iteration."""


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


class ChunkReport(eqx.Module):
    """What a chunk tells the host.

    Attributes:
        evaluated: outcome of the evaluation at its end.
        metrics: summaries over all updates and steps of the chunk, and over the episodes of its evaluation.
        diverged_at: as in the state.
    """

    evaluated: Evaluated
    metrics: dict[str, Summary]
    diverged_at: Int[Array, ""]


def init(
    spec: Spec, seed: UInt32[Array, ""] | Int[Array, ""] | int, environment: AbstractEnvironment | None = None
) -> TrainState:
    """The state of a run before training.

    Args:
        spec: a resolved spec.
        seed: the run's seed, a whole number from 0 to 2^32 - 1.
        environment: `make_environment(spec)`, where it was made already.
    """
    seed = jnp.asarray(seed, jnp.uint32)
    root = jax.random.key(seed)
    episodes = _episodes(spec, environment)
    num_environments, num_episodes = spec.algorithm.num_environments, spec.evaluation.episodes

    # One batch of resets for training and evaluation: those of physics engines take long to compile.
    training_keys = jax.random.split(subkey(root, "training", "reset"), num_environments)
    evaluation_keys = start_keys(root, num_episodes)
    keys = jnp.concatenate([training_keys, evaluation_keys])
    starts = _start(episodes, keys, jnp.arange(len(keys)) < num_environments)
    training_starts = jax.tree.map(lambda x: x[:num_environments], starts)
    if episodes.environment.randomizes:
        reset = lambda physics, key: episodes.randomize(physics).reset(key, stagger=True)
        training_starts = jax.vmap(reset)(_physics(spec, root), training_keys)

    algorithm = spec.algorithm.init(subkey(root, "weights"), episodes.environment.interface())
    return TrainState(
        seed=seed,
        iteration=jnp.array(0, jnp.int32),
        algorithm=algorithm,
        episodes=training_starts,
        memory=_memories(spec, subkey(root, "memory"), num_environments),
        evaluation_starts=jax.tree.map(lambda x: x[num_environments:], starts),
        diverged_at=jnp.array(-1, jnp.int32),
        diverged_by=jnp.array(-1, jnp.int32),
        best_return=jnp.array(-jnp.inf),
        best_broken=jnp.array(num_episodes, jnp.int32),
        best_policy=_as_arrays(spec.algorithm.policy(algorithm)),
    )


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

    nothing = {name: Summary.none() for name in jax.eval_shape(step, arrays)[1]}
    arrays, metrics = repeat(step, arrays, nothing, iterations)
    return assess(spec, eqx.combine(arrays, static), metrics, environment)


def repeat(
    step: Callable[[PyTree], tuple[PyTree, dict[str, Summary]]],
    arrays: PyTree,
    metrics: dict[str, Summary],
    iterations: Int[Array, ""] | int,
) -> tuple[PyTree, dict[str, Summary]]:
    """A number of iterations; wherever they are cut into several calls, the numbers are the same to the last bit.

    Args:
        step: one iteration, of the arrays of a state.
        arrays: those of the state.
        metrics: the summaries so far, since the last evaluation; those of each iteration are merged into them in turn.
        iterations: how many.
    """

    def body(_: Array, carry: tuple[PyTree, dict[str, Summary]]) -> tuple[PyTree, dict[str, Summary]]:
        arrays, new = step(carry[0])
        return arrays, {name: metric.merge(new[name]) for name, metric in carry[1].items()}

    return jax.lax.fori_loop(0, iterations, body, (arrays, metrics))


@_in_its_precision
def assess(
    spec: Spec, state: TrainState, metrics: dict[str, Summary], environment: AbstractEnvironment | None = None
) -> tuple[TrainState, ChunkReport]:
    """Evaluates the current policy, keeps it if it is the best so far, and adds the episodes' metrics to others."""
    evaluated = _evaluate(spec, state, _episodes(spec, environment))
    state = _keep_best(spec, state, evaluated)
    metrics = metrics | {f"evaluation/{name}": Summary.of(totals) for name, totals in evaluated.metrics.items()}
    return state, ChunkReport(evaluated=evaluated, metrics=metrics, diverged_at=state.diverged_at)


@_in_its_precision
def iterate(
    spec: Spec, state: TrainState, environment: AbstractEnvironment | None = None
) -> tuple[TrainState, dict[str, Summary]]:
    """One iteration: collect with the current policy, learn from what was collected."""
    algorithm, episodes = spec.algorithm, _episodes(spec, environment)
    root = jax.random.key(state.seed)
    key = subkey(root, "iteration", state.iteration)
    num_environments = algorithm.num_environments
    physics = _physics(spec, root)

    # Every environment gets new states to start its next episodes from.
    refresh_keys = jax.random.split(subkey(key, "refresh"), num_environments)
    started = jax.vmap(lambda p, k, s: episodes.randomize(p).refresh(k, s))(physics, refresh_keys, state.episodes)

    rolled, memory, trajectory, ends = collect(
        episodes,
        algorithm.policy(state.algorithm),
        started,
        state.memory,
        _memories(spec, subkey(key, "memory"), num_environments),
        physics,
        algorithm.rollout_length,
        subkey(key, "collect"),
    )
    learned, metrics = algorithm.update(state.algorithm, trajectory, subkey(key, "update"))

    # A run whose update gives numbers that are not finite stands still from then on: its last finite learner is kept.
    finite, running = all_finite(learned.without_data()), state.diverged_at < 0
    kept = lambda name: where_tree(finite & running, getattr(learned, name), getattr(state.algorithm, name))
    metrics |= _rollout_metrics(ends, trajectory.terminated, trajectory.truncated)
    fault = first_fault(algorithm, learned, metrics, trajectory)
    new_state = dataclasses.replace(
        state,
        iteration=state.iteration + 1,
        algorithm=dataclasses.replace(learned, learner=kept("learner"), statistics=kept("statistics")),
        episodes=rolled,
        memory=memory,
        diverged_at=jnp.where(running & ~finite, state.iteration, state.diverged_at),
        diverged_by=jnp.where(running & ~finite, fault, state.diverged_by),
    )
    return new_state, metrics


def make_environment(spec: Spec, lanes: int = 1) -> AbstractEnvironment:
    """The environment of a spec, with room for the copies that so many lanes reset or step at the same time."""
    return spec.environment.make().with_worlds(lanes * (spec.algorithm.num_environments + spec.evaluation.episodes))


def _episodes(spec: Spec, environment: AbstractEnvironment | None) -> Episodes:
    """The environment in episodes, with a stored start for every eight steps of an iteration, eight at most."""
    environment = make_environment(spec) if environment is None else environment
    return Episodes(environment, num_starts=min(MOST_STARTS, math.ceil(spec.algorithm.rollout_length / 8)))


@eqx.filter_jit  # traced once for all arms of a study: tracing the reset of a physics engine takes seconds
def _start(episodes: Episodes, keys: Key[Array, " episode"], stagger: Bool[Array, " episode"]) -> EpisodeState:
    return jax.vmap(episodes.reset)(keys, stagger)


def _physics(spec: Spec, root: Key[Array, ""]) -> Key[Array, " environment"]:
    """A key for the physics of each training environment, drawn once a run, as Playground does."""
    return jax.random.split(subkey(root, "physics"), spec.algorithm.num_environments)


def _memories(spec: Spec, key: Key[Array, ""], number: int) -> PyTree:
    return jax.vmap(spec.algorithm.memory)(jax.random.split(key, number))


def _evaluate(spec: Spec, state: TrainState, episodes: Episodes) -> Evaluated:
    root = jax.random.key(state.seed)
    memory = evaluation_memories(spec.algorithm.memory, root, spec.evaluation.episodes)
    return evaluate(episodes, spec.algorithm.policy(state.algorithm), state.evaluation_starts, memory, root)


def _keep_best(spec: Spec, state: TrainState, evaluated: Evaluated) -> TrainState:
    broken = jnp.sum(evaluated.nonfinite, dtype=jnp.int32)
    score = jnp.nanmean(evaluated.episode_return)
    better = (broken < state.best_broken) | ((broken == state.best_broken) & (score > state.best_return))
    new = (_as_arrays(spec.algorithm.policy(state.algorithm)), score, broken)
    best = lambda s: (s.best_policy, s.best_return, s.best_broken)
    return eqx.tree_at(best, state, where_tree(better, new, best(state)))


def _rollout_metrics(
    ends: EpisodeEnds, terminated: Bool[Array, "time environment"], truncated: Bool[Array, "time environment"]
) -> dict[str, Summary]:
    """Episodes that ended, by cause, in each iteration; return, length and metrics of those that were complete."""
    count = lambda flags: Summary.of(jnp.sum(flags, dtype=jnp.float32))
    return {
        "episodes/terminated": count(terminated),
        "episodes/truncated": count(truncated & ~ends.nonfinite),
        "episodes/nonfinite": count(ends.nonfinite),
        "episodes/return": Summary.of(ends.episode_return, where=ends.complete),
        "episodes/length": Summary.of(ends.episode_length, where=ends.complete),
        **{f"episodes/{name}": Summary.of(totals, where=ends.complete) for name, totals in ends.metrics.items()},
    }


def _as_arrays(tree: PyTree) -> PyTree:
    """Scalars of the spec inside a policy become JAX arrays, as everything else that a state holds."""
    return jax.tree.map(lambda x: jnp.asarray(x) if eqx.is_array(x) else x, tree)
