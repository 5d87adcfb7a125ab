"""The steps of which a run consists, each a function from named parts of the run to new ones, and their order.

A part is an argument or a result, by its name; those of `TrainState` are among them, so that `algorithm` is the state
of the algorithm, and `method` the algorithm itself. A step says by its signature what it depends on, and is compiled
once for all runs that agree in that: the environments alone (`fresh_starts`, `start`), the policy and the environments
(`act`, `judge`), the algorithm (`begin`, `learn`).
"""

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, UInt32

from reppo.algorithms import AbstractAlgorithm, AlgorithmState
from reppo.arrays import changed_forms
from reppo.environments import AbstractEnvironment, Episodes, EpisodeState, Observation
from reppo.environments.contract import State, where_tree
from reppo.keys import subkey
from reppo.rollout import AbstractPolicy, EpisodeEnds, Evaluated, Trajectory, collect, evaluate, start_keys
from reppo.spec import Spec
from reppo.summary import Summary
from reppo.training.faults import all_finite, first_fault

STEPS_PER_START = 8
"""An environment gets a new state to start from for every so many of its steps, if its resets are not cheap."""

MOST_STARTS = 8
"""Most stored starts of an environment: memory of as many states of the task, and as many resets an iteration."""

Parts = dict[str, Any]
Step = Callable[..., Parts]
Call = Callable[[Step, Parts], Parts]
"""How a step is made, with all parts, of which it takes those that are its arguments."""


def plainly(step: Step, parts: Parts) -> Parts:
    """Calls a step with parts that are what they are called."""
    return step(**{name: parts[name] for name in arguments(step)})


def arguments(step: Step) -> tuple[str, ...]:
    """The names of the parts that a step asks for."""
    return tuple(inspect.signature(step).parameters)


@final
class Traits(NamedTuple):
    """What is to be known of a step to make a program of it.

    Attributes:
        changes: the arguments whose memory its results may take.
        own_precision: whether its matrix products are made in the precision of the spec; else in the highest, so that
            all specs share its program.
        of_one_algorithm: whether no other algorithm has the same program, so that it need not be kept.
    """

    changes: tuple[str, ...] = ()
    own_precision: bool = False
    of_one_algorithm: bool = False


