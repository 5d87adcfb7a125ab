"""Laws of optimizers, gradient clips, minibatches and orders of steps."""

from collections.abc import Collection
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from reppo.errors import ConfigurationError
from reppo.optimization import (
    AbstractAnnealing,
    AbstractBatches,
    AbstractClip,
    AbstractMultiplierOptimizer,
    AbstractOptimizer,
    AbstractStepOrder,
    AbstractStop,
)
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


def check_batches(batches: AbstractBatches, *, skip: Collection[str] = ()) -> None:
    """Holds a choice of minibatches against the laws of its slot: `LAWS[AbstractBatches]`.

    Arguments and errors as for `check_optimizer`.
    """
    hold(AbstractBatches, batches, skip)


def _indices(batches: AbstractBatches, seed: Any) -> tuple[np.ndarray, int]:
    """The rows of all minibatches, and of how many rows they were chosen."""
    rows = next(n for n in (16, 240, 46080) if _accepts(batches, n))
    return np.asarray(_choose(batches, rows, np.uint32(seed))), rows


_choose = eqx.filter_jit(lambda batches, rows, seed: batches.indices(rows, jax.random.key(seed)))


def _accepts(batches: AbstractBatches, rows: int) -> bool:
    try:
        batches.check(rows)
    except ConfigurationError:
        return False
    return True


@law(AbstractBatches, "shape", "minibatches of one size, of rows that there are")
def _batches_shape(batches: AbstractBatches) -> None:
    def body(seed: Any) -> None:
        chosen, rows = _indices(batches, seed)
        ensure(chosen.ndim == 2 and chosen.size and np.issubdtype(chosen.dtype, np.integer), f"{chosen.shape}")
        ensure(chosen.min() >= 0 and chosen.max() < rows, f"rows {chosen.min()} to {chosen.max()} of {rows}")

    for_all(body, 3, seed=seeds())


@law(AbstractBatches, "fair", "no row is preferred: every one is seen equally often in the mean")
def _batches_fair(batches: AbstractBatches) -> None:
    chosen, rows = zip(*(_indices(batches, seed) for seed in range(20)))
    seen = np.bincount(np.concatenate([one.ravel() for one in chosen]), minlength=rows[0])
    mean = seen.mean()
    ensure(np.abs(seen - mean).max() <= 6 * mean**0.5, f"from {seen.min()} to {seen.max()} times, {mean} in the mean")


@law(AbstractBatches, "shuffled", "the order of rows depends on the key, and on nothing else")
def _batches_shuffled(batches: AbstractBatches) -> None:
    def body(seed: Any) -> None:
        one, again, *others = (_indices(batches, s)[0] for s in (seed, seed, seed + 1, seed + 2))
        ensure(np.array_equal(one, again), "two orders from one key")
        ensure(any(not np.array_equal(one, other) for other in others), "one order from three keys")

    for_all(body, 3, seed=seeds())


def check_step_order(order: AbstractStepOrder, *, skip: Collection[str] = ()) -> None:
    """Holds an order of steps against the laws of its slot: `LAWS[AbstractStepOrder]`.

    It is run on three minibatches of 4 rows, with two steps that write down what they are given. Arguments and errors
    as for `check_optimizer`.
    """
    hold(AbstractStepOrder, order, skip)


_STEP_NAMES = ("critic", "actor")
_INDICES = np.array([[3, 1, 0, 2], [7, 4, 5, 6], [1, 6, 3, 4]])
_LOG = 64


@eqx.filter_jit
def _run(order: AbstractStepOrder, seed: Any) -> tuple[dict[str, Any], dict[str, Summary]]:
    """What the steps saw: how often each row, how often rows that do not belong together, and every key."""
    count = _INDICES.max() + 1
    data = {"row": jnp.arange(count), "double": 2 * jnp.arange(count)}

    def step(name: str) -> Any:
        def run(log: dict[str, Any], minibatch: Any, key: Any) -> Any:
            rows = minibatch["row"]
            log = dict(log)
            log[name] = log[name].at[rows].add(1)
            log["mixed"] = log["mixed"] + jnp.sum(2 * rows != minibatch["double"])
            log["keys"] = log["keys"].at[log["steps"]].set(jax.random.key_data(key))
            log["steps"] = log["steps"] + 1
            return log, {name: Summary.of(rows.astype(jnp.float32))}

        return run

    log = {
        **{name: jnp.zeros(count, jnp.int32) for name in _STEP_NAMES},
        "mixed": jnp.zeros((), jnp.int32),
        "keys": jnp.zeros((_LOG, 2), jnp.uint32),
        "steps": jnp.zeros((), jnp.int32),
    }
    steps = {name: step(name) for name in _STEP_NAMES}
    return order.run(log, data, jnp.asarray(_INDICES), steps, jax.random.key(seed))


def _log(order: AbstractStepOrder, seed: Any) -> tuple[dict[str, np.ndarray], dict[str, Summary]]:
    log, metrics = _run(order, np.uint32(seed))
    return {name: np.asarray(value) for name, value in log.items()}, metrics


