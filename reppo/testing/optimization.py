"""Laws of optimizers, gradient clips and schedules."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from reppo.optimization import AbstractClip, AbstractMultiplierOptimizer, AbstractOptimizer, AbstractSchedule
from reppo.summary import Summary
from reppo.testing.laws import ensure, for_all, hold, law
from reppo.testing.strategies import floats, seeds, vectors


def check_optimizer(optimizer: AbstractOptimizer, *, skip: Collection[str] = ()) -> None:
    """Holds an optimizer against the laws of its slot: `LAWS[AbstractOptimizer]`.

    Args:
        optimizer: the component.
        skip: names of laws that it breaks on purpose.

    Raises:
        AssertionError: if it breaks another; says which, and at which input.
    """
    hold(AbstractOptimizer, optimizer, skip)


_STEPS = 50


@eqx.filter_jit
def _descend(optimizer: AbstractOptimizer, start: Any, scale: Any) -> Any:
    """Minimizes scale / 2 * |x|^2 for some steps; the last member of the tree is absent, as a fixed multiplier is."""
    transform = optimizer.transform()
    parameters = {"x": start, "absent": None}

    def step(carry: Any, _: Any) -> Any:
        parameters, state = carry
        gradient = jax.tree.map(lambda x: scale * x, parameters)
        updates, state = transform.update(gradient, state, parameters)
        return (optax.apply_updates(parameters, updates), state), parameters["x"]

    (parameters, _), path = jax.lax.scan(step, (parameters, transform.init(parameters)), length=_STEPS)
    return parameters["x"], path


@eqx.filter_jit
def _once(part: AbstractOptimizer | AbstractClip, gradient: Any) -> Any:
    """The first update of parameters of 1 by a gradient."""
    transform = part.transform()
    parameters = jnp.ones_like(gradient)
    return transform.update(gradient, transform.init(parameters), parameters)[0]


@law(AbstractOptimizer, "descends", "on a quadratic it goes down")
def _optimizer_descends(optimizer: AbstractOptimizer) -> None:
    def body(start: Any, scale: Any) -> None:
        end, _ = _descend(optimizer, start, jnp.float32(scale))
        before, after = float((start**2).sum()), float((np.asarray(end) ** 2).sum())
        ensure(after < before, f"|x|^2 from {before} to {after} in {_STEPS} steps")

    start = vectors(3, 1.0, 3.0)
    for_all(body, start=start, scale=floats(0.125, 10))


@law(AbstractOptimizer, "shape", "an update has the shape and dtype of its parameter; absent parameters stay absent")
def _optimizer_shape(optimizer: AbstractOptimizer) -> None:
    end, _ = _descend(optimizer, jnp.ones(3), jnp.float32(1.0))
    ensure(end.shape == (3,) and end.dtype == np.float32, f"{end.dtype} of shape {end.shape}")


@law(AbstractOptimizer, "finite", "updates are finite for gradients of any size, 0 among them")
def _optimizer_finite(optimizer: AbstractOptimizer) -> None:
    def body(gradient: Any, scale: Any) -> None:
        update = _once(optimizer, gradient * np.float32(scale))
        ensure(np.isfinite(update).all(), f"the update {update}")

    for_all(body, gradient=vectors(3, -1.0, 1.0), scale=floats(0, 1e6))


def check_multiplier_optimizer(optimizer: AbstractMultiplierOptimizer, *, skip: Collection[str] = ()) -> None:
    """Holds an optimizer of the multipliers against the laws of its slot: `LAWS[AbstractMultiplierOptimizer]`.

    Arguments and errors as for `check_optimizer`.
    """
    hold(AbstractMultiplierOptimizer, optimizer, skip)


@eqx.filter_jit
def _beside(optimizer: AbstractMultiplierOptimizer, start: Any, learned: bool) -> Any:
    """Minimizes |x|^2 / 2 of an actor and, if they are learned, of two multipliers beside it."""
    transform = optimizer.beside(optax.sgd(0.01))
    parameters: Any = ({"weight": start}, (start[0], start[1]) if learned else (None, None))

    def step(carry: Any, _: Any) -> Any:
        parameters, state = carry
        updates, state = transform.update(parameters, state, parameters)
        return (optax.apply_updates(parameters, updates), state), None

    (parameters, _), _ = jax.lax.scan(step, (parameters, transform.init(parameters)), length=_STEPS)
    return parameters


@law(AbstractMultiplierOptimizer, "descends", "on a quadratic the actor and the multipliers both go down")
def _beside_descends(optimizer: AbstractMultiplierOptimizer) -> None:
    def body(start: Any) -> None:
        actor, multipliers = _beside(optimizer, start, True)
        ensure(np.all(np.abs(actor["weight"]) < start), f"the actor from {start} to {actor['weight']}")
        ensure(np.all(np.abs(multipliers) < start[:2]), f"the multipliers from {start[:2]} to {multipliers}")

    for_all(body, start=vectors(3, 1, 3))


@law(
    AbstractMultiplierOptimizer, "fixed", "multipliers that are not learned are absent, and the actor learns as before"
)
def _beside_fixed(optimizer: AbstractMultiplierOptimizer) -> None:
    start = np.ones(3, np.float32)
    actor, multipliers = _beside(optimizer, start, False)
    ensure(multipliers == (None, None), f"{multipliers}")
    ensure(np.all(np.abs(actor["weight"]) < start), f"the actor from {start} to {actor['weight']}")


def check_clip(clip: AbstractClip, *, skip: Collection[str] = ()) -> None:
    """Holds a limit on gradients against the laws of its slot: `LAWS[AbstractClip]`.

    Arguments and errors as for `check_optimizer`.
    """
    hold(AbstractClip, clip, skip)


@law(AbstractClip, "limits", "no element grows or changes its sign, and all stays finite, 0 among it")
def _clip_limits(clip: AbstractClip) -> None:
    def body(gradient: Any, scale: Any) -> None:
        gradient = gradient * np.float32(scale)
        made = np.asarray(_once(clip, gradient))
        ensure(made.shape == gradient.shape and np.isfinite(made).all(), f"{made}")
        ensure((np.abs(made) <= np.abs(gradient) * (1 + 1e-5)).all() and (made * gradient >= 0).all(), f"{made}")

    for_all(body, gradient=vectors(3, -1.0, 1.0), scale=floats(0, 1e6))


def check_schedule(schedule: AbstractSchedule, *, skip: Collection[str] = ()) -> None:
    """Holds an order of updates against the laws of its slot: `LAWS[AbstractSchedule]`.

    It is run on 4 rows a minibatch, with steps that write down what they are given. Arguments and errors as for
    `check_optimizer`.
    """
    hold(AbstractSchedule, schedule, skip)


_ROWS = 4
_LOG = 2048


@eqx.filter_jit
def _run(schedule: AbstractSchedule, seed: Any) -> tuple[dict[str, Any], dict[str, Summary]]:
    """What the steps saw: how often each row, how often rows that do not belong together, and every key."""
    count = _ROWS * schedule.num_minibatches
    data = {"row": jnp.arange(count), "double": 2 * jnp.arange(count)}

    def step(name: str) -> Any:
        def run(log: dict[str, Any], minibatch: Any, key: Any) -> Any:
            rows = minibatch["row"]
            log = dict(log)
            log[name] = log[name].at[rows].add(1)
            log["mixed"] = log["mixed"] + jnp.sum(2 * rows != minibatch["double"])
            log["keys"] = log["keys"].at[log["steps"]].set(jax.random.key_data(key))
            log["first"] = log["first"].at[log["steps"]].set(rows[0])
            log["steps"] = log["steps"] + 1
            return log, {name: Summary.of(rows.astype(jnp.float32))}

        return run

    log = {
        "critic": jnp.zeros(count, jnp.int32),
        "actor": jnp.zeros(count, jnp.int32),
        "mixed": jnp.zeros((), jnp.int32),
        "keys": jnp.zeros((_LOG, 2), jnp.uint32),
        "first": jnp.zeros(_LOG, jnp.int32),
        "steps": jnp.zeros((), jnp.int32),
    }
    return schedule.run(log, data, step("critic"), step("actor"), jax.random.key(seed))


def _log(schedule: AbstractSchedule, seed: Any) -> tuple[dict[str, np.ndarray], dict[str, Summary]]:
    log, metrics = _run(schedule, np.uint32(seed))
    return {name: np.asarray(value) for name, value in log.items()}, metrics


@law(AbstractSchedule, "rows", "critic and actor see every row equally often: once in each of their epochs")
def _schedule_rows(schedule: AbstractSchedule) -> None:
    def body(seed: Any) -> None:
        log, _ = _log(schedule, seed)
        for name in ("critic", "actor"):
            seen = np.unique(log[name])
            ensure(len(seen) == 1 and seen[0] >= 1, f"the {name} saw rows from {seen.min()} to {seen.max()} times")
        epochs = getattr(schedule, "epochs", None)
        most = max(log["critic"][0], log["actor"][0])
        ensure(epochs is None or most == epochs, f"rows were seen {most} times in {epochs} epochs")

    for_all(body, 3, seed=seeds())


@law(AbstractSchedule, "together", "the fields of a row stay together in every minibatch")
def _schedule_together(schedule: AbstractSchedule) -> None:
    def body(seed: Any) -> None:
        mixed = _log(schedule, seed)[0]["mixed"]
        ensure(mixed == 0, f"{mixed} rows with fields of another")

    for_all(body, 3, seed=seeds())


@law(AbstractSchedule, "keys", "no two steps get the same random key")
def _schedule_keys(schedule: AbstractSchedule) -> None:
    def body(seed: Any) -> None:
        log = _log(schedule, seed)[0]
        keys = log["keys"][: log["steps"]]
        different = len(np.unique(keys, axis=0))
        ensure(different == len(keys), f"{different} different keys in {len(keys)} steps")

    for_all(body, 3, seed=seeds())


@law(AbstractSchedule, "shuffled", "the order of rows depends on the key, and on nothing else")
def _schedule_shuffled(schedule: AbstractSchedule) -> None:
    def body(seed: Any) -> None:
        orders = [_log(schedule, s)[0] for s in (seed, seed, seed + 1, seed + 2)]
        steps = int(orders[0]["steps"])
        one, again, *others = (order["first"][:steps].tolist() for order in orders)
        ensure(one == again, "two orders from one key")
        ensure(any(other != one for other in others), "one order from three keys")

    for_all(body, 3, seed=seeds())


@law(AbstractSchedule, "metrics", "metrics are summarized over all updates, not the last ones")
def _schedule_metrics(schedule: AbstractSchedule) -> None:
    log, metrics = _log(schedule, 0)
    for name in ("critic", "actor"):
        ensure(name in metrics, f"no metrics of the {name} among {', '.join(metrics)}")
        count, seen = float(metrics[name].count), log[name].sum()
        ensure(count == seen, f"{count:.0f} rows in the {name}'s metrics, {seen} that it was given")