@final
class Sizes(NamedTuple):
    """How many there are of what a run consists of.

    Attributes:
        environments: that run in parallel.
        length: steps of each in an iteration.
        episodes: of an evaluation.
        starts: stored for each environment; 0 for a task that resets cheaply.
    """

    environments: int
    length: int
    episodes: int
    starts: int

    @property
    def sharing(self) -> int:
        """Iterations that share stored starts before they are drawn anew: several where rollouts are short."""
        return max(1, STEPS_PER_START // self.length) if self.starts else 1

    @property
    def evaluation_rows(self) -> int:
        """Starts of evaluation episodes are drawn in so many rows of as many as there are environments."""
        return math.ceil(self.episodes / self.environments)

    @property
    def most_rows(self) -> int:
        """As many rows of starts as are ever drawn at once."""
        return max(self.starts, self.evaluation_rows)


@final
class Order(NamedTuple):
    """In which order the steps follow each other for a spec.

    Attributes:
        sizes: of the run.
        draw: the step by which environments get their starts.
    """

    sizes: Sizes
    draw: Step

    @classmethod
    def of(cls, spec: Spec, environment: AbstractEnvironment) -> "Order":
        """That of a spec: with a stored start for every `STEPS_PER_START` steps, `MOST_STARTS` at most."""
        algorithm, length = spec.algorithm, spec.algorithm.rollout_length
        starts = 0 if environment.resets_cheaply else min(MOST_STARTS, math.ceil(length / STEPS_PER_START))
        sizes = Sizes(algorithm.num_environments, length, spec.evaluation.episodes, starts)
        return cls(sizes, random_starts if environment.randomizes else fresh_starts)

    def constants(self, spec: Spec, environment: AbstractEnvironment) -> Parts:
        """The parts that stay as they are: what all lanes share, but for the algorithm itself."""
        rows = {"rows": self.sizes.starts, "first_row": 1, "evaluation_rows": self.sizes.evaluation_rows}
        return {
            "method": spec.algorithm,
            "environment": environment,
            "sizes": self.sizes,
            "starts": None,
            **{name: jnp.array(number, jnp.int32) for name, number in rows.items()},
        }

    def first(self, call: Call, now: Parts) -> Parts:
        """The parts before training, from the seed."""
        now = now | call(first_keys, now)
        of_evaluation = {"keys": now["evaluation_keys"], "rows": now["evaluation_rows"]}
        evaluated = call(fresh_starts, now | of_evaluation)["starts"]
        drawn = call(self.draw, now | {"rows": now["first_row"]})
        now = now | drawn | {"evaluation_drawn": evaluated}
        return now | call(start, now) | call(begin, now)

    def iteration(self, call: Call, now: Parts, drawn: bool = False) -> Parts:
        """One iteration: collect with the current policy, learn from what was collected.

        Args:
            call: makes a step.
            now: the parts before it.
            drawn: whether the starts of this iteration are among them, from one with which it shares them.
        """
        if self.sizes.starts and not drawn:  # every environment gets new states to start its next episodes from
            now = now | call(refresh_keys, now)
            now = now | call(self.draw, now)
        now = now | call(policy_of, now)
        now = now | call(act, now)
        if self.sizes.starts and self.sizes.sharing == 1:
            now = _without(now, "starts")  # the update has their memory
        now = now | call(learn, now)
        return _without(now, "policy", "trajectory", "ends")  # the next rollout has their memory

    def evaluation(self, call: Call, now: Parts) -> Parts:
        """An evaluation of the current policy, which is kept if it is the best so far."""
        now = now | call(policy_of, now)
        return now | call(judge, now)


def first_keys(seed: UInt32[Array, ""], sizes: Sizes) -> Parts:
    """Where episodes start before training: keys of the environments' starts and of the evaluation episodes'."""
    root = jax.random.key(seed)
    number, rows = sizes.environments, sizes.most_rows
    own, _, clock = _split_by_environment(subkey(root, "training", "reset"), number, 3)  # as `Episodes.reset` does
    of_evaluation = jax.vmap(lambda key: jax.random.split(key, 3)[0])(start_keys(root, number * rows))
    return {
        "keys": _padded(own[None], rows),
        "physics": _physics(root, number),
        "clock_keys": clock,
        "evaluation_keys": of_evaluation.reshape(rows, number),
    }


def refresh_keys(seed: UInt32[Array, ""], iteration: Int[Array, ""], sizes: Sizes) -> Parts:
    """Where the episodes start that begin in an iteration, or in those that share its starts."""
    root = jax.random.key(seed)
    first = iteration - iteration % sizes.sharing
    keys = _split_by_environment(subkey(root, "iteration", first, "refresh"), sizes.environments, sizes.starts)
    return {"keys": _padded(keys, sizes.most_rows), "physics": _physics(root, sizes.environments)}


def fresh_starts(environment: AbstractEnvironment, keys: Key[Array, "row environment"], rows: Int[Array, ""]) -> Parts:
    """Starts of episodes: states of the task with their observations, `[row, environment, ...]`.

    All resets of a run are made by this step and its like, since those of physics engines take long to compile.

    Args:
        environment: one instance, batched here.
        keys: consumed.
        rows: how many rows are drawn; the others are not to be used.
    """
    return {"starts": _drawn(environment, None, keys, rows)}


def random_starts(
    environment: AbstractEnvironment,
    physics: Key[Array, " environment"],
    keys: Key[Array, "row environment"],
    rows: Int[Array, ""],
) -> Parts:
    """Likewise, where the task draws its physics for each environment."""
    return {"starts": _drawn(environment, physics, keys, rows)}


def start(
    environment: AbstractEnvironment,
    starts: tuple[State, Observation],
    clock_keys: Key[Array, " environment"],
    evaluation_drawn: tuple[State, Observation],
    sizes: Sizes,
) -> Parts:
    """The environments before training, and where the evaluation episodes start."""
    begin = Episodes(environment).begin
    training = jax.vmap(lambda first, key: begin(first, key, stagger=True))(
        jax.tree.map(lambda x: x[0], starts), clock_keys
    )
    flat = jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])[: sizes.episodes], evaluation_drawn)
    evaluation = jax.vmap(lambda first: begin(first, jax.random.key(0), stagger=False))(flat)
    return {"episodes": training, "evaluation_starts": evaluation}