@law(AbstractStepOrder, "rows", "every step sees every minibatch once")
def _order_rows(order: AbstractStepOrder) -> None:
    log, _ = _log(order, 0)
    expected = np.bincount(_INDICES.ravel())
    for name in _STEP_NAMES:
        ensure(np.array_equal(log[name], expected), f"the {name} saw the rows {log[name]} times, not {expected}")


@law(AbstractStepOrder, "together", "the fields of a row stay together in every minibatch")
def _order_together(order: AbstractStepOrder) -> None:
    mixed = _log(order, 0)[0]["mixed"]
    ensure(mixed == 0, f"{mixed} rows with fields of another")


@law(AbstractStepOrder, "keys", "no two steps get the same random key")
def _order_keys(order: AbstractStepOrder) -> None:
    def body(seed: Any) -> None:
        log = _log(order, seed)[0]
        keys = log["keys"][: log["steps"]]
        different = len(np.unique(keys, axis=0))
        ensure(different == len(keys), f"{different} different keys in {len(keys)} steps")

    for_all(body, 3, seed=seeds())


@law(AbstractStepOrder, "metrics", "metrics are summarized over all updates, not the last ones")
def _order_metrics(order: AbstractStepOrder) -> None:
    log, metrics = _log(order, 0)
    for name in _STEP_NAMES:
        ensure(name in metrics, f"no metrics of the {name} among {', '.join(metrics)}")
        count, seen = float(metrics[name].count), log[name].sum()
        ensure(count == seen, f"{count:.0f} rows in the {name}'s metrics, {seen} that it was given")


def check_annealing(annealing: AbstractAnnealing, *, skip: Collection[str] = ()) -> None:
    """Holds an annealing of learning rates against the laws of its slot: `LAWS[AbstractAnnealing]`.

    Arguments and errors as for `check_optimizer`.
    """
    hold(AbstractAnnealing, annealing, skip)


_anneal = eqx.filter_jit(lambda annealing, steps: annealing(steps))
_STEP_NUMBERS = floats(0, 1e7)


def _share(annealing: AbstractAnnealing, steps: Any) -> Any:
    return _anneal(annealing, np.float32(steps))


@law(AbstractAnnealing, "shape", "a number of shape () in [0, 1]")
def _annealing_shape(annealing: AbstractAnnealing) -> None:
    def body(steps: Any) -> None:
        share = _share(annealing, steps)
        ensure(share.shape == () and 0 <= share <= 1, f"{share}")

    for_all(body, steps=_STEP_NUMBERS)


@law(AbstractAnnealing, "start", "at the start all of the learning rate is there")
def _annealing_start(annealing: AbstractAnnealing) -> None:
    share = _share(annealing, 0)
    ensure(share == 1, f"{share}")


@law(AbstractAnnealing, "falls", "it never rises")
def _annealing_falls(annealing: AbstractAnnealing) -> None:
    def body(steps: Any, more: Any) -> None:
        before, after = _share(annealing, steps), _share(annealing, steps + more)
        ensure(after <= before, f"{before} after {steps} steps, {after} after {more} more")

    for_all(body, steps=_STEP_NUMBERS, more=_STEP_NUMBERS)


@law(AbstractAnnealing, "floor", "in the end it stands still, however long a run goes on")
def _annealing_floor(annealing: AbstractAnnealing) -> None:
    shares = [float(_share(annealing, steps)) for steps in (1e10, 1e11, 1e12)]
    ensure(len(set(shares)) == 1, f"{shares} after 1e10, 1e11 and 1e12 steps")


def check_stop(stop: AbstractStop, *, skip: Collection[str] = ()) -> None:
    """Holds a stop of the policy against the laws of its slot: `LAWS[AbstractStop]`.

    Arguments and errors as for `check_optimizer`.
    """
    hold(AbstractStop, stop, skip)


_stops = eqx.filter_jit(lambda stop, kl: stop(kl))


@law(AbstractStop, "shape", "one boolean; an iteration starts with False, or None where the policy never stops")
def _stop_shape(stop: AbstractStop) -> None:
    start, made = stop.init(), _stops(stop, np.float32(0.1))
    ensure(start is None or (start.dtype == bool and start.shape == () and not start), f"{start} at the start")
    ensure(made.dtype == bool and made.shape == (), f"{made.dtype} of shape {made.shape}")


@law(AbstractStop, "still", "a policy that has not moved is not stopped")
def _stop_still(stop: AbstractStop) -> None:
    ensure(not _stops(stop, np.float32(0)), "it is stopped at a KL of 0")


@law(AbstractStop, "monotone", "a policy that has moved further is stopped where a nearer one is")
def _stop_monotone(stop: AbstractStop) -> None:
    def body(kl: Any, more: Any) -> None:
        near, far = _stops(stop, np.float32(kl)), _stops(stop, np.float32(kl + more))
        ensure(far or not near, f"stopped at {kl}, not at {kl + more}")

    for_all(body, kl=floats(0, 0.5), more=floats(0, 0.5))


@law(AbstractStop, "far", "None at the start, or a policy that has moved far is stopped")
def _stop_far(stop: AbstractStop) -> None:
    ensure(stop.init() is None or _stops(stop, np.float32(100)), "not stopped at a KL of 100 nats")