def begin(method: AbstractAlgorithm, environment: AbstractEnvironment, seed: UInt32[Array, ""], sizes: Sizes) -> Parts:
    """All of a run before training but its environments."""
    root = jax.random.key(seed)
    algorithm = method.init(subkey(root, "weights"), environment.interface())
    policy = method.policy(algorithm)
    return {
        "iteration": jnp.array(0, jnp.int32),
        "algorithm": algorithm,
        "memory": jax.vmap(policy.start)(jax.random.split(subkey(root, "memory"), sizes.environments)),
        "diverged_at": jnp.array(-1, jnp.int32),
        "diverged_by": jnp.array(-1, jnp.int32),
        "best_return": jnp.array(-jnp.inf),
        "best_broken": jnp.array(sizes.episodes, jnp.int32),
        "best_policy": _as_arrays(policy),
    }


def policy_of(method: AbstractAlgorithm, algorithm: AlgorithmState) -> Parts:
    """The current policy."""
    return {"policy": method.policy(algorithm)}


def act(
    environment: AbstractEnvironment,
    policy: AbstractPolicy,
    seed: UInt32[Array, ""],
    iteration: Int[Array, ""],
    episodes: EpisodeState,
    memory: PyTree,
    starts: tuple[State, Observation] | None,
    sizes: Sizes,
) -> Parts:
    """The rollout of an iteration: environments and memories after it, what was collected, how episodes ended."""
    root = jax.random.key(seed)
    if starts is not None:
        episodes = episodes.with_starts(jax.tree.map(lambda x: jnp.swapaxes(x[: sizes.starts], 0, 1), starts))
    task = Episodes(environment, num_starts=max(sizes.starts, 1))
    physics, key = _physics(root, sizes.environments), subkey(root, "iteration", iteration, "collect")
    after, memory, trajectory, ends = collect(task, policy, episodes, memory, physics, sizes.length, key)
    metrics = _rollout_metrics(ends, trajectory.terminated, trajectory.truncated)
    return {"episodes": after.with_starts(None), "memory": memory, "trajectory": trajectory, "ends": metrics}


def learn(
    method: AbstractAlgorithm,
    seed: UInt32[Array, ""],
    iteration: Int[Array, ""],
    algorithm: AlgorithmState,
    diverged_at: Int[Array, ""],
    diverged_by: Int[Array, ""],
    trajectory: Trajectory,
    ends: dict[str, Summary],
) -> Parts:
    """The update of an iteration, with all of the iteration's metrics.

    A run whose update gives numbers that are not finite stands still from then on: its last finite learner is kept.
    """
    key = subkey(jax.random.key(seed), "iteration", iteration, "update")
    learned, metrics = method.update(algorithm, trajectory, key)
    metrics |= ends
    require_same_form("algorithm", algorithm, learned)
    finite, running = all_finite(learned.without_data()), diverged_at < 0
    kept = keep_tree(finite & running, *((one.learner, one.statistics) for one in (learned, algorithm)))
    fault = first_fault(method, learned, metrics, trajectory)
    return {
        "iteration": iteration + 1,
        "algorithm": dataclasses.replace(learned, learner=kept[0], statistics=kept[1]),
        "diverged_at": jnp.where(running & ~finite, iteration, diverged_at),
        "diverged_by": jnp.where(running & ~finite, fault, diverged_by),
        "metrics": metrics,
    }


def judge(
    environment: AbstractEnvironment,
    policy: AbstractPolicy,
    seed: UInt32[Array, ""],
    evaluation_starts: EpisodeState,
    best_policy: AbstractPolicy,
    best_return: Float[Array, ""],
    best_broken: Int[Array, ""],
) -> Parts:
    """The outcome of the evaluation episodes and their metrics, and the best policy so far."""
    if not environment.resets_cheaply:  # what follows the one episode does not count
        own = evaluation_starts.task, evaluation_starts.observation
        evaluation_starts = evaluation_starts.with_starts(jax.tree.map(lambda x: x[:, None], own))
    evaluated = evaluate(Episodes(environment, num_starts=1), policy, evaluation_starts, jax.random.key(seed))
    totals = {f"evaluation/{name}": Summary.of(totals) for name, totals in evaluated.metrics.items()}
    best = better_of(policy, evaluated, best_policy, best_return, best_broken)
    return best | {"evaluated": evaluated, "evaluation_metrics": totals}


TRAITS: dict[Step, Traits] = {
    begin: Traits(of_one_algorithm=True),
    policy_of: Traits(own_precision=True, of_one_algorithm=True),
    act: Traits(changes=("episodes", "memory"), own_precision=True),
    learn: Traits(
        changes=("iteration", "algorithm", "diverged_at", "diverged_by"), own_precision=True, of_one_algorithm=True
    ),
    judge: Traits(own_precision=True),
}
"""Traits of steps; those of the others are the usual ones."""


def better_of(
    policy: AbstractPolicy,
    evaluated: Evaluated,
    best_policy: AbstractPolicy,
    best_return: Float[Array, ""],
    best_broken: Int[Array, ""],
) -> Parts:
    """The best policy so far, once another one was evaluated: first by episodes that did not break, then by return."""
    broken = jnp.sum(evaluated.nonfinite, dtype=jnp.int32)
    score = jnp.nanmean(evaluated.episode_return)
    better = (broken < best_broken) | ((broken == best_broken) & (score > best_return))
    new = {"best_policy": _as_arrays(policy), "best_return": score, "best_broken": broken}
    old = {"best_policy": best_policy, "best_return": best_return, "best_broken": best_broken}
    return where_tree(better, new, old)


def _without(parts: Parts, *names: str) -> Parts:
    return {name: part for name, part in parts.items() if name not in names}


def _padded(keys: Key[Array, "row environment"], rows: int) -> Key[Array, "rows environment"]:
    """As many rows, the first of them again where there are too few."""
    return jnp.concatenate([keys, jnp.repeat(keys[:1], rows - len(keys), axis=0)])


def _split_by_environment(key: Key[Array, ""], environments: int, number: int) -> Key[Array, "number environment"]:
    """A number of keys for each environment."""
    return jax.vmap(lambda own: jax.random.split(own, number))(jax.random.split(key, environments)).T


def _drawn(
    environment: AbstractEnvironment,
    physics: Key[Array, " environment"] | None,
    keys: Key[Array, "row environment"],
    rows: Int[Array, ""],
) -> tuple[State, Observation]:
    """Starts, row after row; zeros in the rows that are not asked for."""

    @jax.jit  # traced once: tracing the reset of a physics engine takes seconds
    def reset(
        physics: Key[Array, " environment"] | None, keys: Key[Array, " environment"]
    ) -> tuple[State, Observation]:
        if physics is None:
            return jax.vmap(environment.reset)(keys)
        return jax.vmap(lambda physics, key: environment.randomize(physics).reset(key))(physics, keys)

    shapes = jax.eval_shape(reset, physics, keys[0])
    nothing = jax.tree.map(lambda x: jnp.zeros((len(keys), *x.shape), x.dtype), shapes)
    draw = lambda row, drawn: jax.tree.map(lambda all, one: all.at[row].set(one), drawn, reset(physics, keys[row]))
    return jax.lax.fori_loop(0, rows, draw, nothing)


def _physics(root: Key[Array, ""], number: int) -> Key[Array, " environment"]:
    """A key for the physics of each training environment, drawn once a run, as Playground does."""
    return jax.random.split(subkey(root, "physics"), number)


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


def require_same_form(name: str, before: PyTree, after: PyTree) -> None:
    """Raises `TypeError` if an iteration changes the shape or dtype of an array of this part of the state."""
    for path, old, new in changed_forms(before, after):
        raise TypeError(f"An iteration makes {new} of {name}/{path}, which is {old}: the next could not go on from it")


def keep_tree(condition: Bool[Array, ""], this: PyTree, other: PyTree) -> PyTree:
    """As `where_tree`, but the whole of one tree is taken at once: a program for each leaf takes long to compile."""
    arrays, code = eqx.partition(this, eqx.is_array)
    taken = jax.lax.cond(
        condition, lambda this, _: this, lambda _, other: other, arrays, eqx.filter(other, eqx.is_array)
    )
    return eqx.combine(taken, code)


def _as_arrays(tree: PyTree) -> PyTree:
    """Scalars of the spec inside a policy become JAX arrays, as everything else that a state holds."""
    return jax.tree.map(lambda x: jnp.asarray(x) if eqx.is_array(x) else x, tree)
